"""Every error the tool raises on purpose, with the exit code a script sees.

    RnnForecastError        1   could not go on
    ├── UsageError          2   the command line was wrong
    ├── SpecError           3   the YAML spec is not valid
    ├── DataError           4   the input cannot be used
    │   └── RunFolderError  4   a run folder is missing, damaged or of another version
    ├── TrainingDiverged    5   the loss stopped being a number
    ├── PartFailed          6   some series have no forecast; the others were written
    ├── OutputError         1   the result could not be written (disk full, no permission)
    └── LockHeld           75   another process is writing the same run

Each error carries *all* problems of its kind, not only the first, and each problem says where,
what was found and expected, and how to mend it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: a place, a sentence and a cure."""

    where: str
    """The place, as near as it is known: ``sales.csv, line 7, column 'y'``; may be empty."""
    found: str
    """What was found and what was expected, as a clause without a full stop."""
    cure: str = ""
    """What the reader can do about it, as a clause without a full stop."""

    def __str__(self) -> str:
        text = f"{self.where}: {self.found}" if self.where else self.found
        return f"{text} — {self.cure}" if self.cure else text


class RnnForecastError(Exception):
    """Base of all errors raised on purpose; ``str()`` has one line a problem."""

    exit_code: ClassVar[int] = 1

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("an error needs at least one problem")
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class UsageError(RnnForecastError):
    """The command line was wrong."""

    exit_code = 2


class SpecError(RnnForecastError):
    """The YAML spec is not valid."""

    exit_code = 3


class DataError(RnnForecastError):
    """The input cannot be used as it is."""

    exit_code = 4


class RunFolderError(DataError):
    """A run folder is missing, damaged or written by another version."""


class TrainingDiverged(RnnForecastError):
    """The loss stopped being a number and cutting the learning rate did not help."""

    exit_code = 5


class PartFailed(RnnForecastError):
    """Some series have no forecast; the forecasts of the others were written."""

    exit_code = 6


class OutputError(RnnForecastError):
    """The result could not be written; nothing half-written was left."""


class LockHeld(RnnForecastError):
    """Another process is writing the same run folder."""

    exit_code = 75
