"""Baselines, to which every forecast is compared: naive and seasonal naive, with and without drift,
theta and exponential smoothing.

Arrays: S series, N flat rows, H horizon steps, C targets, Q quantiles, all in original units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from rnnforecast.statistical.combination import METHODS, max_history
from rnnforecast.statistical.histories import Histories
from rnnforecast.statistical.naive import seasonal_naive, seasonal_naive_variance
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
    series: Ints,
    origins: Ints,
    *,
    season: int,
    horizon: int,
    levels: Sequence[float],
    statistical_season: int,
) -> dict[str, tuple[Floats, Floats]]:
    """Point forecasts `[M, H, C]` and quantiles `[M, H, C, Q]` of all baselines, by name.

    Args:
        series, origins: `[M]` the series and the first forecast step of each window.
        statistical_season: of theta and exponential smoothing, which need no proof of a season.
    """
    order = np.argsort(series, kind="stable")
    first = np.r_[True, series[order][1:] != series[order][:-1]]
    begin = np.maximum.accumulate(np.where(first, np.arange(len(series)), 0))
    number = np.empty_like(series)
    number[order] = np.arange(len(series)) - begin
    found: dict[str, tuple[Floats, Floats]] = {}
    for each in np.unique(number):
        rows = np.flatnonzero(number == each)
        ends = offsets[:-1].copy()
        ends[series[rows]] += origins[rows]
        forecasts = _forecasts_by_series(
            values,
            offsets,
            season=season,
            horizon=horizon,
            ends=ends,
            levels=levels,
            statistical_season=statistical_season,
        )
        for name, parts in forecasts.items():
            if name not in found:
                found[name] = (
                    np.full((len(series), *parts[0].shape[1:]), np.nan),
                    np.full((len(series), *parts[1].shape[1:]), np.nan),
                )
            for whole, part in zip(found[name], parts, strict=True):
                whole[rows] = part[series[rows]]
    return found


def _forecasts_by_series(
    values: Floats,
    offsets: Ints,
    *,
    season: int,
    horizon: int,
    ends: Ints,
    levels: Sequence[float],
    statistical_season: int,
) -> dict[str, tuple[Floats, Floats]]:
    """Point forecasts `[S, H, C]` and quantiles `[S, H, C, Q]` from one origin a series."""
    found = {}
    for each in simple_forecasts(season):
        point = each.point(values, offsets, horizon=horizon, ends=ends)
        quantiles = each.quantiles(values, offsets, horizon=horizon, ends=ends, levels=levels)
        found[each.name] = point, quantiles
    if len(ends) * values.shape[1] > MAX_STATISTICAL_SERIES:
        return found
    series, steps = np.arange(len(ends)), max_history(statistical_season, horizon)
    histories = [
        Histories.from_flat(column, offsets, series, ends - offsets[:-1], max_steps=steps)
        for column in values.T
    ]
    for name, method in METHODS.items():
        forecasts = [method(each, season=statistical_season, horizon=horizon) for each in histories]
        point = np.stack([each.mean for each in forecasts], -1)
        found[name] = point, np.stack([each.quantiles(levels) for each in forecasts], -2)
    return found


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
    """Quantiles of a normal distribution around `seasonal_naive`, `[S, H, C, Q]`, with the variance
    of `seasonal_naive_variance`."""
    naive = seasonal_naive(values, offsets, season=season, horizon=horizon, ends=ends, drift=drift)
    variance = seasonal_naive_variance(
        values, offsets, season=season, horizon=horizon, ends=ends, drift=drift
    )
    normal = np.array([NormalDist().inv_cdf(level) for level in levels], dtype=np.float64)
    quantiles: Floats = naive[..., None] + np.sqrt(variance)[..., None] * normal  # [S, H, C, Q]
    return quantiles
