"""Findings: what a user has to know of the data or the model of a forecast, each with a code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rnnforecast.errors import Problem, StaleInput

MAX_SERIES = 20
"""Labels that a finding names; of the others only the number is known."""

Level = Literal["warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One thing that was found, such as data that end too early."""

    code: str
    """What it is, in one word with underscores; that of a check is its key in the section `checks`
    of the spec."""
    message: str
    """What was found and what was expected; a clause without a full stop."""
    level: Level = "warning"
    """``error``: nothing is published."""
    count: int | None = None
    """The number of what the message is about: series, values, rows, periods …"""
    value: float | None = None
    """What a check measured, in the unit of its threshold."""
    threshold: float | None = None
    """The limit that the value is beyond; None where there is none."""
    series: tuple[str, ...] = ()
    """Labels of the first series concerned, at most `MAX_SERIES`."""
    cure: str = ""
    """What to look at, and which key to set; a clause without a full stop."""

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"

    def to_json(self) -> dict[str, Any]:
        """The plain values that ``run.json`` and ``--json`` show."""
        return asdict(self) | {"series": list(self.series)}

    def problem(self) -> Problem:
        """The finding as a problem of an error."""
        return Problem(self.code, self.message, self.cure)


def first_labels(labels: Iterable[object]) -> tuple[str, ...]:
    """The labels that a finding names."""
    return tuple(str(label) for _, label in zip(range(MAX_SERIES), labels, strict=False))


def raise_errors(findings: Sequence[Finding]) -> None:
    """Raises StaleInput if any of the findings is at the level of an error."""
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        raise StaleInput(
            *(finding.problem() for finding in errors),
            findings=[finding.to_json() for finding in findings],
        )
