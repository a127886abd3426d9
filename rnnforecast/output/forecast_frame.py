"""The forecast as one long table: its columns and rows, and the digits of its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from rnnforecast.errors import DataError, Problem

Status = Literal["model", "fallback", "skipped", "cold_start"]
"""Where a forecast comes from: the model, a simple method in its place, nowhere (blank numbers), or
the model for a series that was not in the training data."""

STATUSES: tuple[Status, ...] = get_args(Status)

SIGNIFICANT_DIGITS, INTERVAL_DIGITS, FLOAT64_DIGITS = 7, 5, 15
"""Significant digits of a forecast, of the width of its interval, and of any float64."""


def round_significant(x: np.ndarray, digits: int | np.ndarray = SIGNIFICANT_DIGITS) -> np.ndarray:
    """`x` rounded to `digits` significant digits: the float64 whose shortest text has no more.

    Any shape; `digits` is a number or an array of that shape. NaN and infinity stay, minus zero
    becomes zero.
    """
    x = np.asarray(x, dtype=np.float64)
    digits = np.broadcast_to(digits, x.shape)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shift = np.floor(np.log10(np.abs(x)))
        shift = np.where(np.isfinite(shift), digits - 1 - shift, 0.0)
        # Powers of ten are exact up to 10^22, and one product or quotient of exact numbers is
        # rounded once: the sign of the shift decides between the two.
        power = 10.0 ** np.minimum(np.abs(shift), 22.0)
        rounded = np.where(shift >= 0, np.rint(x * power) / power, np.rint(x / power) * power)
    rounded = np.where(np.isfinite(x), rounded, x) + 0.0
    extreme = np.isfinite(x) & (np.abs(shift) > 22)
    pairs = zip(x[extreme], digits[extreme], strict=True)
    rounded[extreme] = [float(f"{value:.{count - 1}e}") for value, count in pairs]
    return rounded


def significant_digits(yhat: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """`[M]` meaningful digits of the forecasts `[M]`, given their quantiles `[Q, M]`.

    Forecasts are computed in single precision, hence seven digits; where the interval is narrow
    compared to the level (a meter that counts upwards), five digits of the interval's width.
    """
    if len(quantiles) < 2:
        return np.full(yhat.shape, SIGNIFICANT_DIGITS)
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.floor(np.log10(quantiles.max(0) - quantiles.min(0)))
        needed = np.floor(np.log10(np.abs(yhat))) - width + INTERVAL_DIGITS
    needed = np.where(np.isfinite(needed), needed, SIGNIFICANT_DIGITS)
    return np.clip(needed, SIGNIFICANT_DIGITS, FLOAT64_DIGITS).astype(np.int64)


@dataclass(frozen=True)
class ForecastSeries:
    """The series of a forecast table: what names its rows, beside the numbers.

    S series, H steps, C targets.
    """

    keys: pd.DataFrame
    """[S, series columns] the ids."""
    timestamps: np.ndarray
    """[S, H] datetime64 or int64."""
    cutoffs: np.ndarray
    """[S] the timestamp of the last step before the forecast."""
    status: np.ndarray
    """[S, C] a `Status` each."""
    time_column: str
    targets: Sequence[str]
    """The C names."""

    def key_columns(self, rows_per_target: int) -> dict[str, object]:
        """The columns of the ids, and of the target if there are several, for `rows_per_target`
        rows of each series and target, in this order."""
        size, width = self.status.shape
        series = np.repeat(np.arange(size), width * rows_per_target)
        columns: dict[str, object] = {
            name: self.keys[name].take(series).array for name in self.keys.columns
        }
        if width > 1:
            channel = np.tile(np.repeat(np.arange(width), rows_per_target), size)
            columns["target"] = pd.array(list(self.targets), dtype="str").take(channel)
        return columns

    def timestamp_column(self, repeats: int = 1) -> np.ndarray:
        """[S * C * repeats * H] the timestamps of each series, target and repetition."""
        width = self.status.shape[1] * repeats
        return np.repeat(self.timestamps, width, axis=0).reshape(-1)

    def cutoff_column(self, rows_per_target: int) -> np.ndarray:
        """[S * C * rows_per_target]"""
        return np.repeat(self.cutoffs, self.status.shape[1] * rows_per_target)

    def status_column(self, rows_per_target: int) -> object:
        """[S * C * rows_per_target] text."""
        codes = np.zeros(self.status.shape, dtype=np.int64)
        for code, name in enumerate(STATUSES):
            codes[self.status == name] = code
        names = pd.array(list(STATUSES), dtype="str")
        return names.take(np.repeat(codes.reshape(-1), rows_per_target))


def forecast_columns(
    key_columns: Sequence[str], targets: Sequence[str], *, time_column: str, levels: Sequence[float]
) -> list[str]:
    """The columns of a forecast table, in order.

    The key columns, ``target`` if there are several, the time column, ``cutoff``, ``yhat``, one
    column per quantile (``q0.025``) and ``status``. Raises DataError if an input column has the
    name of another column.
    """
    fixed = ["target"] if len(targets) > 1 else []
    numbers = ["yhat", *(f"q{float(level)!r}" for level in levels)]
    added = [*fixed, "cutoff", *numbers, "status"]
    given = [*key_columns, time_column]
    clashes = [name for name in dict.fromkeys(given) if name in added or given.count(name) > 1]
    if clashes:
        cure = "rename the column in the input"
        found = "is also the name of another column of the forecast table"
        raise DataError(*(Problem(f"column {name!r}", found, cure) for name in clashes))
    return [*key_columns, *fixed, time_column, *added[len(fixed) :]]


def forecast_frame(
    series: ForecastSeries, yhat: np.ndarray, quantiles: np.ndarray, levels: Sequence[float]
) -> pd.DataFrame:
    """One row per series, target and step, in that order; columns as in `forecast_columns`.

    `yhat` [S, H, C] and `quantiles` [S, H, C, Q] are in original units, NaN without a forecast; Q,
    the number of `levels`, may be 0. Values are rounded to `significant_digits`. Raises DataError
    as `forecast_columns` does.
    """
    horizon = yhat.shape[1]
    names = forecast_columns(
        list(series.keys.columns), series.targets, time_column=series.time_column, levels=levels
    )
    columns: list[object] = [*series.key_columns(horizon).values()]
    columns += [series.timestamp_column(), series.cutoff_column(horizon)]
    center = yhat.transpose(0, 2, 1).reshape(-1)
    flat = quantiles.transpose(3, 0, 2, 1).reshape(-1, center.size)  # [S, H, C, Q] -> [Q, S*C*H]
    digits = significant_digits(center, flat)
    columns.append(round_significant(center, digits))
    columns.extend(round_significant(flat, np.broadcast_to(digits, flat.shape)))
    columns.append(series.status_column(horizon))
    return pd.DataFrame(dict(zip(names, columns, strict=True)))
