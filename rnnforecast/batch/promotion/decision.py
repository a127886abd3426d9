"""Whether a newly trained model replaces the current one, by what is known of both.

A model replaces nothing if its training data are such that a job of the current one would refuse
them, as in another unit, or if it is worse than the best baseline on its held-out horizon, by the
interval of the paired bootstrap. Otherwise:

| the current model | the new one replaces it if |
| --- | --- |
| there is none | always |
| cannot be read | always |
| was not trained on the held-out windows | it is shown to be better by the margin |
| was trained on them, and has a live record | its MASE is below the live one by the margin |
| was trained on them, without a live record | it is better all the same |
| is older than `max_age` | it is not shown to be worse |
| has a drift alarm in its live record | as above, with a margin of 0; a baseline may be better |
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

from rnnforecast.evaluation.verdict import METRIC_LABELS, Verdict
from rnnforecast.wording import count_of

CURRENT_MODEL = "the current model"

Reason = Literal[
    "always", "first", "unreadable", "better", "live", "age",
    "data", "not shown", "worse", "baseline", "not scored", "not comparable", "interrupted",
]  # fmt: skip


@dataclass(frozen=True)
class PromotionRule:
    """By how much a new model has to be better than the current one."""

    margin: float = 0.01
    """As a share of the error of the current model."""
    max_age: timedelta | None = None
    """The age of the current model from which any that is not shown to be worse replaces it."""
    replace_unreadable: bool = False
    """Whether a model that cannot be read is replaced by one that loses against a baseline too."""
    always: bool = False
    """Whether the new model replaces the current one in any case, unless it was interrupted."""


@dataclass(frozen=True)
class LiveRecord:
    """How forecasts that the current model issued compare with what was observed later."""

    mase: float
    """Mean over the scored values; NaN without any."""
    values: int
    """Scored values."""
    alarms: tuple[str, ...] = ()
    """Codes of the drift alarms."""

    @property
    def is_scored(self) -> bool:
        """Whether the MASE of any value is known."""
        return self.values > 0 and math.isfinite(self.mase)


@dataclass(frozen=True)
class CandidateScores:
    """The new model on its held-out horizon, before its final fit."""

    mase: float
    baseline: Verdict | None
    """Of the new model against the best baseline; None if nothing was scored."""
    interrupted: bool = False


@dataclass(frozen=True)
class ComparedModels:
    """The new model and the current one on held-out windows of the new one."""

    verdict: Verdict
    """Of the new model against the current one."""
    in_sample: bool
    """Whether the current model was trained on values of these windows, so that its errors are too
    low."""
    values: int
    """Compared values."""
    in_sample_values: int
    """Held-out values that the current model was trained on."""
    issued: int
    """Of the compared values, those for which the forecast is the one that was issued then, from
    the ledger; the others were forecast again."""


@dataclass(frozen=True)
class CurrentModel:
    """What is known of the model that may be replaced."""

    trained_until: str
    age: timedelta
    """Time since its training."""
    problem: str = ""
    """Why it cannot be read."""
    implausible_data: str = ""
    """Why a job of the current model would not forecast from the data of the new one."""
    compared: ComparedModels | None = None
    """None if it cannot be read, or has no series and timestamps in common with the new one."""
    live: LiveRecord | None = None


@dataclass(frozen=True)
class Decision:
    """Whether the new model replaces the current one."""

    promoted: bool
    reason: Reason
    message: str
    """One sentence without a full stop."""
    margin: float
    """The margin that was applied."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self)


def decide(
    candidate: CandidateScores, current: CurrentModel | None, rule: PromotionRule
) -> Decision:
    """Whether the new model replaces the current one, None if there is none."""
    margin = 0.0 if current is not None and _has_alarm(current) else rule.margin
    promoted, reason, message = _decide(candidate, current, rule, margin)
    return Decision(promoted, reason, message, margin)


