"""The package's exceptions, each with its exit code.

    RnnForecastError        1   the command could not continue
    ├── UsageError          2   the command line, or an argument in Python, is wrong
    ├── SpecError           3   the YAML spec is not valid
    ├── DataError           4   the input cannot be used
    │   └── RunFolderError  4   a run folder is missing, damaged or of another version
    ├── TrainingDiverged    5   the loss became infinite or NaN
    ├── PartFailed          6   some series have no forecast; the others were written
    ├── StaleInput          7   the data are stale or implausible; nothing was published
    ├── WorseThanBaseline   8   forecasts are worse than a baseline, if that is to be an error
    ├── OutputError         1   the result could not be written (disk full, no permission)
    │   └── OutputPathError 2   a result cannot have this name (it is of something else, too long)
    ├── WorkerLost          1   a worker process has died, killed for its memory perhaps
    └── LockHeld           75   another process is writing the same run or output

    Stopped          130, 143   a signal has stopped the work (a KeyboardInterrupt)

An error carries *all* problems of its kind, not only the first.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

SIGNAL_EXIT_BASE = 128
"""Added to the number of a signal in the exit code of a process that it ended, as shells do."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its location, what was found, and a cure."""

    where: str
    """The location, as exact as known: ``sales.csv, line 7, column 'y'``; may be empty."""
    found: str
    """What was found and what was expected; a clause without a full stop."""
    cure: str = ""
    """What the user can do about it; a clause without a full stop."""

    def __str__(self) -> str:
        text = f"{self.where}: {self.found}" if self.where else self.found
        return f"{text} — {self.cure}" if self.cure else text


def closest_match(word: str, candidates: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The candidate most similar to `word`, ignoring case; an anagram of it is preferred."""
    lower = {name.lower(): name for name in candidates}
    near = difflib.get_close_matches(word.lower(), lower, n=5, cutoff=cutoff)
    near.sort(key=lambda name: sorted(name) != sorted(word.lower()))
    return lower[near[0]] if near else None


def similarity(first: str, second: str) -> float:
    """How alike two words are, ignoring case, from 0 to 1."""
    return difflib.SequenceMatcher(None, first.lower(), second.lower()).ratio()


def did_you_mean(name: str | None) -> str:
    """The question "did you mean …?" for the closest match, "" without one."""
    return f"did you mean '{name}'?" if name else ""


class RnnForecastError(Exception):
    """Base of the package's exceptions; ``str()`` has one line per problem."""

    exit_code: ClassVar[int] = 1

    def __init__(self, *problems: Problem) -> None:
        if not problems:
            raise ValueError("an error needs at least one problem")
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))

    def __reduce__(self) -> tuple[Any, ...]:
        """As pickled, to be raised in another process: the problems, not only their text."""
        return type(self), self.problems, vars(self)


class ForecastWarning(UserWarning):
    """What a user of the Python API has to know: changes by cleaning, a better baseline …"""


class UsageError(RnnForecastError):
    """The command line, or an argument in Python, is wrong."""

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
    """The loss became infinite or NaN."""

    exit_code = 5


class PartFailed(RnnForecastError):
    """Some series have no forecast; the forecasts of the others were written."""

    exit_code = 6


class StaleInput(RnnForecastError):
    """The data are stale, incomplete or implausible beyond a limit; nothing was published."""

    exit_code = 7

    def __init__(self, *problems: Problem, findings: Sequence[Mapping[str, Any]] = ()) -> None:
        """`findings` are those of ``run.json``: the errors, and warnings beside them."""
        super().__init__(*problems)
        self.findings = tuple(findings)


class WorseThanBaseline(RnnForecastError):
    """Forecasts are worse than those of a baseline, which was requested to be an error."""

    exit_code = 8


class OutputError(RnnForecastError):
    """The result could not be written; no partial output is left."""


class OutputPathError(OutputError):
    """A result cannot have this name: something else has it, or no file system allows it."""

    exit_code = 2


class WorkerLost(RnnForecastError):
    """A worker process has died, killed for its memory perhaps."""


class LockHeld(RnnForecastError):
    """Another process is writing the same run or output."""

    exit_code = 75


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory did not suffice; torch has no class of its own for that of the CPU."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and any(words in str(error) for words in ("can't allocate memory", "out of memory"))
    )


def exit_code_of(error: BaseException) -> int:
    """The exit code of a command that this error ended."""
    if isinstance(error, RnnForecastError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return error.exit_code if isinstance(error, Stopped) else Stopped().exit_code
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return DataError.exit_code if is_out_of_memory(error) else 1


class Stopped(KeyboardInterrupt):
    """A signal has stopped the work."""

    def __init__(self, text: str = "", number: int = 2) -> None:
        """`text` says what was written and how to go on; `number` is that of the signal, SIGINT by
        default."""
        super().__init__(text)
        self.text, self.number = text, number

    @property
    def exit_code(self) -> int:
        """That of a shell for a process that the signal has ended: 130 or 143."""
        return SIGNAL_EXIT_BASE + self.number
