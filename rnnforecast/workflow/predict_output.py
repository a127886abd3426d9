"""A forecast of `predict` as files: a folder, a table, an upload, or rows of a database."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import OutputError, UsageError
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.output.atomic_files import write_text
from rnnforecast.output.atomic_folders import atomic_folder
from rnnforecast.output.folder_snapshot import FolderFiles
from rnnforecast.output.forecast_report.page import render_forecast_report
from rnnforecast.output.json_files import write_json
from rnnforecast.output.owned_files import check_table_replaceable
from rnnforecast.output.remote_output import remote_output
from rnnforecast.pipeline.calibration import store_timestamp
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.series_errors import SeriesError
from rnnforecast.spec.locations import (
    expand_url,
    is_database,
    is_url,
)
from rnnforecast.types import Ints
from rnnforecast.workflow.predict_database import write_forecast_rows
from rnnforecast.workflow.predict_forecast import Prediction
from rnnforecast.workflow.predict_places import (
    absolute_sources,
    is_folder,
    table_path,
)
from rnnforecast.workflow.predict_previous import data_since
from rnnforecast.workflow.predict_request import ForecastRequest
from rnnforecast.workflow.predict_tables import write_table
from rnnforecast.workflow.report_forecast_page import forecast_report

SUMMARY_FILE, REPORT_FILE = "run.json", "report.html"


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
    """When the run was trained, in UTC; "" without a training."""
    trained_until: str | int
    """The latest timestamp whose values it was trained on; "" without a training."""
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
    request: ForecastRequest
    given: Mapping[str, Any] | None = None
    """Of a forecast without a run: what it is of, see `UntrainedSubject.to_json`."""

    @property
    def data_since(self) -> datetime:
        """When a forecast was first made from the same data."""
        request = self.request
        return data_since(request.previous, self.prediction.data_sha256, request.now)


def write_to(
    forecast: UnpublishedForecast,
    out: str,
    *,
    plots: bool = True,
    report: bool = True,
    force: bool = False,
) -> PredictResult:
    """Writes a forecast to `out`, whole or not at all; arguments as in `publish_forecast`.

    Raises OutputError, UsageError.
    """
    options: dict[str, Any] = {"plots": plots, "report": report}
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
    plots: bool,
    report: bool,
    force: bool = False,
) -> PredictResult:
    """As `write_to`, for a path, which may be a copy of the place in `result`."""
    run, prediction = forecast.run, forecast.prediction
    tables, panel, forecasts = prediction.tables, prediction.cleaned.panel, prediction.forecasts
    if not is_folder(out):
        for name in tables:
            check_table_replaceable(Path(table_path(out, name)), force=force or out == "-")
        _write_tables(tables, panel, lambda name: table_path(out, name))
        return result
    plotted = _series_to_plot(run, panel) if plots else np.empty(0, dtype=np.int64)
    given = forecast.given or {"run": str(forecast.files.path.resolve())}
    inputs = {**given, **run.metadata["versions"]}
    inputs |= {"data": absolute_sources(forecast.data), "origin": forecast.request.origin}
    with atomic_folder(Path(out), "forecast", force=force) as partial:
        _write_tables(tables, panel, lambda name: str(partial / f"{name}.csv"))
        try:
            count = _plot_series(partial / "plots", run, panel, forecasts, plotted)
            result = replace(result, plots=count)
            if report:
                content = forecast_report(
                    forecast.files,
                    run,
                    prediction,
                    requested_totals=forecast.request.extra_tables.totals or (),
                    given=forecast.given,
                    origin=forecast.request.origin,
                )
                write_text(partial / REPORT_FILE, render_forecast_report(content))
            write_json(partial / SUMMARY_FILE, inputs | asdict(result))
        except (OutputError, OSError) as error:
            result = _without_pictures(partial, result, error, forecast.request.listener)
            write_json(partial / SUMMARY_FILE, inputs | asdict(result))
    return result


def _without_pictures(
    folder: Path, result: PredictResult, error: Exception, listener: ProgressListener
) -> PredictResult:
    """The result without plots and page, which are deleted: they never cost the tables."""
    shutil.rmtree(folder / "plots", ignore_errors=True)
    (folder / REPORT_FILE).unlink(missing_ok=True)
    finding = Finding(
        "plots_not_written",
        f"the tables are written, but plots and report are not: {error}",
        cure="make room for them, or leave them out with --no-plots and --no-report",
    )
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
        trained_at=run.trained_at.isoformat() if run.is_trained else "",
        trained_until=store_timestamp(run.trained_until) if run.is_trained else "",
        written_at=forecast.request.now.isoformat(timespec="seconds"),
        warnings=prediction.warnings,
    )


def _write_tables(
    tables: Mapping[str, pd.DataFrame], panel: Panel, path_of: Callable[[str], str]
) -> None:
    """Writes each table to the path of its name, as CSV or Parquet."""
    for name, frame in tables.items():
        write_table(path_of(name), frame, panel)


def _plot_series(
    folder: Path, run: Run, panel: Panel, forecasts: WindowForecast, series: Ints
) -> int:
    """Writes the plots into a new folder, if there are any; returns their number."""
    if not len(series):
        return 0
    # matplotlib takes half a second to load
    from rnnforecast.pipeline.series_plots import plot_series_forecasts

    folder.mkdir()
    return plot_series_forecasts(
        folder, run, panel, series, panel.lengths[series], forecasts.select(series)
    )


def _series_to_plot(run: Run, panel: Panel) -> Ints:
    """Indices of the series that `train` plotted; if these are too few, the first others too."""
    is_new = ~np.isin(panel.labels(), run.plotted_series)
    order = np.argsort(is_new, kind="stable")
    return np.sort(order[: run.n_plots])
