"""The forecast of a job, published to all its places."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from rnnforecast.batch.issue import record_issue
from rnnforecast.batch.job.current_spec import read_current_spec
from rnnforecast.batch.job.files import JobFiles
from rnnforecast.batch.job.summary import JobSummary, read_state
from rnnforecast.batch.lock import output_lock
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.datetimes import format_utc
from rnnforecast.errors import RnnForecastError
from rnnforecast.parallel.engine import Engine
from rnnforecast.pipeline.checks.context import PreviousForecast
from rnnforecast.pipeline.checks.run_checks import CheckOptions
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.spec.locations import mask_url
from rnnforecast.spec.yaml_source import dump_value
from rnnforecast.workflow.predict import make_forecast
from rnnforecast.workflow.predict_output import UnpublishedForecast, write_to
from rnnforecast.workflow.predict_places import check_place
from rnnforecast.workflow.predict_request import ForecastRequest


def make_job_forecast(
    job: JobFiles,
    summary: JobSummary,
    now: datetime,
    listener: ProgressListener,
    engine: Engine,
) -> UnpublishedForecast:
    """The forecast of the current model, which the summary then describes.

    Raises what `make_forecast` raises, StaleInput included.
    """
    for place in job.out:
        with suppress(RnnForecastError):  # what is wrong with a place costs this place alone
            check_place(place)
    spec = read_current_spec(job)
    if spec.finding is not None:
        summary.add_finding(spec.finding.to_json())
        listener.warning(str(spec.finding))
    with summary.timed("forecast"):
        request = ForecastRequest(
            checks=CheckOptions(now, for_job=True),
            previous=_previous(job),
            engine=engine,
            listener=listener,
        )
        overrides = [*spec.overrides, *_check_overrides(job)]
        forecast = make_forecast(job.store, request, data=spec.data, overrides=overrides)
    _describe(forecast, summary)
    return forecast


def _check_overrides(job: JobFiles) -> list[str]:
    """The limits that the job file names, as changes of the run's spec."""
    checks = job.settings.checks
    named = sorted(checks.model_fields_set)
    limits = {key: getattr(checks, key).model_dump() for key in named}
    return [f"checks.{key}={dump_value(value)}" for key, value in limits.items()]


def _previous(job: JobFiles) -> PreviousForecast | None:
    """What is known of the data of the last publication."""
    last = read_state(job.state).last_published
    try:
        return PreviousForecast(
            str(last["data_sha256"]), datetime.fromisoformat(last["data_since"])
        )
    except (KeyError, ValueError, TypeError):
        return None


def publish(
    job: JobFiles, summary: JobSummary, forecast: UnpublishedForecast, wait: float
) -> Exception | None:
    """Publishes a forecast and records it in the ledger; returns what is wrong all the same.

    That is the first error of a place, after all were tried, or that series have no forecast.
    """
    with summary.timed("publish"):
        failed = _publish(job, summary, forecast, wait)
    if summary.published:
        with summary.timed("ledger"):
            prediction = forecast.prediction
            recorded = record_issue(job.store, forecast, job.ledger)
            summary.ledger = recorded.ledger if recorded else ""
            if recorded and recorded.finding:
                summary.add_finding(recorded.finding.to_json())
        if failed is None and prediction.failed:
            failed = prediction.part_failed_error(summary.published[0])
    return failed


def _publish(
    job: JobFiles, summary: JobSummary, forecast: UnpublishedForecast, wait: float
) -> Exception | None:
    """Writes the forecast to each place of the job; returns the first error.

    Each place gets the whole forecast or keeps what it has; one that fails does not cost the
    others.
    """
    listener, failed = forecast.request.listener, None
    for place in job.out:
        try:
            with output_lock(place, f"run {job.name}", wait, on_wait=listener.info):
                check_place(place)
                write_to(forecast, place)
        except Exception as error:  # noqa: BLE001 - a fault in one place, whatever it is
            failed = failed or error
            summary.not_published[mask_url(place)] = str(error)
            listener.warning(f"not published: {error}")
        else:
            summary.published.append(mask_url(place))
    return failed


def _describe(forecast: UnpublishedForecast, summary: JobSummary) -> None:
    """Fills the summary with what is known of the forecast."""
    prediction = forecast.prediction
    panel, steps = prediction.cleaned.panel, prediction.forecasts.yhat.shape[1]
    timestamps = panel.window_timestamps(panel.lengths - 1, steps + 1)  # [S, 1 + H]

    def text(timestamp: object) -> str:
        return format_timestamp(timestamp, panel.display_timezone)

    summary.data_end = text(timestamps[:, 0].max())
    summary.first_timestamp = text(timestamps[:, 1].min())
    summary.last_timestamp = text(timestamps[:, -1].max())
    summary.data_sha256 = prediction.data_sha256
    summary.data_since = format_utc(forecast.data_since)
    summary.trained_until = text(forecast.run.trained_until)
    summary.model = forecast.files.path.resolve().name
    summary.series = {name: count for name, count in prediction.series_status().items() if count}
    summary.series_errors = {each.code: each.count for each in prediction.errors.by_code()}
    for finding in prediction.warnings:
        summary.add_finding(finding.to_json())
