"""Notes on how files were read: what was guessed, and what was left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

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


def combine_notes(notes: Iterable[ReadingNote], noun: str = "files") -> tuple[ReadingNote, ...]:
    """The notes on all files, in their order; of those that begin alike, the first with a count of
    the others."""
    kinds: dict[str, list[ReadingNote]] = {}
    for note in notes:
        kind = re.sub(r"[\d,]+", "", note.decision.found)[:30]
        kinds.setdefault(kind, []).append(note)
    return tuple(
        _count_more(first, len(more), noun) if more else first for first, *more in kinds.values()
    )


def _count_more(note: ReadingNote, count: int, noun: str) -> ReadingNote:
    found = f"{note.decision.found} (and the like in {count:,} more {noun})"
    return replace(note, decision=replace(note.decision, found=found))
