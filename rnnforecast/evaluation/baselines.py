"""What the simplest forecast would have said: the last season again.

Every forecaster is compared with it. Arrays: S series, N flat rows, H horizon steps, C targets,
Q quantiles, all in original units.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from rnnforecast.evaluation.metrics import (
    check_ends,
    seasonal_moment,
)
from rnnforecast.types import Floats, Ints


def baseline_name(season: int) -> str:
    """What `seasonal_naive` is called: without a season it repeats the last value."""
    return "seasonal naive" if season > 1 else "naive"


def seasonal_naive(
    values: Floats, offsets: Ints, *, season: int, horizon: int, ends: Ints
) -> Floats:
    """The last season before `ends`, repeated over the horizon, `[S, H, C]`.

    A missing value is taken from the latest season that has one at the same place; a place that
    was never observed gets the last observed value. NaN only where nothing was observed.

    Args:
        values: `[N, C]` flat, NaN where missing.
        offsets: `[S+1]` the flat row at which each series begins, and N.
        season: steps; 1 repeats the last value.
        horizon: steps.
        ends: `[S]` the flat row behind the history of each series: the first one forecast.

    Source: Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 5.2.
    """
    check_ends(offsets, ends)
    size, targets = len(ends), values.shape[1]
    series = np.repeat(np.arange(size), np.diff(offsets))  # [N]
    row, target = np.nonzero(~np.isnan(values))
    history = row < ends[series[row]]
    row, target = row[history], target[history]
    place = (row - ends[series[row]]) % season  # 0 for the first step of the horizon
    latest = np.full((size, season, targets), -1, dtype=np.int64)  # flat row, -1 for none
    np.maximum.at(latest, (series[row], place, target), row)
    last = latest.max(axis=1, keepdims=True)  # [S, 1, C]
    latest = np.where(latest >= 0, latest, last)[:, np.arange(horizon) % season]  # [S, H, C]
    found = values[np.maximum(latest, 0), np.arange(targets)] if len(values) else np.nan
    return np.where(latest >= 0, found, np.nan)


def seasonal_naive_quantiles(
    values: Floats,
    offsets: Ints,
    *,
    season: int,
    horizon: int,
    ends: Ints,
    levels: Sequence[float],
) -> Floats:
    """Quantiles around `seasonal_naive`, `[S, H, C, Q]`, from a normal distribution.

    Its deviation is the root mean square of the differences a season apart before `ends`, times
    the root of the number of seasons ahead. Where no two values lie a season apart it is that of a
    random walk, from the differences one step apart; where there are none either, NaN.

    Source: Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 5.5.
    """
    naive = seasonal_naive(values, offsets, season=season, horizon=horizon, ends=ends)
    ahead = np.arange(horizon)
    variance = seasonal_moment(values, offsets, season=season, ends=ends, power=2)  # [S, C]
    walk = seasonal_moment(values, offsets, season=1, ends=ends, power=2)
    spread = np.where(
        np.isnan(variance)[:, None, :],
        walk[:, None, :] * (1 + ahead)[:, None],
        variance[:, None, :] * (1 + ahead // season)[:, None],
    )  # [S, H, C]
    normal = np.array([NormalDist().inv_cdf(level) for level in levels], dtype=np.float64)
    quantiles: Floats = naive[..., None] + np.sqrt(spread)[..., None] * normal  # [S, H, C, Q]
    return quantiles
