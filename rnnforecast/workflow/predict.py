"""`predict`: forecasts of a run or of data without a run, as tables and plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rnnforecast.pipeline.run_folder import read_run_folder
from rnnforecast.pipeline.run_overrides import with_overrides
from rnnforecast.spec.locations import is_url
from rnnforecast.workflow.predict_forecast import forecast_data
from rnnforecast.workflow.predict_output import (
    SUMMARY_FILE,
    PredictResult,
    UnpublishedForecast,
    write_to,
)
from rnnforecast.workflow.predict_places import check_apart, check_outside, check_place, has_files
from rnnforecast.workflow.predict_previous import read_previous
from rnnforecast.workflow.predict_request import ForecastRequest
from rnnforecast.workflow.predict_subject import UntrainedSubject
from rnnforecast.workflow.predict_untrained import files_of_untrained, forecast_untrained
from rnnforecast.workflow.report_run import read_run_and_files


@dataclass(frozen=True)
class PublishedForecast:
    """A forecast that was written."""

    forecast: UnpublishedForecast
    result: PredictResult


def predict(
    subject: Path | UntrainedSubject,
    out: str,
    request: ForecastRequest | None = None,
    **options: Any,
) -> PredictResult:
    """As `publish_forecast`, for the summary alone.

    Raises:
        PartFailed, after the other forecasts are written, if some series could not be forecast;
        and the errors of `publish_forecast`.
    """
    published = publish_forecast(subject, out, request or ForecastRequest(), **options)
    if published.result.failed:
        raise published.forecast.prediction.part_failed_error(published.result.out)
    return published.result


def publish_forecast(
    subject: Path | UntrainedSubject,
    out: str,
    request: ForecastRequest,
    *,
    data: Sequence[str] | None = None,
    overrides: Sequence[str] = (),
    plots: bool = True,
    report: bool = True,
    force: bool = False,
) -> PublishedForecast:
    """Forecasts every series from its end on and writes the result to `out`.

    Args:
        subject: the folder of the run, or data to be forecast without one, see `find_subject`;
            these have `data`, `overrides` and the horizon in them.
        out: a folder (in any case if it ends in ``/``), a ``.csv`` or ``.parquet`` file, the URL of
            one or of a table of a database (``…?table=forecasts``), or ``-``.
        request: its `previous` is the forecast that `out` has.
        data: files to read instead of those of the spec.
        overrides: keys of the sections checks and forecast, see `with_overrides`.
        report: whether a page about the forecast is written into the folder.
        force: whether what `out` names is replaced, whatever it is.

    Raises:
        RunFolderError, DataError, OutputError, UsageError, SpecError; StaleInput if a check finds
        an error: then nothing is written.
    """
    check_place(out, force=force)
    tables = request.extra_tables
    request = replace(
        request,
        extra_tables=tables if has_files(out) else tables.without_files(),
        previous=None if is_url(out) else read_previous(Path(out, SUMMARY_FILE)),
    )
    if isinstance(subject, Path):
        run_folder = subject
        forecast = make_forecast(subject, request, data=data, overrides=overrides)
    else:
        run_folder = None
        forecast = make_untrained_forecast(subject, request)
    source = data or forecast.run.source
    check_apart(out, run_folder, source)
    check_outside(out, source)
    result = write_to(forecast, out, plots=plots, report=report, force=force)
    return PublishedForecast(forecast, result)


def make_forecast(
    folder: Path,
    request: ForecastRequest,
    *,
    data: Sequence[str] | None = None,
    overrides: Sequence[str] = (),
) -> UnpublishedForecast:
    """The forecast of a run, in memory; arguments and errors as in `publish_forecast`."""
    run, files = read_run_folder(folder, read_run_and_files)
    run = with_overrides(run, overrides)
    source = data or run.source
    prediction = forecast_data(run, source, request)
    return UnpublishedForecast(files, run, prediction, tuple(source), request)


def make_untrained_forecast(
    subject: UntrainedSubject, request: ForecastRequest
) -> UnpublishedForecast:
    """As `make_forecast`, without a run."""
    run, prediction = forecast_untrained(subject, request)
    files = files_of_untrained(subject, run)
    return UnpublishedForecast(files, run, prediction, subject.files, request, subject.to_json())
