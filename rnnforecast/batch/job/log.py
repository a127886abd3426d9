"""The log of a job: lines with time and run id, appended to a file."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

from rnnforecast.batch.job.summary import JobSummary
from rnnforecast.output.json_files import to_json_types
from rnnforecast.pipeline.progress import FitProgress, ProgressListener

Format = Literal["plain", "json"]


class JobLog:
    """Passes messages on to a listener, and appends each to the log file.

    The file is opened for each line, so that it may be moved away meanwhile (logrotate). One that
    cannot be written costs a warning, not the run.
    """

    def __init__(
        self,
        path: Path | None,
        form: Format,
        run_id: str,
        listener: ProgressListener,
        stream: TextIO | None = None,
    ) -> None:
        """With a `stream`, such as standard error, messages go there as JSON lines, and to the
        listener only the progress of trainings does."""
        self._path, self._form, self._run_id = path, form, run_id
        self._listener, self._stream = listener, stream

    def info(self, text: str) -> None:
        """Appends and passes on a line about what was done."""
        self.event("info", text=text)
        if self._stream is None:
            self._listener.info(text)

    def warning(self, text: str) -> None:
        """Appends and passes on a warning."""
        self.event("warning", text=text)
        if self._stream is None:
            self._listener.warning(text)

    def error(self, text: str) -> None:
        """Appends what has ended the run, or a traceback; it is printed elsewhere."""
        self.event("error", text=text)

    def progress(self, progress: FitProgress) -> None:
        """Passes the step of a training on."""
        self._listener.progress(progress)

    def summary(self, summary: JobSummary) -> None:
        """Appends the summary."""
        self.event("summary", **summary.to_json())

    def event(self, event: str, **entry: object) -> None:
        """Appends an event."""
        if self._stream is not None:
            self._stream.write(format_line("json", self._run_id, event, entry))
            self._stream.flush()
        if self._path is None:
            return
        line = format_line(self._form, self._run_id, event, entry)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # a pipe that nobody reads is an error, and not waited for
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
            handle = os.open(self._path, flags, 0o666)
            try:
                os.write(handle, line.encode("utf-8", "backslashreplace"))
            finally:
                os.close(handle)
        except OSError as error:
            path, self._path = self._path, None
            self.warning(f"{path}: the log cannot be written: {error.strerror}")


def format_line(form: Format, run_id: str, event: str, entry: dict[str, Any]) -> str:
    """One line of the log: an object with ``time``, ``run_id`` and ``event``, or plain text."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if form == "json":
        head = {"time": time, "run_id": run_id, "event": event}
        return json.dumps(to_json_types(head | entry), ensure_ascii=False) + "\n"
    text = entry["text"] if "text" in entry else json.dumps(to_json_types(entry))
    lines = str(text).splitlines() or [""]
    return "".join(f"{time} {run_id} {event:7} {line}\n" for line in lines)
