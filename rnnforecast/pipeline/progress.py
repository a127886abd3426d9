"""How a workflow tells its caller what goes on; it never prints."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
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

    def progress(self, progress: Step) -> None:
        """The fit has come this far."""
        ...


class Silent:
    """Hears everything and says nothing."""

    def say(self, text: str) -> None:
        """Says nothing."""

    def warn(self, text: str) -> None:
        """Says nothing."""

    def progress(self, progress: Step) -> None:
        """Says nothing."""


class Recorder:
    """Passes everything on to another listener and remembers it, with the time, for a log."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lines: list[str] = []

    def say(self, text: str) -> None:
        """Passes the line on."""
        self._write(event="said", text=text)
        self._listener.say(text)

    def warn(self, text: str) -> None:
        """Passes the warning on."""
        self._write(event="warned", text=text)
        self._listener.warn(text)

    def progress(self, progress: Step) -> None:
        """Passes the step on; remembers those that were validated."""
        if progress.validated:
            self._write(event="validated", **asdict(progress))
        self._listener.progress(progress)

    def lines(self) -> str:
        """All that was heard, one JSON object a line."""
        return "".join(self._lines)

    def _write(self, **entry: object) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._lines.append(json.dumps({"time": stamp, **entry}, ensure_ascii=False) + "\n")
