"""How a workflow tells its caller what goes on; it never prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Step:
    """Where a fit stands; losses on the normalised scale."""

    phase: str
    """``fit`` on the training part, or ``last fit`` on everything."""
    step: int
    total: int
    train_loss: float
    validation_loss: float | None
    """The latest one; None before the first, or where nothing validates."""
    validated: bool
    """True at the step that was just validated."""


class Listener(Protocol):
    """Hears what a workflow does. The base class of nothing: any object with these will do."""

    def say(self, text: str) -> None:
        """A plain line: what was found or done."""
        ...

    def warn(self, text: str) -> None:
        """A line the reader should not miss."""
        ...

    def progress(self, step: Step) -> None:
        """The fit has come this far."""
        ...


class Silent:
    """Hears everything and says nothing."""

    def say(self, text: str) -> None:
        """Says nothing."""

    def warn(self, text: str) -> None:
        """Says nothing."""

    def progress(self, step: Step) -> None:
        """Says nothing."""
