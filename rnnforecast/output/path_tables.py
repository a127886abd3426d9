"""Long tables: totals over several steps, and sample paths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rnnforecast.errors import DataError, Problem
from rnnforecast.output.forecast_table import (
    forecast_columns,
    round_significant,
    significant_digits,
)

TOTALS_COLUMNS = ("from", "to", "steps")
PATHS_COLUMNS = ("path",)


def totals_frame(
    keys: pd.DataFrame,
    timestamps: np.ndarray,
    *,
    steps: Sequence[int],
    targets: Sequence[str],
    yhat: np.ndarray,
    quantiles: np.ndarray,
    levels: Sequence[float],
) -> pd.DataFrame:
    """One row per series, target and number of steps, in that order.

    Columns: the keys, ``target`` if there are several, ``from`` and ``to`` (the timestamps of the
    first and the last step), ``steps``, ``yhat`` and one per quantile. `timestamps [S, H]`,
    `steps [T]`, `yhat [S, C, T]` and `quantiles [S, C, T, Q]` in original units. Raises DataError
    as `check_column_names` does.
    """
    size, width, count = yhat.shape
    check_column_names(list(keys.columns), totals=True)
    columns = _key_columns(keys, targets, size, count)
    ends = np.asarray(steps) - 1
    columns["from"] = np.repeat(timestamps[:, 0], width * count)
    columns["to"] = np.repeat(timestamps[:, ends], width, axis=0).reshape(-1)
    columns["steps"] = np.tile(np.asarray(steps), size * width)
    center = yhat.reshape(-1)
    flat = np.moveaxis(quantiles, -1, 0).reshape(len(levels), -1)
    digits = significant_digits(center, flat)
    columns["yhat"] = round_significant(center, digits)
    for level, values in zip(levels, flat, strict=True):
        columns[f"q{float(level)!r}"] = round_significant(values, digits)
    return pd.DataFrame(columns)


def paths_frame(
    keys: pd.DataFrame,
    timestamps: np.ndarray,
    *,
    time_column: str,
    targets: Sequence[str],
    values: np.ndarray,
) -> pd.DataFrame:
    """One row per series, target, path and step, in that order.

    Columns: the keys, ``target`` if there are several, ``path`` (from 1), the time, ``yhat``.
    `timestamps [S, H]`, `values [S, C, count, H]` in original units. Raises DataError as
    `check_column_names` does.
    """
    size, width, count, horizon = values.shape
    check_column_names([*keys.columns, time_column], paths=True)
    forecast_columns(list(keys.columns), targets, time_column=time_column, levels=())
    columns = _key_columns(keys, targets, size, count * horizon)
    columns["path"] = np.tile(np.repeat(np.arange(1, count + 1), horizon), size * width)
    columns[time_column] = np.repeat(timestamps, width * count, axis=0).reshape(-1)
    columns["yhat"] = round_significant(values.reshape(-1))
    return pd.DataFrame(columns)


def check_column_names(names: Sequence[str], *, totals: bool = False, paths: bool = False) -> None:
    """Raises DataError if a name is also that of another column of these tables."""
    taken = (*(TOTALS_COLUMNS if totals else ()), *(PATHS_COLUMNS if paths else ()))
    clashes = [name for name in names if name in taken]
    if clashes:
        found = "is also the name of another column of the table of totals or paths"
        cure = "rename the column in the input"
        raise DataError(*(Problem(f"column {name!r}", found, cure) for name in clashes))


def _key_columns(
    keys: pd.DataFrame, targets: Sequence[str], series_count: int, rows_per_target: int
) -> dict[str, object]:
    """The columns that name the series and the target of a row."""
    series = np.repeat(np.arange(series_count), len(targets) * rows_per_target)
    columns: dict[str, object] = {name: keys[name].take(series).array for name in keys.columns}
    if len(targets) > 1:
        channel = np.tile(np.repeat(np.arange(len(targets)), rows_per_target), series_count)
        columns["target"] = pd.array(list(targets), dtype="str").take(channel)
    return columns
