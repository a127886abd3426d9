"""`predict`: forecasts of a run or of data without a run, as tables and plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rnnforecast.output.folder_snapshot import FolderFiles
from rnnforecast.parallel.engine import Engine
from rnnforecast.pipeline.checks.context import PreviousForecast
from rnnforecast.pipeline.checks.run_checks import CheckOptions
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import read_run_folder
from rnnforecast.pipeline.run_overrides import with_overrides
from rnnforecast.spec.locations import is_url
from rnnforecast.workflow.predict_forecast import Prediction, forecast_data
from rnnforecast.workflow.predict_output import (
    SUMMARY_FILE,
    PredictResult,
    UnpublishedForecast,
    write_to,
)
from rnnforecast.workflow.predict_places import check_apart, check_place, has_files
from rnnforecast.workflow.predict_previous import data_since, read_previous
from rnnforecast.workflow.predict_subject import UntrainedSubject
from rnnforecast.workflow.predict_totals import ExtraTablesRequest
from rnnforecast.workflow.predict_untrained import files_of_untrained, forecast_untrained
from rnnforecast.workflow.report_run import read_run_and_files

DEFAULT_EXTRA_TABLES = ExtraTablesRequest()


@dataclass(frozen=True)
class PublishedForecast:
    """A forecast that was written, and what it was made of."""

    run: Run
    prediction: Prediction
    result: PredictResult


def predict(subject: Path | UntrainedSubject, out: str, **options: Any) -> PredictResult:
    """As `publish_forecast`, for the summary alone.

    Raises:
        PartFailed, after the other forecasts are written, if some series could not be forecast;
        and the errors of `publish_forecast`.
    """
    published = publish_forecast(subject, out, **options)
    if published.result.failed:
        raise published.prediction.part_failed_error(published.result.out)
    return published.result


def publish_forecast(
    subject: Path | UntrainedSubject,
    out: str,
    *,
    data: Sequence[str] | None = None,
    horizon: int | None = None,
    origin: str | None = None,
    plots: bool = True,
    report: bool = True,
    extra_tables: ExtraTablesRequest = DEFAULT_EXTRA_TABLES,
    overrides: Sequence[str] = (),
    checks: CheckOptions | None = None,
    force: bool = False,
    engine: Engine | None = None,
    listener: ProgressListener | None = None,
) -> PublishedForecast:
    """Forecasts every series from its end on and writes the result to `out`.

    Args:
        subject: the folder of the run, or data to be forecast without one, see `find_subject`;
            these have `data`, `horizon` and `overrides` in them.
        out: a folder (in any case if it ends in ``/``), a ``.csv`` or ``.parquet`` file, the URL of
            one or of a table of a database (``…?table=forecasts``), or ``-``.
        data: files to read instead of those of the spec.
        horizon: steps ahead; the run's by default.
        origin: see `forecast_data`.
        report: whether a page about the forecast is written into the folder.
        extra_tables: totals and sample paths, written beside the forecast.
        overrides: keys of the sections checks and forecast, see `with_overrides`.
        checks: the time that counts as now, and how strict the checks are.
        force: whether what `out` names is replaced, whatever it is.
        engine: see `forecast_data`.

    Raises:
        RunFolderError, DataError, OutputError, UsageError, SpecError; StaleInput if a check finds
        an error: then nothing is written.
    """
    check_place(out, force=force)
    options: dict[str, Any] = {
        "origin": origin,
        "extra_tables": extra_tables if has_files(out) else extra_tables.without_files(),
        "checks": checks,
        "previous": None if is_url(out) else read_previous(Path(out, SUMMARY_FILE)),
        "engine": engine,
        "listener": listener,
    }
    if isinstance(subject, Path):
        run_folder = subject
        forecast = make_forecast(
            subject, data=data, horizon=horizon, overrides=overrides, **options
        )
    else:
        run_folder = None
        forecast = make_untrained_forecast(subject, **options)
    check_apart(out, run_folder, data or forecast.run.source)
    result = write_to(forecast, out, plots=plots, report=report, force=force, listener=listener)
    return PublishedForecast(forecast.run, forecast.prediction, result)


def make_forecast(
    folder: Path,
    *,
    data: Sequence[str] | None = None,
    horizon: int | None = None,
    origin: str | None = None,
    extra_tables: ExtraTablesRequest = DEFAULT_EXTRA_TABLES,
    overrides: Sequence[str] = (),
    checks: CheckOptions | None = None,
    previous: PreviousForecast | None = None,
    engine: Engine | None = None,
    listener: ProgressListener | None = None,
) -> UnpublishedForecast:
    """The forecast of a run, in memory; `previous` is the one that it is to replace, see
    `read_previous`; other arguments and errors as in `publish_forecast`."""
    checks = checks or CheckOptions()
    run, files = read_run_folder(folder, read_run_and_files)
    run = with_overrides(run, overrides)
    prediction = forecast_data(
        run,
        data or run.source,
        horizon=horizon,
        origin=origin,
        extra_tables=extra_tables,
        checks=checks,
        previous=previous,
        engine=engine,
        listener=listener,
    )
    return _unpublished(
        files, run, prediction, tuple(data or run.source), origin, extra_tables, checks, previous
    )


def make_untrained_forecast(
    subject: UntrainedSubject,
    *,
    origin: str | None = None,
    extra_tables: ExtraTablesRequest = DEFAULT_EXTRA_TABLES,
    checks: CheckOptions | None = None,
    previous: PreviousForecast | None = None,
    engine: Engine | None = None,
    listener: ProgressListener | None = None,
) -> UnpublishedForecast:
    """As `make_forecast`, without a run."""
    checks = checks or CheckOptions()
    run, prediction = forecast_untrained(
        subject,
        origin=origin,
        extra_tables=extra_tables,
        checks=checks,
        previous=previous,
        engine=engine,
        listener=listener,
    )
    files = files_of_untrained(subject, run)
    forecast = _unpublished(
        files, run, prediction, subject.files, origin, extra_tables, checks, previous
    )
    return replace(forecast, given=subject.to_json())


def _unpublished(
    files: FolderFiles,
    run: Run,
    prediction: Prediction,
    data: tuple[str, ...],
    origin: str | None,
    extra_tables: ExtraTablesRequest,
    checks: CheckOptions,
    previous: PreviousForecast | None,
) -> UnpublishedForecast:
    since = data_since(previous, prediction.data_sha256, checks.now)
    totals = extra_tables.totals or ()
    return UnpublishedForecast(files, run, prediction, data, origin, totals, checks.now, since)
