"""Tables of a forecast: its rows, and totals and sample paths beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.output.forecast_frame import ForecastSeries, forecast_frame
from rnnforecast.output.forecast_table import write_forecast
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.series_errors import table_places
from rnnforecast.types import Floats, Ints, Timestamps
from rnnforecast.workflow.predict_totals import paths_table, totals_table


@dataclass(frozen=True)
class TableSeries:
    """The series of the tables: those of the panel, and those that are skipped without a value."""

    series: ForecastSeries
    places: Ints
    """[P] the place of each series of the panel among them."""

    def expand(self, values: Floats) -> Floats:
        """[P, …] numbers of the panel's series as those of all, [S, …]: NaN for the others."""
        size = len(self.series.cutoffs)
        if len(self.places) == size:
            return values
        every = np.full((size, *values.shape[1:]), np.nan)
        every[self.places] = values
        return every


def table_series(
    cleaned: CleanedData,
    status: np.ndarray,
    *,
    horizon: int,
    time_column: str,
    latest: Timestamps | None = None,
) -> TableSeries:
    """The series of the tables, sorted by their ids; `status` [P, C] is that of the panel's.

    A skipped series without a value has the timestamps of the series that ends last: its cutoff
    and steps are `latest` [1 + H] where it is in another partition.
    """
    panel, found = cleaned.panel, cleaned.changes.series
    keys, places = cleaned.table.keys, table_places(cleaned)
    is_shown = (found["error_code"] != "").to_numpy(copy=True)  # [S of the file]
    is_shown[places] = True
    places = np.cumsum(is_shown)[places] - 1
    size = int(is_shown.sum())
    timestamps = panel.window_timestamps(panel.lengths - 1, horizon + 1)  # cutoff first
    if latest is None:
        latest = timestamps[np.argmax(timestamps[:, 0])]
    every = np.repeat(latest[None], size, axis=0)
    every[places] = timestamps
    every_status = np.full((size, status.shape[1]), "skipped", dtype=status.dtype)
    every_status[places] = status
    series = ForecastSeries(
        keys.loc[is_shown].reset_index(drop=True),
        every[:, 1:],
        every[:, 0],
        every_status,
        time_column,
        panel.target_names,
    )
    return TableSeries(series, places)


def forecast_tables(
    run: Run,
    rows: TableSeries,
    forecasts: WindowForecast,
    all_levels: WindowForecast,
    *,
    totals: tuple[int, ...],
    n_paths: int,
) -> dict[str, pd.DataFrame]:
    """The tables by name: ``forecast``, and ``totals`` and ``paths`` if there are any.

    `all_levels` has the quantiles of `run.levels.computed`, not rounded.
    """
    yhat, quantiles = rows.expand(forecasts.yhat), rows.expand(forecasts.quantiles)
    tables = {"forecast": forecast_frame(rows.series, yhat, quantiles, run.quantiles)}
    if totals or n_paths:
        every = WindowForecast(rows.expand(all_levels.yhat), rows.expand(all_levels.quantiles))
        if totals:
            tables["totals"] = totals_table(run, rows.series, every, totals)
        if n_paths:
            tables["paths"] = paths_table(run, rows.series, every, n_paths)
    return tables


def write_table(path: str | Path, frame: pd.DataFrame, panel: Panel) -> None:
    """As `write_forecast`, with timestamps as the data of the panel have them."""
    write_forecast(
        path,
        frame,
        daily=panel.frequency.is_daily_or_coarser,
        utc_offset=panel.utc_offset,
        display_timezone=panel.display_timezone,
    )
