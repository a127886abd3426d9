"""Long tables: totals over several steps, and sample paths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rnnforecast.errors import DataError, Problem
from rnnforecast.output.forecast_frame import (
    ForecastSeries,
    forecast_columns,
    round_significant,
    significant_digits,
)

TOTALS_COLUMNS = ("from", "to", "steps")
PATHS_COLUMNS = ("path",)


def totals_frame(
    series: ForecastSeries,
    yhat: np.ndarray,
    quantiles: np.ndarray,
    levels: Sequence[float],
    *,
    steps: Sequence[int],
) -> pd.DataFrame:
    """One row per series, target and number of steps, in that order.

    Columns: the keys, ``target`` if there are several, ``from`` and ``to`` (the timestamps of the
    first and the last step), ``cutoff``, ``steps``, ``yhat``, one per quantile, ``status``.
    `steps [T]`, `yhat [S, C, T]` and `quantiles [S, C, T, Q]` in original units. Raises DataError
    as `check_column_names` does.
    """
    size, width, count = yhat.shape
    check_column_names(list(series.keys.columns), totals=True)
    columns = series.key_columns(count)
    ends = np.asarray(steps) - 1
    columns["from"] = np.repeat(series.timestamps[:, 0], width * count)
    columns["to"] = np.repeat(series.timestamps[:, ends], width, axis=0).reshape(-1)
    columns["cutoff"] = series.cutoff_column(count)
    columns["steps"] = np.tile(np.asarray(steps), size * width)
    center = yhat.reshape(-1)
    flat = np.moveaxis(quantiles, -1, 0).reshape(len(levels), -1)
    digits = significant_digits(center, flat)
    columns["yhat"] = round_significant(center, digits)
    for level, values in zip(levels, flat, strict=True):
        columns[f"q{float(level)!r}"] = round_significant(values, digits)
    columns["status"] = series.status_column(count)
    return pd.DataFrame(columns)


def paths_frame(series: ForecastSeries, values: np.ndarray) -> pd.DataFrame:
    """One row per series, target, path and step, in that order.

    Columns: the keys, ``target`` if there are several, ``path`` (from 1), the time, ``cutoff``,
    ``yhat``, ``status``. `values [S, C, count, H]` in original units. Raises DataError as
    `check_column_names` does.
    """
    size, width, count, horizon = values.shape
    keys, time_column = list(series.keys.columns), series.time_column
    check_column_names([*keys, time_column], paths=True)
    forecast_columns(keys, series.targets, time_column=time_column, levels=())
    columns = series.key_columns(count * horizon)
    columns["path"] = np.tile(np.repeat(np.arange(1, count + 1), horizon), size * width)
    columns[time_column] = series.timestamp_column(count)
    columns["cutoff"] = series.cutoff_column(count * horizon)
    columns["yhat"] = round_significant(values.reshape(-1))
    columns["status"] = series.status_column(count * horizon)
    return pd.DataFrame(columns)


def check_column_names(names: Sequence[str], *, totals: bool = False, paths: bool = False) -> None:
    """Raises DataError if a name is also that of another column of these tables."""
    taken = (*(TOTALS_COLUMNS if totals else ()), *(PATHS_COLUMNS if paths else ()))
    clashes = [name for name in names if name in taken]
    if clashes:
        found = "is also the name of another column of the table of totals or paths"
        cure = "rename the column in the input"
        raise DataError(*(Problem(f"column {name!r}", found, cure) for name in clashes))
