"""Files of a forecast: its tables and the plots of series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.output.forecast_table import write_forecast
from rnnforecast.pipeline.run_folder import Run
from rnnforecast.types import Ints


def write_tables(
    tables: Mapping[str, pd.DataFrame], panel: Panel, path_of: Callable[[str], str]
) -> None:
    """Writes each table to the path of its name, as CSV or Parquet."""
    for name, frame in tables.items():
        write_forecast(
            path_of(name),
            frame,
            daily=panel.frequency.is_daily_or_coarser,
            utc_offset=panel.utc_offset,
            display_timezone=panel.display_timezone,
        )


def plot_series(
    folder: Path, run: Run, panel: Panel, forecasts: WindowForecast, series: Ints
) -> int:
    """Writes the plots into a new folder, if there are any; returns their number."""
    if not len(series):
        return 0
    # matplotlib takes half a second to load
    from rnnforecast.pipeline.series_plots import plot_series_forecasts

    folder.mkdir()
    return plot_series_forecasts(folder, run, panel, series, panel.lengths, forecasts)


def series_to_plot(run: Run, panel: Panel) -> Ints:
    """Indices of the series that `train` plotted; if these are too few, the first others too."""
    is_new = ~np.isin(panel.labels(), run.plotted_series)
    order = np.argsort(is_new, kind="stable")
    return np.sort(order[: run.n_plots])