def _decide(
    candidate: CandidateScores, current: CurrentModel | None, rule: PromotionRule, margin: float
) -> tuple[bool, Reason, str]:
    if candidate.interrupted:
        return False, "interrupted", "its training was interrupted"
    if rule.always:
        return True, "always", "without a comparison"
    if current is None:
        return True, "first", "there is no earlier model"
    if current.implausible_data:
        return False, "data", f"its data are implausible: {current.implausible_data}"
    if current.problem and rule.replace_unreadable:
        return True, "unreadable", f"{CURRENT_MODEL} cannot be read: {current.problem}"
    if candidate.baseline is None:
        return False, "not scored", "no held-out value could be scored"
    beaten = is_worse(candidate.baseline)
    if beaten and not _replaces_drifted(current):
        return False, "baseline", _describe_loss(candidate.baseline)
    if current.problem:
        return True, "unreadable", f"{CURRENT_MODEL} cannot be read: {current.problem}"
    promoted, reason, message = _against_current(candidate, current, rule, margin)
    return (
        promoted,
        reason,
        f"{message}; {_describe_loss(candidate.baseline)}" if beaten else message,
    )


def _replaces_drifted(current: CurrentModel) -> bool:
    """Whether the current model has an alarm, and the new one is shown to be better on values that
    neither was trained on: where a baseline is better still, the current model is the worst."""
    compared = current.compared
    if compared is None or compared.in_sample or not _has_alarm(current):
        return False
    return is_better_by(compared.verdict, 0.0)


def _against_current(
    candidate: CandidateScores, current: CurrentModel, rule: PromotionRule, margin: float
) -> tuple[bool, Reason, str]:
    """The decision where both models work."""
    compared = current.compared
    loses = False
    if compared is not None:
        message = f"{compared.verdict.words()}{_basis(compared, margin)}"
        if is_better_by(compared.verdict, margin):
            return True, "better", message
        # errors on training data cannot show that the new model is worse
        loses = is_worse(compared.verdict) and not compared.in_sample
    else:
        message = f"it has no held-out value in common with {CURRENT_MODEL}"
    live = current.live
    if live is not None and live.is_scored and (compared is None or compared.in_sample):
        scores = f"MASE {candidate.mase:.4g} against {live.mase:.4g} live"
        message = f"{message}; {scores} ({count_of(live.values, 'value')}, margin {margin:.3g})"
        if candidate.mase <= (1 - margin) * live.mase:
            return True, "live", message
    if rule.max_age is not None and current.age >= rule.max_age and not loses:
        limit = f"at most {describe_age(rule.max_age)}"
        return (
            True,
            "age",
            f"{CURRENT_MODEL} is {describe_age(current.age)} old, {limit}; {message}",
        )
    if compared is None:
        return False, "not comparable", message
    return False, "worse" if loses else "not shown", message


def is_better_by(verdict: Verdict, margin: float) -> bool:
    """Whether the error is lower by the share `margin` of the other one: the whole interval, or
    the mean where there are too few series for an interval."""
    bound = verdict.difference if math.isnan(verdict.high) else verdict.high
    limit = -margin * verdict.other_score
    return bound < 0 and bound <= limit


def is_worse(verdict: Verdict) -> bool:
    """Whether the error is higher: the whole interval, or the mean where there is no interval."""
    return (verdict.difference if math.isnan(verdict.low) else verdict.low) > 0


def _describe_loss(verdict: Verdict) -> str:
    """That a baseline is better, as a clause."""
    if verdict.resampled:
        return verdict.words()
    scores = (
        f"{METRIC_LABELS[verdict.metric]} {verdict.score:.4g} against {verdict.other_score:.4g}"
    )
    few = f"{verdict.series:,} series, too few for an interval"
    return f"worse than {verdict.other} by the mean: {scores}; {few}"


def _basis(compared: ComparedModels, margin: float) -> str:
    """What the comparison rests on, to be appended to the text of a verdict."""
    parts = [f"margin {100 * margin:.3g} %"]
    if not compared.verdict.resampled:
        parts.append("decided by the mean")
    if compared.in_sample:
        parts.append(f"{CURRENT_MODEL} was trained on these values, which favors it")
    elif compared.in_sample_values:
        count = count_of(compared.in_sample_values, "value")
        parts.append(f"{count} left out that {CURRENT_MODEL} was trained on")
    return "; " + "; ".join(parts)


def _has_alarm(current: CurrentModel) -> bool:
    return current.live is not None and bool(current.live.alarms)


def describe_age(age: timedelta) -> str:
    """An age in days: ``7 days``."""
    return count_of(round(age / timedelta(days=1)), "day")
