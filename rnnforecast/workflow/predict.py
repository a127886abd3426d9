"""`predict`: forecasts from a run folder and current data, as tables and plots."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import OutputError, UsageError
from rnnforecast.output.atomic_files import write_text
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.output.folder_snapshot import FolderFiles
from rnnforecast.output.forecast_report.page import render_forecast_report
from rnnforecast.output.json_files import write_json
from rnnforecast.output.owned_files import check_table_replaceable
from rnnforecast.output.remote_output import remote_output
from rnnforecast.pipeline.calibration import store_timestamp
from rnnforecast.pipeline.checks.context import PreviousForecast
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.checks.run_checks import CheckOptions
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.pipeline.run_folder import Run, read_run_folder
from rnnforecast.pipeline.run_overrides import with_overrides
from rnnforecast.pipeline.series_errors import SeriesError
from rnnforecast.spec.locations import (
    expand_url,
    is_database,
    is_url,
)
from rnnforecast.workflow.predict_database import write_forecast_rows
from rnnforecast.workflow.predict_files import plot_series, series_to_plot, write_tables
from rnnforecast.workflow.predict_forecast import Prediction, forecast_data
from rnnforecast.workflow.predict_places import (
    absolute_sources,
    check_place,
    has_files,
    is_folder,
    table_path,
)
from rnnforecast.workflow.predict_previous import read_previous
from rnnforecast.workflow.predict_totals import ExtraTablesRequest
from rnnforecast.workflow.report_forecast_page import forecast_report
from rnnforecast.workflow.report_run import read_run_and_files

SUMMARY_FILE, REPORT_FILE = "run.json", "report.html"
DEFAULT_EXTRA_TABLES = ExtraTablesRequest()


@dataclass(frozen=True)
class PredictResult:
    """What `predict` wrote."""

    out: str
    series: int
    """Series with a forecast of at least one target."""
    targets: int
    """Targets of each series."""
    horizon: int
    failed: dict[str, str]
    """Reasons by label, of the series because of which `predict` ends with code 6, see
    `forecast.exit_on_failed`."""
    series_status: dict[str, int]
    """Numbers of series by status."""
    series_errors: tuple[SeriesError, ...]
    """Series with a simple forecast or none, by kind of error."""
    first_timestamp: str
    last_timestamp: str
    """The earliest and the latest timestamp of the forecasts."""
    data_end: str
    """The latest timestamp of the data."""
    data_sha256: str
    """A hash of the data."""
    data_since: str
    """When a forecast was first made from the same data, in UTC."""
    trained_at: str
    """When the run was trained, in UTC."""
    trained_until: str | int
    """The latest timestamp whose values it was trained on."""
    written_at: str
    """When the forecast was written, in UTC."""
    plots: int = 0
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class UnpublishedForecast:
    """A forecast in memory, with what is written beside it."""

    files: FolderFiles
    """Of the run folder: of a store, of its latest version."""
    run: Run
    prediction: Prediction
    data: tuple[str, ...]
    """The files that were read."""
    origin: str | None
    totals: tuple[int, ...]
    """Numbers of steps whose totals were requested."""
    made_at: datetime
    data_since: datetime
    """When a forecast was first made from the same data."""


@dataclass(frozen=True)
class PublishedForecast:
    """A forecast that was written, and what it was made of."""

    run: Run
    prediction: Prediction
    result: PredictResult


def predict(folder: Path, out: str, **options: Any) -> PredictResult:
    """As `publish_forecast`, for the summary alone.

    Raises:
        PartFailed, after the other forecasts are written, if some series could not be forecast;
        and the errors of `publish_forecast`.
    """
    published = publish_forecast(folder, out, **options)
    if published.result.failed:
        raise published.prediction.part_failed_error(published.result.out)
    return published.result


def publish_forecast(
    folder: Path,
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
    listener: ProgressListener | None = None,
) -> PublishedForecast:
    """Forecasts every series from its end on and writes the result to `out`.

    Args:
        folder: the run.
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

    Raises:
        RunFolderError, DataError, OutputError, UsageError, SpecError; StaleInput if a check finds
        an error: then nothing is written.
    """
    check_place(out, force=force)
    forecast = make_forecast(
        folder,
        data=data,
        horizon=horizon,
        origin=origin,
        extra_tables=extra_tables if has_files(out) else extra_tables.without_files(),
        overrides=overrides,
        checks=checks,
        previous=None if is_url(out) else read_previous(Path(out, SUMMARY_FILE)),
        listener=listener,
    )
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
        listener=listener,
    )
    now = checks.now
    is_same = previous is not None and previous.data_sha256 == prediction.data_sha256
    return UnpublishedForecast(
        files,
        run,
        prediction,
        tuple(data or run.source),
        origin,
        extra_tables.totals or (),
        now,
        min(previous.data_since, now) if previous is not None and is_same else now,
    )


def write_to(
    forecast: UnpublishedForecast,
    out: str,
    *,
    plots: bool = True,
    report: bool = True,
    force: bool = False,
    listener: ProgressListener | None = None,
) -> PredictResult:
    """Writes a forecast to `out`, whole or not at all; arguments as in `publish_forecast`.

    Raises OutputError, UsageError.
    """
    options: dict[str, Any] = {"plots": plots, "report": report, "listener": listener}
    prediction = forecast.prediction
    if not is_url(out):
        return _write_files(forecast, out, _build_result(out, forecast), force=force, **options)
    url = expand_url(out, UsageError)
    result = _build_result(url.name, forecast)
    if is_database(url.text):
        write_forecast_rows(out, prediction.tables["forecast"], prediction.cleaned.panel)
        return result
    if (path := url.local_path) is not None:
        return _write_files(forecast, path, result, force=force, **options)
    with remote_output(url, is_folder=is_folder(url.text), force=force) as local:
        return _write_files(forecast, str(local), result, **options)


def _write_files(
    forecast: UnpublishedForecast,
    out: str,
    result: PredictResult,
    *,
    plots: bool = True,
    report: bool = True,
    force: bool = False,
    listener: ProgressListener | None = None,
) -> PredictResult:
    """As `write_to`, for a path, which may be a copy of the place in `result`."""
    run, prediction = forecast.run, forecast.prediction
    tables, panel, forecasts = prediction.tables, prediction.cleaned.panel, prediction.forecasts
    if not is_folder(out):
        for name in tables:
            check_table_replaceable(Path(table_path(out, name)), force=force or out == "-")
        write_tables(tables, panel, lambda name: table_path(out, name))
        return result
    plotted = series_to_plot(run, panel) if plots else np.empty(0, dtype=np.int64)
    inputs = {"run": str(forecast.files.path.resolve()), **run.metadata["versions"]}
    inputs |= {"data": absolute_sources(forecast.data), "origin": forecast.origin}
    with atomic_folder(Path(out), "forecast", force=force) as partial:
        write_tables(tables, panel, lambda name: str(partial / f"{name}.csv"))
        try:
            count = plot_series(partial / "plots", run, panel, forecasts, plotted)
            result = replace(result, plots=count)
            if report:
                content = forecast_report(
                    forecast.files, run, prediction, requested_totals=forecast.totals
                )
                write_text(partial / REPORT_FILE, render_forecast_report(content))
            write_json(partial / SUMMARY_FILE, inputs | asdict(result))
        except (OutputError, OSError) as error:
            result = _without_pictures(partial, result, error, listener)
            write_json(partial / SUMMARY_FILE, inputs | asdict(result))
    return result


def _without_pictures(
    folder: Path, result: PredictResult, error: Exception, listener: ProgressListener | None
) -> PredictResult:
    """The result without plots and page, which are deleted: they never cost the tables."""
    shutil.rmtree(folder / "plots", ignore_errors=True)
    (folder / REPORT_FILE).unlink(missing_ok=True)
    finding = Finding(
        "plots_not_written",
        f"the tables are written, but plots and report are not: {error}",
        cure="make room for them, or leave them out with --no-plots and --no-report",
    )
    if listener is not None:
        listener.warning(str(finding))
    return replace(result, plots=0, warnings=(*result.warnings, finding))


def _build_result(out: str, forecast: UnpublishedForecast) -> PredictResult:
    run, prediction = forecast.run, forecast.prediction
    panel, horizon = prediction.cleaned.panel, prediction.forecasts.yhat.shape[1]
    timestamps = panel.window_timestamps(panel.lengths, horizon)
    last = panel.window_timestamps(panel.lengths - 1, 1).max()
    return PredictResult(
        out=out if is_url(out) else str(Path(out)),
        series=int((prediction.status != "skipped").any(axis=1).sum()),
        targets=len(panel.target_names),
        horizon=horizon,
        failed=prediction.failed,
        series_status=prediction.series_status(),
        series_errors=prediction.errors.by_code(),
        first_timestamp=format_timestamp(timestamps.min(), panel.display_timezone),
        last_timestamp=format_timestamp(timestamps.max(), panel.display_timezone),
        data_end=format_timestamp(last, panel.display_timezone),
        data_sha256=prediction.data_sha256,
        data_since=forecast.data_since.isoformat(timespec="seconds"),
        trained_at=run.trained_at.isoformat(),
        trained_until=store_timestamp(run.trained_until),
        written_at=forecast.made_at.isoformat(timespec="seconds"),
        warnings=prediction.warnings,
    )
