"""Naive and seasonal naive forecasts, with and without drift, and seasonal means.

Arrays of flat panels: S series, N rows, M histories (a series may have several that end at
different rows), H horizon steps, C targets.
Source: Hyndman and Athanasopoulos, "Forecasting: Principles and Practice", 3rd ed., 5.2 and 5.5.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.statistical.histories import Histories, StatisticalForecast
from rnnforecast.statistical.seasonal_changes import (
    check_ends,
    mean_before,
    mean_seasonal_change,
    seasonal_moment,
)
from rnnforecast.types import Floats, Ints

MEAN_SEASONS = 3
"""Seasons that a seasonal mean is of."""


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
    values: Floats,
    offsets: Ints,
    *,
    season: int,
    horizon: int,
    ends: Ints,
    series: Ints | None = None,
    drift: bool = False,
) -> Floats:
    """The last season before `ends`, repeated over the horizon, `[M, H, C]`.

    Each phase has its last observed value; a phase that was never observed has the last observed
    value of the series. NaN only if nothing was observed.

    Args:
        values: `[N, C]` flat, NaN where missing.
        offsets: `[S+1]` the flat row of the start of each series, and N.
        season: steps; 1 repeats the last value.
        horizon: steps.
        ends: `[M]` the flat row after each history: the first row to forecast.
        series: `[M]` the series of each history; by default one of each series.
        drift: add the mean seasonal change of the history for each season ahead.
    """
    check_ends(offsets, ends, series)
    step = np.arange(horizon)
    latest = _latest_rows(values, offsets, season, ends[:, None] - season + step % season, series)
    if season > 1:
        last = _latest_rows(values, offsets, 1, ends[:, None] - 1, series)  # [M, 1, C]
        latest = np.where(latest >= 0, latest, last)
    forecast = values[np.maximum(latest, 0), np.arange(values.shape[1])] if len(values) else np.nan
    if drift:
        change, _ = mean_seasonal_change(values, offsets, season=season, ends=ends, series=series)
        ahead = (ends[:, None] + step)[..., None] - latest
        forecast = forecast + np.nan_to_num(change)[:, None] * (ahead / season)
    return np.where(latest >= 0, forecast, np.nan)


def _latest_rows(
    values: Floats, offsets: Ints, season: int, rows: Ints, series: Ints | None
) -> Ints:
    """The last observed ones of `rows [M, H]` and the rows a number of whole seasons before them,
    `[M, H, C]`; -1 if there is none in the series."""
    begin = (offsets[:-1] if series is None else offsets[series])[:, None]
    if not len(values):
        return np.full((*rows.shape, values.shape[1]), -1)
    # Each series fills whole rows of a matrix with the season as its width: time runs along columns
    lengths = np.diff(offsets)
    seasons = -(-lengths // season)
    first = season * (np.cumsum(seasons) - seasons)  # [S] place of the start of each series
    place = np.arange(len(values)) + np.repeat(first - offsets[:-1], lengths)
    latest = np.full((season * int(seasons.sum()), values.shape[1]), -1, dtype=np.int64)
    latest[place] = np.where(np.isnan(values), -1, np.arange(len(values))[:, None])
    latest = np.maximum.accumulate(latest.reshape(-1, season, values.shape[1]), axis=0).reshape(
        latest.shape
    )
    first = (first if series is None else first[series])[:, None]
    found = latest[np.clip(first + rows - begin, 0, len(latest) - 1)]
    return np.where((rows >= begin)[..., None] & (found >= begin[..., None]), found, -1)


def seasonal_naive_variance(
    values: Floats,
    offsets: Ints,
    *,
    season: int,
    horizon: int,
    ends: Ints,
    series: Ints | None = None,
    drift: bool = False,
) -> Floats:
    """Variance of the errors of `seasonal_naive`, `[M, H, C]`.

    It is the mean square of the seasonal differences before `ends`, times the number of seasons
    ahead. Without any seasonal difference it is that of a random walk, from differences of one
    step; without these either, NaN. With `drift`, it is that of the differences about their mean,
    and includes the error of the mean. Arguments as for `seasonal_naive`.
    """
    step = np.arange(horizon)
    seasons_ahead = np.broadcast_to(1.0 + step // season, (len(ends), 1, horizon))  # [M, C, H]

    def moment(season: int) -> Floats:
        """`[M, C]`"""
        return seasonal_moment(values, offsets, season=season, ends=ends, power=2, series=series)

    variance, random_walk = moment(season), moment(1)
    if drift:
        change, count = mean_seasonal_change(
            values, offsets, season=season, ends=ends, series=series
        )
        variance = np.maximum(variance - change**2, 0.0) * count / np.maximum(count - 1, 1)
        mean_error = season / np.where(count > 0, count, np.nan)  # relative to one season's change
        seasons_ahead = seasons_ahead * (1.0 + seasons_ahead * mean_error[..., None])
    return np.where(
        np.isnan(variance)[:, None, :],
        random_walk[:, None, :] * (1 + step)[:, None],
        variance[:, None, :] * seasons_ahead.swapaxes(1, 2),
    )


def seasonal_mean(
    values: Floats,
    offsets: Ints,
    *,
    season: int,
    horizon: int,
    ends: Ints,
    series: Ints | None = None,
    seasons: int = MEAN_SEASONS,
) -> Floats:
    """The mean of each phase over the last seasons before `ends`, `[M, H, C]`.

    It is SeasonalWindowAverage of statsforecast, of observed values only; a phase without any in
    these seasons has its seasonal naive forecast. Arguments as for `seasonal_naive`, and the number
    of seasons.
    """
    check_ends(offsets, ends, series)
    naive = seasonal_naive(
        values, offsets, season=season, horizon=horizon, ends=ends, series=series
    )
    begin = (offsets[:-1] if series is None else offsets[series])[:, None]
    phase = np.arange(horizon) % season
    total, count = np.zeros(naive.shape), np.zeros(naive.shape)
    for back in range(1, seasons + 1 if len(values) else 0):
        rows = ends[:, None] - back * season + phase  # [M, H]
        past = np.where((rows >= begin)[..., None], values[np.maximum(rows, 0)], np.nan)
        known = ~np.isnan(past)
        total += np.where(known, past, 0.0)
        count += known
    return np.where(count > 0, total / np.maximum(count, 1), naive)


def seasonal_mean_variance(
    values: Floats,
    offsets: Ints,
    *,
    season: int,
    horizon: int,
    ends: Ints,
    series: Ints | None = None,
    seasons: int = MEAN_SEASONS,
) -> Floats:
    """Variance of the errors of `seasonal_mean`, `[M, H, C]`.

    It is the mean square of the errors of the same method at the values before `ends`, as far as
    their phase has `seasons` earlier values; without any, that of the seasonal naive forecast.
    """
    step = np.arange(len(values)) - np.repeat(offsets[:-1], np.diff(offsets))
    error = values.astype(np.float64)
    for back in range(1, seasons + 1):
        shift = min(back * season, len(values))
        error[shift:] -= values[: len(values) - shift] / seasons
    error[step < seasons * season] = np.nan
    variance, _ = mean_before(error**2, offsets, series=series, ends=ends)
    naive = seasonal_naive_variance(
        values, offsets, season=season, horizon=horizon, ends=ends, series=series
    )
    return np.where(np.isnan(variance)[:, None], naive, variance[:, None])
