"""A run of a job: check, forecast, publish, record, score, and train again when it is due."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO

from rnnforecast.batch.job.files import JobFiles
from rnnforecast.batch.job.forecast import make_job_forecast, publish
from rnnforecast.batch.job.hooks import run_hook
from rnnforecast.batch.job.log import JobLog
from rnnforecast.batch.job.metrics import write_metrics
from rnnforecast.batch.job.retry import NotRetriable, retry_failed
from rnnforecast.batch.job.score import score_earlier
from rnnforecast.batch.job.summary import JobState, JobSummary, new_summary, read_state, write_state
from rnnforecast.batch.job.train import (
    NOTHING_TO_FORECAST_WITH,
    find_due,
    retrain,
    train_if_missing,
)
from rnnforecast.batch.lock import output_lock
from rnnforecast.errors import OutputError, RnnForecastError
from rnnforecast.parallel.engine import Engine
from rnnforecast.parallel.in_process import InProcessEngine
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.spec.locations import mask_url
from rnnforecast.workflow.predict_output import UnpublishedForecast


@dataclass(frozen=True)
class JobOptions:
    """What a call of a job asks for besides the job file."""

    now: datetime | None = None
    """The time that counts as now; the clock's by default."""
    wait: float | None = None
    """Seconds to wait for locks; as in the job file by default."""
    stream: TextIO | None = None
    """Where messages go as JSON lines, in place of the listener."""
    retry_failed: bool = False
    """Whether only the series without a forecast of the model are forecast."""
    engine: Engine = field(default_factory=InProcessEngine)
    """Trains the networks of an ensemble."""


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
        """All steps, under the lock of the run; what comes after the forecast never costs it."""
        job, summary = self.job, self.summary
        train_if_missing(job, summary, self.now, self.log, self.options.engine)
        forecast = make_job_forecast(job, summary, self.now, self.log, self.options.engine)
        if self.options.retry_failed:
            forecast = self._retry(forecast)
        if summary.retried == 0:
            return
        failed = publish(job, summary, forecast, self.wait)
        score_earlier(job, summary, self.now, self.log)
        retrain(job, summary, self.now, self.log, self.options.engine)
        if failed is not None:
            summary.step = "publish"
            raise failed

    def dry_run(self) -> None:
        """Says what `steps` would do, as far as this is known without writing."""
        job, summary = self.job, self.summary
        due, message = find_due(job, self.now)
        if due in NOTHING_TO_FORECAST_WITH:
            self.log.info(f"would train a model from {job.spec}: {message}")
        else:
            forecast = make_job_forecast(job, summary, self.now, self.log, self.options.engine)
            if self.options.retry_failed:
                self._retry(forecast)
        self.log.info(f"would publish to {', '.join(map(mask_url, job.out))}")
        self.log.info(f"ledger: {mask_url(job.ledger)}; score: {str(job.settings.score).lower()}")
        if due not in NOTHING_TO_FORECAST_WITH:
            self.log.info(f"would {'train again' if due else 'not train'}: {message}")

    def _retry(self, forecast: UnpublishedForecast) -> UnpublishedForecast:
        """The forecast with the published rows of all series that have one by the model."""
        state = read_state(self.job.state)
        try:
            retried = retry_failed(self.job, forecast, state.last_published)
        except NotRetriable as error:
            self.log.warning(f"--retry-failed: all series are forecast: {error}")
            return forecast
        self.summary.retried = retried.series
        message = f"{retried.series:,} series" if retried.series else "no series is left"
        self.log.info(f"--retry-failed: {message}")
        return retried.forecast


@dataclass(frozen=True)
class JobOutcome:
    """How a run of a job ended."""

    summary: JobSummary
    error: BaseException | None = None
    """What ended it; its problems are in the summary."""


def run_job(
    job: JobFiles, options: JobOptions, *, listener: ProgressListener | None = None
) -> JobOutcome:
    """Runs a job to its end, and reports that in its log, state and metrics, and to its hook.

    Nothing is raised: an error is in the outcome. Messages go to `listener` too. A run that another
    one locks out leaves state and metrics to that one.
    """
    summary = new_summary(job.name)
    form, listener = job.settings.log.format, listener or NullListener()
    log = JobLog(job.log, form, summary.run_id, listener, options.stream)
    run = JobRun(job, options, log, summary)
    log.event("start", job=job.name, file=str(job.file))
    error: BaseException | None = None
    try:
        with output_lock(job.store, f"run {job.name}", run.wait, on_wait=log.info):
            error = _catch(run.steps, summary, log)
            summary.finish()
            _record(job, summary, log)
    # a lock that is held, or a signal meanwhile
    except BaseException as caught:  # noqa: BLE001
        error = error or caught
        _take_over(caught, summary, log)
    summary.finish()
    problem = run_hook(job.settings.hooks, summary, job.file.parent)
    if problem is not None:
        log.warning(problem)
    log.summary(summary)
    return JobOutcome(summary, error)


def plan_job(
    job: JobFiles, options: JobOptions, *, listener: ProgressListener | None = None
) -> JobOutcome:
    """Says to `listener` what `run_job` would do, forecast and checks included; writes nothing."""
    summary = new_summary(job.name)
    summary.dry_run = True
    log = JobLog(None, "plain", summary.run_id, listener or NullListener(), options.stream)
    error = _catch(JobRun(job, options, log, summary).dry_run, summary, log)
    summary.finish()
    return JobOutcome(summary, error)


def _catch(steps: Callable[[], None], summary: JobSummary, log: JobLog) -> BaseException | None:
    """Runs the steps; returns the error or signal that ended them, which is logged."""
    try:
        steps()
    except BaseException as error:  # noqa: BLE001
        _take_over(error, summary, log)
        return error
    return None


def _take_over(error: BaseException, summary: JobSummary, log: JobLog) -> None:
    summary.add_error(error)
    is_known = isinstance(error, RnnForecastError | KeyboardInterrupt | SystemExit)
    log.error(str(error) if is_known else "".join(traceback.format_exception(error)))


def _record(job: JobFiles, summary: JobSummary, log: JobLog) -> None:
    """Writes state and metrics; where this fails is a warning."""
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
