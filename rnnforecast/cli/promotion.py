"""The options of `rnnforecast train` for a model that has to be better than the current one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnforecast.datetimes import parse_duration
from rnnforecast.errors import Problem, UsageError, WorseThanBaseline

if TYPE_CHECKING:
    from rnnforecast.batch.promotion.candidate import PromotionResult
    from rnnforecast.batch.promotion.decision import PromotionRule

BETTER = "better"
DEFAULT_MARGIN = 0.01

PromoteIf = Annotated[
    str | None,
    typer.Option(
        "--promote-if",
        metavar=BETTER,
        help="Keep versions in RUN, and put the new model into use only if it is better than the "
        "current one and no baseline is better.",
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(
        "--margin",
        metavar="SHARE",
        min=0.0,
        max=1.0,
        help=f"With --promote-if: by which share the error must be lower; {DEFAULT_MARGIN} if not"
        " given.",
    ),
]
MaxAge = Annotated[
    str | None,
    typer.Option(
        "--max-age",
        metavar="TIME",
        help="With --promote-if: replace a current model of this age (30d, 8w) unless the new one "
        "is worse.",
    ),
]
FailIfNotPromoted = Annotated[
    bool,
    typer.Option(
        "--fail-if-not-promoted", help="With --promote-if: exit code 8 if it is kept aside."
    ),
]


def promotion_rule(
    promote_if: str | None,
    margin: float | None,
    max_age: str | None,
    ledger: str | None,
    *,
    fails: bool,
) -> PromotionRule | None:
    """The rule that the options ask for; None without ``--promote-if``.

    Raises UsageError for another condition than better, and for options that need it.
    """
    if promote_if is None:
        given = {"--margin": margin, "--max-age": max_age, "--ledger": ledger}
        given |= {"--fail-if-not-promoted": fails or None}
        if without := [name for name, value in given.items() if value is not None]:
            found = "has an effect with --promote-if only"
            raise UsageError(*(Problem(name, found, "add --promote-if better") for name in without))
        return None
    if promote_if != BETTER:
        raise UsageError(Problem(f"--promote-if {promote_if}", f"expected {BETTER}"))
    from rnnforecast.batch.promotion.decision import PromotionRule

    return PromotionRule(DEFAULT_MARGIN if margin is None else margin, _parse_max_age(max_age))


def _parse_max_age(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(Problem("--max-age", str(error))) from None


def promotion_to_json(result: PromotionResult) -> dict[str, Any]:
    """What ``train --json`` shows of a promotion."""
    previous = None if result.previous is None else result.previous.name
    return result.decision.to_json() | {"version": result.version.name, "previous": previous}


def check_promoted(result: PromotionResult) -> None:
    """Raises WorseThanBaseline if the new model was kept aside."""
    if not result.decision.promoted:
        cure = "look at promotion.json of the version; 'rnnforecast rollback' puts it into use"
        raise WorseThanBaseline(Problem(str(result.version), result.decision.message, cure))
