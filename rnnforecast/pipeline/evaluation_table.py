"""The evaluation table: a row for each observed value that was forecast from a past origin.

Its columns are those of utilsforecast: ``unique_id``, ``ds``, ``cutoff``, ``y`` and a column for
each model; quantiles and the step of the horizon are beside them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rnnforecast.data.panel.panel import Panel
from rnnforecast.errors import DataError, Problem
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows
from rnnforecast.output.forecast_table import write_forecast

FIXED_COLUMNS = ("unique_id", "target", "cutoff", "ds", "step", "y", "yhat")
"""Their meaning: label of the series; target, if there are several; last timestamp before the
forecast; timestamp; steps after the cutoff; observed value; point forecast."""


def baseline_column(name: str) -> str:
    """The column of a baseline: ``seasonal_naive`` of ``seasonal naive``."""
    return name.lower().replace(" ", "_")


def quantile_column(level: float) -> str:
    """The column of a quantile, such as ``q0.025``."""
    return f"q{float(level)!r}"


def evaluation_table(panel: Panel, windows: EvaluatedWindows) -> pd.DataFrame:
    """A row for each window, target and step with an observed value and a forecast.

    Columns are `FIXED_COLUMNS` (``target`` only if there are several), the columns of the ids after
    ``unique_id`` if there are several, ``q…`` for each quantile and one for the point forecast of
    each baseline. Rows are ordered by window, series, target and step.
    """
    count, horizon, targets = windows.actual.shape
    order = np.lexsort((windows.series, windows.window))
    windows = windows.select(order)
    series = np.repeat(windows.series, targets * horizon)  # [M * C * H]
    timestamps = panel.window_timestamps(windows.origin - 1, horizon + 1, windows.series)
    columns: dict[str, object] = {"unique_id": panel.labels()[series]}
    if panel.keys.shape[1] > 1:
        taken = {*FIXED_COLUMNS, *map(baseline_column, windows.baselines)}
        columns |= {
            name: panel.keys[name].to_numpy()[series]
            for name in panel.keys.columns
            if name not in taken
        }
    if targets > 1:
        names = np.repeat(np.array(panel.target_names, dtype=object), horizon)
        columns["target"] = np.tile(names, count)
    columns["cutoff"] = np.repeat(timestamps[:, 0], targets * horizon)
    columns["ds"] = np.repeat(timestamps[:, None, 1:], targets, axis=1).reshape(-1)
    columns["step"] = np.tile(np.arange(1, horizon + 1), count * targets)

    def flat(values: np.ndarray) -> np.ndarray:
        """`[M, H, C]` → `[M * C * H]`."""
        return values.swapaxes(1, 2).reshape(-1)

    columns["y"], columns["yhat"] = flat(windows.actual), flat(windows.forecast.yhat)
    for position, level in enumerate(windows.levels):
        columns[quantile_column(level)] = flat(windows.forecast.quantiles[..., position])
    for name, each in windows.baselines.items():
        columns[baseline_column(name)] = flat(each.yhat)
    return pd.DataFrame(columns).dropna(subset=["y", "yhat"]).reset_index(drop=True)


def write_evaluation_table(path: Path, table: pd.DataFrame, panel: Panel) -> None:
    """Writes the table as Parquet; timestamps have the time zone of the data.

    Raises OutputError.
    """
    write_forecast(
        path, table, utc_offset=panel.utc_offset, display_timezone=panel.display_timezone
    )


def read_evaluation_table(path: Path) -> pd.DataFrame:
    """The evaluation table in a file; DataError if there is none or it is another table."""
    try:
        table: pd.DataFrame = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        found = f"cannot be read as an evaluation table: {error}"
        cure = "give a folder that 'rnnforecast train' or 'rnnforecast backtest' wrote"
        raise DataError(Problem(str(path), found, cure)) from error
    missing = [name for name in FIXED_COLUMNS if name not in table.columns and name != "target"]
    if missing:
        found = f"is not an evaluation table: it has no column {', '.join(missing)}"
        raise DataError(Problem(str(path), found, "write it again"))
    return table
