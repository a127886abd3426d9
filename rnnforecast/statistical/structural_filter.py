"""Kalman filter of many structural models (level, damped slope, season) over many series.

West & Harrison (1997), "Bayesian Forecasting and Dynamic Models", 2nd ed., ch. 4 (filter, unknown
variance); Harvey (1989), "Forecasting, Structural Time Series
Models and the Kalman Filter", 2.3. All candidates have proper prior variances of slope and season,
so that few values shrink both towards zero.

The Kalman gains of a candidate depend on the age of a series only, not on its values: they are
computed once, and the filter of M series is a linear recursion over time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnforecast.types import Floats, Ints

DIFFUSE = 1e5
"""Prior variance of the first level, in units of the one-step variance."""

MEAN_VARIANCE = 100.0
"""Prior variance of the level of candidates that return to a mean, in the same units."""

SMALLEST = 1e-300
"""Least variance of one-step errors: that of equal values is zero."""


@dataclass(frozen=True)
class Candidates:
    """K structural models; variances in units of the one-step variance. Arrays `[K]` each."""

    alpha: Floats
    """Smoothing parameter of the level: its noise has variance alpha², an observation 1 - alpha,
    so that alpha is the steady gain and 1 the steady one-step variance."""
    slope_noise: Floats
    """Standard deviation of the noise of the slope, relative to that of the level."""
    damping: Floats
    """Share of the slope that is left after a step; 0: no slope."""
    slope_variance: Floats
    """Prior variance of the slope."""
    reversion: Floats
    """Share of the level that is left after a step; below 1 the level returns to a mean."""
    seasonal_variance: Floats
    """Prior variance of a seasonal effect; 0: no season."""
    seasonal_noise: Floats
    """Variance of the noise of a seasonal effect."""

    def __len__(self) -> int:
        return len(self.alpha)


def candidates(
    alphas: Sequence[float],
    trends: Sequence[tuple[float, float, float, float]],
    seasons: Sequence[tuple[float, float]],
) -> Candidates:
    """All combinations of smoothing parameters, trends (slope noise, damping, slope variance,
    reversion) and seasons (variance, noise); the last varies fastest."""
    rows = [(alpha, *trend, *season) for alpha in alphas for trend in trends for season in seasons]
    return Candidates(*np.array(rows, float).T)


@dataclass(frozen=True)
class FilterTables:
    """What the Kalman filter of K candidates needs at each age; T steps, d = 2 + season states
    (level, slope, seasonal effect of each position after the first step)."""

    gain: Floats
    """`[T, d, K]`."""
    variance: Floats
    """`[T, K]` of the one-step error."""
    level_covariance: Floats
    """`[T + 1, 2, 2, K]` of level and slope after so many steps."""
    cross_covariance: Floats
    """`[T + 1, 2, season, K]` of level and slope with the seasonal effects."""
    seasonal_variance: Floats
    """`[T + 1, season, K]`."""


def filter_tables(models: Candidates, steps: int, season: int) -> FilterTables:
    """The Kalman recursions, which do not depend on values; `season` 1 has no seasonal states."""
    positions = season if season > 1 else 0
    size, count = 2 + positions, len(models)
    centered = (np.eye(positions) - 1 / season)[..., None] * season / max(season - 1, 1)
    level = models.alpha**2 / np.maximum(1 - models.reversion**2, 1e-9) + MEAN_VARIANCE
    covariance = np.zeros((size, size, count))
    covariance[0, 0] = np.where(models.reversion < 1, level, DIFFUSE)
    covariance[1, 1] = models.slope_variance
    covariance[2:, 2:] = models.seasonal_variance * centered
    tables = FilterTables(
        np.zeros((steps, size, count)),
        np.zeros((steps, count)),
        np.zeros((steps + 1, 2, 2, count)),
        np.zeros((steps + 1, 2, positions, count)),
        np.zeros((steps + 1, positions, count)),
    )
    for step in range(steps + 1):
        tables.level_covariance[step] = covariance[:2, :2]
        tables.cross_covariance[step] = covariance[:2, 2:]
        tables.seasonal_variance[step] = np.einsum("iik->ik", covariance[2:, 2:])
        if step == steps:
            break
        if step:
            covariance = _advance(covariance, models)
            covariance[2:, 2:] += models.seasonal_noise * centered
        shared = covariance[:, 0].copy()  # covariance of the states with the observation
        if positions:
            shared += covariance[:, 2 + step % season]
        total = shared[0] + 1 - models.alpha
        if positions:
            total += shared[2 + step % season]
        tables.variance[step], tables.gain[step] = total, shared / total
        covariance = covariance - tables.gain[step][:, None] * shared
    return tables


def _advance(covariance: Floats, models: Candidates) -> Floats:
    """Covariance `[d, d, K]` of the states one step later, without the noise of the season."""
    moved = covariance.copy()
    moved[1] = models.damping * covariance[1]
    moved[0] = models.reversion * covariance[0] + moved[1]
    result = moved.copy()
    result[:, 1] = models.damping * moved[:, 1]
    result[:, 0] = models.reversion * moved[:, 0] + result[:, 1]
    result[0, 0] += models.alpha**2
    result[1, 1] += (models.alpha * models.slope_noise) ** 2
    return result


@dataclass(frozen=True)
class CandidateForecasts:
    """Forecasts of M histories by K candidates."""

    mean: Floats
    """`[H, K, M]`."""
    variance: Floats
    """`[H, K, M]` of the error of a step."""
    log_likelihood: Floats
    """`[K, M]` of the one-step errors, scale integrated out, up to a constant of each history."""

    def __len__(self) -> int:
        return len(self.log_likelihood)


class ForecastVariances:
    """Variances of forecasts, which depend on the age of a series only, in units of the one-step
    variance; those of each age are computed once."""

    def __init__(self, models: Candidates, tables: FilterTables, horizon: int) -> None:
        self.models, self.tables, self.horizon = models, tables, horizon
        self._known: dict[int, Floats] = {}

    def __call__(self, ages: Ints) -> Floats:
        """`[H, K, M]` of series with values at `ages [M]` steps."""
        distinct, position = np.unique(ages, return_inverse=True)
        missing = [int(age) for age in distinct if int(age) not in self._known]
        if missing:
            found = self._compute(np.array(missing))
            self._known |= {age: found[..., at] for at, age in enumerate(missing)}
        return np.stack([self._known[int(age)] for age in distinct], -1)[..., position]

    def _compute(self, ages: Ints) -> Floats:
        """`[H, K, U]` of U ages."""
        models, tables = self.models, self.tables
        season = tables.seasonal_variance.shape[1]
        damping, reversion = models.damping[:, None], models.reversion[:, None]
        covariance = tables.level_covariance[ages].transpose(1, 2, 3, 0)  # [2, 2, K, U]
        level_noise, slope_noise = models.alpha**2, (models.alpha * models.slope_noise) ** 2
        variance = np.empty((self.horizon, len(models), len(ages)))
        # what a level later is of level and slope now
        of_level, of_slope, slope = np.ones_like(damping), np.zeros_like(damping), damping
        for step in range(self.horizon):
            covariance = _move_pair(covariance, damping, reversion)
            covariance[0, 0] += level_noise[:, None]
            covariance[1, 1] += slope_noise[:, None]
            variance[step] = covariance[0, 0] + (1 - models.alpha)[:, None]
            of_level, of_slope, slope = (
                reversion * of_level,
                reversion * of_slope + slope,
                damping * slope,
            )
            if season:
                position = (ages + step) % season
                level, change = tables.cross_covariance[ages, :, position].transpose(1, 2, 0)
                seasonal = tables.seasonal_variance[ages, position].T
                seasonal = seasonal + (step + 1) * models.seasonal_noise[:, None]
                variance[step] += 2 * (of_level * level + of_slope * change) + seasonal
        return variance


def filter_series(
    values: Floats, ends: Ints, tables: FilterTables, variances: ForecastVariances
) -> CandidateForecasts:
    """Forecasts by each candidate at R origins of M series, origin by origin: R x M histories.

    Args:
        values: `[T, M]`, each series from row 0 on, around zero.
        ends: `[R, M]` values before each origin, 1 to T.
        tables: for at least T steps.
        variances: of the same candidates.
    """
    size, count = tables.gain.shape[1:]
    origins, series = ends.shape
    models = variances.models
    season = max(size - 2, 1)
    damping, reversion = models.damping[:, None], models.reversion[:, None]
    state, squares = np.zeros((size, count, series)), np.zeros((count, series))
    states, sums = np.zeros((size, count, origins, series)), np.zeros((count, origins, series))
    change = np.empty_like(state)
    for step in range(int(ends.max(initial=0))):
        if step:
            state[1] *= damping
            state[0] *= reversion
            state[0] += state[1]
        expected = state[0] + state[2 + step % season] if size > 2 else state[0]
        error = values[step] - expected
        if step:
            squares += error * error / tables.variance[step][:, None]
        state += np.multiply(tables.gain[step][:, :, None], error, out=change)
        origin, column = np.nonzero(ends == step + 1)
        if len(column):
            states[:, :, origin, column] = state[:, :, column]
            sums[:, origin, column] = squares[:, column]
    ages = ends.ravel()
    mean = _predict(states.reshape(size, count, -1), ages, models, variances.horizon)
    log_variance = np.zeros((len(tables.variance), count))
    log_variance[1:] = np.log(tables.variance[1:]).cumsum(0)
    freedom = np.maximum(ages - 1, 1)
    scale = np.maximum(sums.reshape(count, -1) / freedom, SMALLEST)
    likelihood = -freedom / 2 * np.log(scale) - log_variance[ages - 1].T / 2
    variance = variances(ages)
    variance *= scale
    return CandidateForecasts(mean, variance, likelihood)


def _predict(state: Floats, ages: Ints, models: Candidates, horizon: int) -> Floats:
    """Means `[H, K, M]` of the next steps from the states `[d, K, M]` at the ages `[M]`."""
    size, count, series = state.shape
    season = size - 2
    damping, reversion = models.damping[:, None], models.reversion[:, None]
    level, slope = state[0], state[1]
    mean = np.empty((horizon, count, series))
    for step in range(horizon):
        slope = damping * slope
        level = reversion * level + slope
        mean[step] = level
    if season:
        for first in np.unique(ages % season):
            ahead = 2 + (first + np.arange(horizon)) % season
            if (ages % season == first).all():
                mean += state[ahead]
            else:
                column = np.flatnonzero(ages % season == first)
                mean[:, :, column] += state[:, :, column][ahead]
    return mean


def _move_pair(covariance: Floats, damping: Floats, reversion: Floats) -> Floats:
    """Covariance `[2, 2, ...]` of level and slope one step later, without noise."""
    ((level, both), (_, slope)) = covariance
    slope = damping * damping * slope
    both = reversion * damping * both + slope
    level = reversion * reversion * level + 2 * reversion * damping * covariance[0, 1] + slope
    return np.array([[level, both], [both, slope]])
