"""Baselines, to which every forecast is compared: naive and seasonal naive, with and without drift,
theta and exponential smoothing.

Arrays: S series, N flat rows, H horizon steps, C targets, Q quantiles, all in original units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from rnnforecast.evaluation.metrics import check_ends, mean_seasonal_change, seasonal_moment
from rnnforecast.statistical.combination import METHODS, max_history
from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Floats, Ints

MAX_STATISTICAL_SERIES = 5_000
"""Of more series and targets only simple forecasts are computed."""


@dataclass(frozen=True)
class SimpleForecast:
    """A seasonal naive forecast; naive and drift are those with a season of 1."""

    name: str
    season: int
    """Steps."""
    drift: bool

    def point(self, values: Floats, offsets: Ints, *, horizon: int, ends: Ints) -> Floats:
        """`[S, H, C]`, see `seasonal_naive`."""
        return seasonal_naive(
            values, offsets, season=self.season, horizon=horizon, ends=ends, drift=self.drift
        )

    def quantiles(
        self, values: Floats, offsets: Ints, *, horizon: int, ends: Ints, levels: Sequence[float]
    ) -> Floats:
        """`[S, H, C, Q]`, see `seasonal_naive_quantiles`."""
        return seasonal_naive_quantiles(
            values,
            offsets,
            season=self.season,
            horizon=horizon,
            ends=ends,
            levels=levels,
            drift=self.drift,
        )


def simple_forecasts(season: int) -> tuple[SimpleForecast, ...]:
    """The simple forecasts of series with a season of so many steps; the usual one first."""
    naive = (SimpleForecast("naive", 1, drift=False), SimpleForecast("drift", 1, drift=True))
    if season == 1:
        return naive
    return (
        SimpleForecast("seasonal naive", season, drift=False),
        SimpleForecast("seasonal naive with drift", season, drift=True),
        *naive,
    )


def baseline_forecasts(
    values: Floats,
    offsets: Ints,
    *,
    season: int,
    horizon: int,
    ends: Ints,
    levels: Sequence[float],
) -> dict[str, tuple[Floats, Floats]]:
    """Point forecasts `[S, H, C]` and quantiles `[S, H, C, Q]` of all baselines, by name.

    Arguments are those of `seasonal_naive_quantiles`.
    """
    found = {}
    for each in simple_forecasts(season):
        point = each.point(values, offsets, horizon=horizon, ends=ends)
        quantiles = each.quantiles(values, offsets, horizon=horizon, ends=ends, levels=levels)
        found[each.name] = point, quantiles
    if len(ends) * values.shape[1] > MAX_STATISTICAL_SERIES:
        return found
    series, steps = np.arange(len(ends)), max_history(season, horizon)
    histories = [
        Histories.from_flat(column, offsets, series, ends - offsets[:-1], max_steps=steps)
        for column in values.T
    ]
    for name, method in METHODS.items():
        forecasts = [method(each, season=season, horizon=horizon) for each in histories]
        point = np.stack([each.mean for each in forecasts], -1)
        found[name] = point, np.stack([each.quantiles(levels) for each in forecasts], -2)
    return found


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
    step = np.arange(horizon)
    latest = np.where(latest >= 0, latest, last)[:, step % season]  # [S, H, C]
    forecast = values[np.maximum(latest, 0), np.arange(targets)] if len(values) else np.nan
    if drift:
        change, _ = mean_seasonal_change(values, offsets, season=season, ends=ends)  # [S, C]
        ahead = (ends[:, None] + step)[..., None] - latest
        forecast = forecast + np.nan_to_num(change)[:, None] * (ahead / season)
    return np.where(latest >= 0, forecast, np.nan)


def seasonal_naive_quantiles(
    values: Floats,
    offsets: Ints,
    *,
    season: int,
    horizon: int,
    ends: Ints,
    levels: Sequence[float],
    drift: bool = False,
) -> Floats:
    """Quantiles of a normal distribution around `seasonal_naive`, `[S, H, C, Q]`.

    Its standard deviation is the root mean square of the seasonal differences before `ends`, times
    the square root of the number of seasons ahead. Without any seasonal difference it is that of a
    random walk, from differences of one step; without these either, NaN. With `drift`, it is that
    of the differences about their mean, and includes the error of the mean.

    Source: Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 5.5.
    """
    naive = seasonal_naive(values, offsets, season=season, horizon=horizon, ends=ends, drift=drift)
    step = np.arange(horizon)
    seasons_ahead = np.broadcast_to(1.0 + step // season, (len(ends), 1, horizon))  # [S, C, H]
    variance = seasonal_moment(values, offsets, season=season, ends=ends, power=2)  # [S, C]
    random_walk = seasonal_moment(values, offsets, season=1, ends=ends, power=2)
    if drift:
        change, count = mean_seasonal_change(values, offsets, season=season, ends=ends)
        variance = np.maximum(variance - change**2, 0.0) * count / np.maximum(count - 1, 1)
        mean_error = season / np.where(count > 0, count, np.nan)  # relative to one season's change
        seasons_ahead = seasons_ahead * (1.0 + seasons_ahead * mean_error[..., None])
    horizon_variance = np.where(
        np.isnan(variance)[:, None, :],
        random_walk[:, None, :] * (1 + step)[:, None],
        variance[:, None, :] * seasons_ahead.swapaxes(1, 2),
    )  # [S, H, C]
    normal = np.array([NormalDist().inv_cdf(level) for level in levels], dtype=np.float64)
    quantiles: Floats = (
        naive[..., None] + np.sqrt(horizon_variance)[..., None] * normal
    )  # [S, H, C, Q]
    return quantiles
