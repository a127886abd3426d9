"""Messages and progress of a workflow, passed to its caller; workflows never print."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class FitProgress:
    """Progress of a fit; losses are in normalized values."""

    phase: str
    """``fit`` on the training part or ``final fit`` on all data; in an ensemble with the number of
    the network."""
    step: int
    total: int
    train_loss: float
    validation_loss: float | None
    """The latest one; None before the first validation, or without validation windows."""
    validated: bool
    """Whether the validation loss was computed at this step."""
    task: str = ""
    """Which of several trainings it is, such as ``trial 3``: each has a line of its own."""
    network: int = 1
    """The number of the network; those of an ensemble may be fitted at the same time."""
    unit: str = "steps"
    """What is counted; the losses of other work than a fit are NaN."""

    @property
    def title(self) -> str:
        """The training and its phase."""
        return f"{self.task}, {self.phase}" if self.task else self.phase


class ProgressListener(Protocol):
    """Receives the messages of a workflow; any object with these methods."""

    def info(self, text: str) -> None:
        """A line about what was found or done."""
        ...

    def warning(self, text: str) -> None:
        """A line that the user has to see."""
        ...

    def progress(self, progress: FitProgress) -> None:
        """A step of a fit has ended."""
        ...


class NullListener:
    """Ignores all messages."""

    def info(self, text: str) -> None:
        """Does nothing."""

    def warning(self, text: str) -> None:
        """Does nothing."""

    def progress(self, progress: FitProgress) -> None:
        """Does nothing."""


MAX_STEPS_SENT = 200
"""Steps of a fit that a task reports to the process that shows them, beside the validations."""


@dataclass(frozen=True)
class SendingListener:
    """Sends the messages of a task to the caller of its engine; see `pass_on`."""

    send: Callable[[Any], None]
    task: str = ""
    """See `FitProgress.task`."""

    def info(self, text: str) -> None:
        """Sends the line."""
        self.send(("info", text))

    def warning(self, text: str) -> None:
        """Sends the warning."""
        self.send(("warning", text))

    def progress(self, progress: FitProgress) -> None:
        """Sends the step, or leaves it out if a fit has many."""
        every = max(progress.total // MAX_STEPS_SENT, 1)
        if progress.validated or progress.step == progress.total or not progress.step % every:
            self.send(("progress", replace(progress, task=self.task)))


def pass_on(message: tuple[str, Any], listener: ProgressListener) -> None:
    """Gives a message of a `SendingListener` to the listener in this process."""
    kind, content = message
    getattr(listener, kind)(content)


class RecordingListener:
    """Records all messages with their time, for `log.jsonl`, and passes them on."""

    def __init__(self, listener: ProgressListener) -> None:
        self._listener = listener
        self._lines: list[str] = []

    def info(self, text: str) -> None:
        """Records the line and passes it on."""
        self._record(event="info", text=text)
        self._listener.info(text)

    def warning(self, text: str) -> None:
        """Records the warning and passes it on."""
        self._record(event="warning", text=text)
        self._listener.warning(text)

    def progress(self, progress: FitProgress) -> None:
        """Passes the step on; records it where the validation loss was computed."""
        if progress.validated:
            self._record(event="validation", **asdict(progress))
        self._listener.progress(progress)

    def to_jsonl(self) -> str:
        """The messages so far, one JSON object a line."""
        return "".join(self._lines)

    def _record(self, **entry: object) -> None:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._lines.append(json.dumps({"time": time, **entry}, ensure_ascii=False) + "\n")
