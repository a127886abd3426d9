"""A run of a job: check, forecast, publish, record, score, and train again when it is due."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rnnforecast.batch.job_files import JobFiles
from rnnforecast.batch.job_hooks import run_hook
from rnnforecast.batch.job_issue import forecast_and_publish
from rnnforecast.batch.job_log import JobLog
from rnnforecast.batch.job_metrics import write_metrics
from rnnforecast.batch.job_summary import JobState, JobSummary, new_summary, write_state
from rnnforecast.batch.job_train import retrain, train_if_missing
from rnnforecast.batch.lock import output_lock
from rnnforecast.errors import LockHeld, OutputError, RnnForecastError
from rnnforecast.pipeline.progress import NullListener, ProgressListener


@dataclass(frozen=True)
class JobOptions:
    """What a call of a job asks for besides the job file."""

    now: datetime | None = None
    """The time that counts as now; the clock's by default."""
    wait: float | None = None
    """Seconds to wait for locks; as in the job file by default."""
    retry_failed: bool = False
    """Whether only the series without a forecast of the model are forecast."""


@dataclass
class JobRun:
    """A run of a job while it goes on: its summary, and its parts as methods."""

    job: JobFiles
    options: JobOptions
    log: JobLog
    summary: JobSummary
    now: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.now = self.options.now or datetime.now(UTC)

    @property
    def wait(self) -> float:
        """Seconds to wait for locks."""
        given = self.options.wait
        return self.job.settings.wait.total_seconds() if given is None else given

    def steps(self) -> None:
        """All steps; what comes after the forecast never costs it."""
        summary = self.summary
        action = f"run {self.job.name}"
        with output_lock(self.job.store, action, self.wait, on_wait=self.log.info):
            train_if_missing(self.job, summary, self.now, self.log)
            forecast_and_publish(self.job, summary, self.now, self.wait, self.log)
            retrain(self.job, summary, self.now, self.log)


@dataclass(frozen=True)
class JobOutcome:
    """How a run of a job ended."""

    summary: JobSummary
    error: BaseException | None = None
    """What ended it; its problems are in the summary."""


def run_job(
    job: JobFiles,
    options: JobOptions,
    *,
    listener: ProgressListener | None = None,
) -> JobOutcome:
    """Runs a job to its end, and tells it: in its log, its state, its metrics and to its hook.

    Nothing is raised: an error is in the outcome. Messages go to `listener` too.
    """
    summary = new_summary(job.name)
    log = JobLog(job.log, job.settings.log.format, summary.run_id, listener or NullListener())
    log.event("start", job=job.name, file=str(job.file))
    error: BaseException | None = None
    try:
        JobRun(job, options, log, summary).steps()
    # whatever ends a run, also a signal, is told
    except BaseException as caught:  # noqa: BLE001
        error = caught
        summary.add_error(caught)
        is_known = isinstance(caught, RnnForecastError | KeyboardInterrupt | SystemExit)
        log.error(str(caught) if is_known else "".join(traceback.format_exception(caught)))
    summary.finish()
    _tell(job, summary, log, is_locked_out=isinstance(error, LockHeld))
    return JobOutcome(summary, error)


def _tell(job: JobFiles, summary: JobSummary, log: JobLog, *, is_locked_out: bool) -> None:
    """Writes state and metrics, starts the hook, and ends the log.

    None of these changes the result; what fails is a warning. A run that another one locked out
    leaves state and metrics to that one.
    """
    if not is_locked_out:
        try:
            state = write_state(job.state, summary)
        except OutputError as error:
            log.warning(f"state: {error}")
            state = JobState(summary.to_json())
        if job.metrics is not None:
            try:
                write_metrics(job.metrics, job.name, state)
            except OutputError as error:
                log.warning(f"metrics: {error}")
    problem = run_hook(job.settings.hooks, summary, job.file.parent)
    if problem is not None:
        log.warning(problem)
    log.summary(summary)
