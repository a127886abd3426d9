"""Naive and seasonal naive forecasts, with and without drift, of histories and of flat panels.

Arrays of flat panels: S series, N rows, H horizon steps, C targets.
Source: Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 5.2 and 5.5.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.statistical.histories import Histories, StatisticalForecast
from rnnforecast.statistical.seasonal_changes import (
    check_ends,
    mean_seasonal_change,
    seasonal_moment,
)
from rnnforecast.types import Floats, Ints


def forecast(
    histories: Histories, *, season: int, horizon: int, drift: bool = False
) -> StatisticalForecast:
    """The last season of each history, repeated; see `seasonal_naive` and its variance.

    The error of a single value has its square as variance: nothing is known but its size.

    Args:
        histories: M histories; only observed values count.
        season: steps, 1 for the naive forecast.
        horizon: steps to forecast, H.
        drift: add the mean seasonal change of the history for each season ahead.
    """
    inside = np.arange(len(histories.values))[:, None] >= histories.start
    observed = np.where(histories.observed, histories.values, np.nan)
    flat = observed.T[inside.T][:, None]  # [N, 1]
    offsets = np.concatenate([[0], np.cumsum(histories.lengths)])
    mean = seasonal_naive(
        flat, offsets, season=season, horizon=horizon, ends=offsets[1:], drift=drift
    )
    variance = seasonal_naive_variance(
        flat, offsets, season=season, horizon=horizon, ends=offsets[1:], drift=drift
    )
    single = np.isnan(variance)
    return StatisticalForecast(mean[..., 0], np.where(single, mean**2, variance)[..., 0])


def seasonal_naive(
    values: Floats, offsets: Ints, *, season: int, horizon: int, ends: Ints, drift: bool = False
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
        drift: add the mean seasonal change of the history for each season ahead.
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
    step = np.arange(horizon)
    latest = np.where(latest >= 0, latest, last)[:, step % season]  # [S, H, C]
    forecast = values[np.maximum(latest, 0), np.arange(targets)] if len(values) else np.nan
    if drift:
        change, _ = mean_seasonal_change(values, offsets, season=season, ends=ends)  # [S, C]
        ahead = (ends[:, None] + step)[..., None] - latest
        forecast = forecast + np.nan_to_num(change)[:, None] * (ahead / season)
    return np.where(latest >= 0, forecast, np.nan)


def seasonal_naive_variance(
    values: Floats, offsets: Ints, *, season: int, horizon: int, ends: Ints, drift: bool = False
) -> Floats:
    """Variance of the errors of `seasonal_naive`, `[S, H, C]`.

    It is the mean square of the seasonal differences before `ends`, times the number of seasons
    ahead. Without any seasonal difference it is that of a random walk, from differences of one
    step; without these either, NaN. With `drift`, it is that of the differences about their mean,
    and includes the error of the mean. Arguments as for `seasonal_naive`.
    """
    step = np.arange(horizon)
    seasons_ahead = np.broadcast_to(1.0 + step // season, (len(ends), 1, horizon))  # [S, C, H]
    variance = seasonal_moment(values, offsets, season=season, ends=ends, power=2)  # [S, C]
    random_walk = seasonal_moment(values, offsets, season=1, ends=ends, power=2)
    if drift:
        change, count = mean_seasonal_change(values, offsets, season=season, ends=ends)
        variance = np.maximum(variance - change**2, 0.0) * count / np.maximum(count - 1, 1)
        mean_error = season / np.where(count > 0, count, np.nan)  # relative to one season's change
        seasons_ahead = seasons_ahead * (1.0 + seasons_ahead * mean_error[..., None])
    return np.where(
        np.isnan(variance)[:, None, :],
        random_walk[:, None, :] * (1 + step)[:, None],
        variance[:, None, :] * seasons_ahead.swapaxes(1, 2),
    )
