"""The seasonal naive forecast, the baseline of every network.

Arrays: S series, N flat rows, H horizon steps, C targets, Q quantiles, all in original units.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from rnnforecast.evaluation.metrics import check_ends, seasonal_moment
from rnnforecast.types import Floats, Ints


def baseline_name(season: int) -> str:
    """The name of the forecast by `seasonal_naive`."""
    return "seasonal naive" if season > 1 else "naive"


def seasonal_naive(
    values: Floats, offsets: Ints, *, season: int, horizon: int, ends: Ints
) -> Floats:
    """The last season before `ends`, repeated over the horizon, `[S, H, C]`.

    Each phase has its last observed value; a phase that was never observed has the last observed
    value of the series. NaN only if nothing was observed.

    Args:
        values: `[N, C]` flat, NaN where missing.
        offsets: `[S+1]` the flat row of the start of each series, and N.
        season: steps; 1 repeats the last value.
        horizon: steps.
        ends: `[S]` the flat row after the history of each series: the first row to forecast.

    Source: Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 5.2.
    """
    check_ends(offsets, ends)
    n_series, targets = len(ends), values.shape[1]
    series = np.repeat(np.arange(n_series), np.diff(offsets))  # [N]
    row, target = np.nonzero(~np.isnan(values))
    history = row < ends[series[row]]
    row, target = row[history], target[history]
    phase = (row - ends[series[row]]) % season  # 0 for the first step of the horizon
    latest = np.full((n_series, season, targets), -1, dtype=np.int64)  # flat row, -1 for none
    np.maximum.at(latest, (series[row], phase, target), row)
    last = latest.max(axis=1, keepdims=True)  # [S, 1, C]
    latest = np.where(latest >= 0, latest, last)[:, np.arange(horizon) % season]  # [S, H, C]
    forecast = values[np.maximum(latest, 0), np.arange(targets)] if len(values) else np.nan
    return np.where(latest >= 0, forecast, np.nan)


def seasonal_naive_quantiles(
    values: Floats,
    offsets: Ints,
    *,
    season: int,
    horizon: int,
    ends: Ints,
    levels: Sequence[float],
) -> Floats:
    """Quantiles of a normal distribution around `seasonal_naive`, `[S, H, C, Q]`.

    Its standard deviation is the root mean square of the seasonal differences before `ends`, times
    the square root of the number of seasons ahead. Without any seasonal difference it is that of a
    random walk, from differences of one step; without these either, NaN.

    Source: Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 5.5.
    """
    naive = seasonal_naive(values, offsets, season=season, horizon=horizon, ends=ends)
    step = np.arange(horizon)
    variance = seasonal_moment(values, offsets, season=season, ends=ends, power=2)  # [S, C]
    random_walk = seasonal_moment(values, offsets, season=1, ends=ends, power=2)
    horizon_variance = np.where(
        np.isnan(variance)[:, None, :],
        random_walk[:, None, :] * (1 + step)[:, None],
        variance[:, None, :] * (1 + step // season)[:, None],
    )  # [S, H, C]
    normal = np.array([NormalDist().inv_cdf(level) for level in levels], dtype=np.float64)
    quantiles: Floats = (
        naive[..., None] + np.sqrt(horizon_variance)[..., None] * normal
    )  # [S, H, C, Q]
    return quantiles
