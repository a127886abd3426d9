"""Notes on how files were read: what was guessed, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass

from rnnforecast.errors import Problem


@dataclass(frozen=True)
class ReadingNote:
    """One decision of the reader that is reported, not refused."""

    decision: Problem
    """Its location, what was found and how it was read, and the key that changes it."""
    is_doubtful: bool = False
    """Whether something was left out or could be meant otherwise: a warning of `train` and
    `predict`, and an error of ``check --strict``."""

    def __str__(self) -> str:
        return str(self.decision)
