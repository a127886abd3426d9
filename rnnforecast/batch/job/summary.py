"""The summary of a run of a job: what was done, in one line of JSON."""

from __future__ import annotations

import json
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from rnnforecast.datetimes import format_utc
from rnnforecast.errors import RnnForecastError, exit_code_of
from rnnforecast.output.json_files import to_json_types, write_json

Status = Literal["ok", "warning", "failed"]

MAX_ERRORS = 20
"""Problems that a summary names."""


@dataclass
class JobSummary:
    """What a run of a job did; filled while it goes on."""

    job: str
    run_id: str
    """``20261127T021503Z-1f3a``: also in each line of the log, and in the environment of hooks."""
    started: str
    """UTC, ISO 8601, as all times here."""
    finished: str = ""
    exit_code: int = 0
    status: Status = "ok"
    """``warning`` if all was done, but there are findings, alarms or a failed training."""
    message: str = ""
    """One sentence for people."""
    dry_run: bool = False
    """Whether nothing was to be written."""
    step: str = ""
    """The step that failed or was stopped."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By step."""
    model: str = ""
    """The version of the model that made the forecast."""
    trained_until: str = ""
    """The end of its training data."""
    data_end: str = ""
    """The latest cutoff of the forecast: the last timestamp of the data."""
    data_sha256: str = ""
    data_since: str = ""
    """When a forecast was first made from these very data."""
    first_timestamp: str = ""
    last_timestamp: str = ""
    """Of the forecast."""
    published: list[str] = field(default_factory=list)
    not_published: dict[str, str] = field(default_factory=dict)
    """Reasons by place."""
    retried: int | None = None
    """Series that ``--retry-failed`` forecast again; None if all were forecast."""
    series: dict[str, int] = field(default_factory=dict)
    """Numbers by status: model, fallback, skipped, cold_start."""
    series_errors: dict[str, int] = field(default_factory=dict)
    """Numbers of series by what is wrong with them; labels and reasons are in `run.json`."""
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By code: level, count, threshold and message."""
    alarms: list[str] = field(default_factory=list)
    """Codes of the drift alarms of the live scores."""
    live: dict[str, Any] = field(default_factory=dict)
    """Of all scored forecasts: values, MASE, and the baseline with its MASE."""
    ledger: str = ""
    """Where the forecast was recorded; "" if it was not."""
    retrain: str = ""
    """not_due, first, promoted, kept_aside, failed, or "" if it did not come to that."""
    retrain_message: str = ""
    errors: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The fields as plain values."""
        stored: Any = to_json_types(asdict(self))
        return dict(stored)

    def to_line(self) -> str:
        """The summary as one line of JSON."""
        return json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Measures a step; if the block raises, the step is the one that failed."""
        start = time.monotonic()
        self.step = step
        try:
            yield
        finally:
            seconds = time.monotonic() - start + self.seconds.get(step, 0.0)
            self.seconds[step] = round(seconds, 3)
        self.step = ""

    def add_finding(self, finding: Mapping[str, Any]) -> None:
        """Adds a finding of the checks, of which the last of a code counts."""
        kept = ("level", "count", "value", "threshold", "message")
        self.findings[str(finding["code"])] = {
            name: finding[name] for name in kept if finding.get(name) is not None
        }

    def add_error(self, error: BaseException) -> None:
        """Adds the exit code and the problems of an error that ended the run."""
        self.exit_code = self.exit_code or exit_code_of(error)
        if isinstance(error, RnnForecastError):
            for finding in getattr(error, "findings", ()):
                self.add_finding(finding)
            self.errors += [str(problem) for problem in error.problems[:MAX_ERRORS]]
        elif isinstance(error, KeyboardInterrupt):
            name = signal.Signals(getattr(error, "number", signal.SIGINT)).name
            self.errors.append(f"stopped by {name} in the step {self.step or 'start'}")
        else:
            self.errors.append(f"{type(error).__name__}: {error}".removesuffix(": "))

    def finish(self) -> None:
        """Sets the end, the status and the sentence."""
        self.finished = format_utc(datetime.now(UTC))
        warns = (
            self.findings
            or self.series_errors
            or self.alarms
            or self.retrain in ("failed", "stopped")
        )
        self.status = "failed" if self.exit_code else "warning" if warns else "ok"
        self.message = self._message()

    def _message(self) -> str:
        if self.errors:
            more = f" (and {len(self.errors) - 1:,} more)" if len(self.errors) > 1 else ""
            message = f"{self.errors[0]}{more}"
        else:
            counts = ", ".join(f"{number:,} {name}" for name, number in self.series.items())
            places = f"published to {', '.join(self.published)}"
            if not self.published:
                places = "a dry run, nothing is published" if self.dry_run else "nothing new"
            message = f"{places} ({counts or 'no series'})"
        if self.retrain and self.retrain != "not_due":
            message += f"; retrain: {self.retrain.replace('_', ' ')}"
        return f"{self.job}: {message}"


def new_summary(job: str) -> JobSummary:
    """The summary of a run that starts now."""
    now = datetime.now(UTC)
    run_id = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    return JobSummary(job=job, run_id=run_id, started=format_utc(now))


@dataclass
class JobState:
    """What is known of earlier runs of a job; in a JSON file beside its run."""

    last: dict[str, Any] = field(default_factory=dict)
    """The summary of the last run."""
    last_published: dict[str, Any] = field(default_factory=dict)
    """The summary of the last run that published a forecast."""


def read_state(path: Path) -> JobState:
    """The state in a file; an empty one if there is none, or it cannot be read."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return JobState()
        stored = json.loads(path.read_text(encoding="utf-8"))
        found = (stored.get("last"), stored.get("last_published"))
    except (OSError, ValueError, AttributeError, RecursionError):
        return JobState()
    last, published = (each if _is_summary(each) else {} for each in found)
    return JobState(last, published)


def _is_summary(stored: object) -> bool:
    """Whether a value of a file is a summary with the types of `JobSummary`."""
    try:
        found = TypeAdapter(JobSummary).validate_json(json.dumps(stored), strict=True)
        return not found.finished or datetime.fromisoformat(found.finished).tzinfo is not None
    except (ValueError, OverflowError):  # ValueError: pydantic's, too
        return False


def write_state(path: Path, summary: JobSummary) -> JobState:
    """Records the summary of a run; raises OutputError."""
    stored = summary.to_json()
    published = stored if summary.published else read_state(path).last_published
    state = JobState(stored, published)
    write_json(path, asdict(state))
    return state
