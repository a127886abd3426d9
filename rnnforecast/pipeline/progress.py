"""How a workflow tells its caller what goes on; it never prints."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Protocol


@dataclass(frozen=True)
class FitProgress:
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


class ProgressListener(Protocol):
    """Hears what a workflow does. The base class of nothing: any object with these will do."""

    def info(self, text: str) -> None:
        """A plain line: what was found or done."""
        ...

    def warning(self, text: str) -> None:
        """A line the reader should not miss."""
        ...

    def progress(self, progress: FitProgress) -> None:
        """The fit has come this far."""
        ...


class NullListener:
    """Hears everything and says nothing."""

    def info(self, text: str) -> None:
        """Says nothing."""

    def warning(self, text: str) -> None:
        """Says nothing."""

    def progress(self, progress: FitProgress) -> None:
        """Says nothing."""


class RecordingListener:
    """Passes everything on to another listener and remembers it, with the time, for a log."""

    def __init__(self, listener: ProgressListener) -> None:
        self._listener = listener
        self._lines: list[str] = []

    def info(self, text: str) -> None:
        """Passes the line on."""
        self._record(event="said", text=text)
        self._listener.info(text)

    def warning(self, text: str) -> None:
        """Passes the warning on."""
        self._record(event="warned", text=text)
        self._listener.warning(text)

    def progress(self, progress: FitProgress) -> None:
        """Passes the step on; remembers those that were validated."""
        if progress.validated:
            self._record(event="validated", **asdict(progress))
        self._listener.progress(progress)

    def to_jsonl(self) -> str:
        """All that was heard, one JSON object a line."""
        return "".join(self._lines)

    def _record(self, **entry: object) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._lines.append(json.dumps({"time": stamp, **entry}, ensure_ascii=False) + "\n")
