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

WIDTH = 128
"""Series that are filtered together, fewer are padded: matrix products of another width may round
differently."""

BLOCK = 12
"""About the steps that are filtered at once, a multiple of the season."""

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
    """Forecasts of M histories of one age by K candidates."""

    mean: Floats
    """`[K, H, M]`."""
    unit_variance: Floats
    """`[H, K]` of the error of a step, in units of the one-step variance."""
    scale: Floats
    """`[K, M]` one-step variance."""
    log_likelihood: Floats
    """`[K, M]` of the one-step errors, scale integrated out, up to a constant of each history."""


class ForecastVariances:
    """Variances of forecasts, which depend on the age of a series only, in units of the one-step
    variance; those of each age are computed once."""

    def __init__(self, models: Candidates, tables: FilterTables, horizon: int) -> None:
        self.models, self.tables, self.horizon = models, tables, horizon
        self._known: dict[int, Floats] = {}

    def prepare(self, ages: Sequence[int]) -> None:
        """Computes those of all `ages` together."""
        if missing := [age for age in ages if age not in self._known]:
            found = self._compute(np.array(missing))
            self._known |= {age: found[..., at] for at, age in enumerate(missing)}

    def __call__(self, age: int) -> Floats:
        """`[H, K]` of series with `age` values."""
        self.prepare([age])
        return self._known[age]

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


@dataclass(frozen=True)
class FilteredSeries:
    """States of K candidates after the values of W series at one age."""

    state: Floats
    """`[K, d, W]`."""
    squares: Floats
    """`[K, W]` sum of the squared one-step errors after the first, in units of their variances."""


class BlockFilter:
    """The filter of K candidates as matrix products, which take B steps at a time.

    Errors and states of B steps are a linear map of the B values and the d states before them.
    Errors are in units of their standard deviations.
    """

    def __init__(self, models: Candidates, tables: FilterTables, horizon: int) -> None:
        self.models, self.horizon = models, horizon
        self.variances = ForecastVariances(models, tables, horizon)
        steps, size, count = tables.gain.shape
        self.season = max(size - 2, 1)
        self.block = self.season * max(1, round(BLOCK / self.season))
        n_blocks = -(-steps // self.block)
        unit = np.ones((n_blocks * self.block, count))
        unit[:steps] = np.sqrt(tables.variance)
        gain = np.zeros((n_blocks * self.block, size, count))
        gain[:steps] = tables.gain
        self._map_errors, self._map_states = _block_maps(
            models, gain.reshape(n_blocks, -1, size, count), unit.reshape(n_blocks, -1, count)
        )
        self._gain = np.ascontiguousarray((gain * unit[:, None]).transpose(2, 1, 0))  # [K, d, T]
        self._powers = _level_powers(models, max(self.block, horizon))
        log_variance = np.log(tables.variance[1:]).cumsum(0)
        self._log_variance = np.concatenate([np.zeros((1, count)), log_variance])

    def run(self, values: Floats, ages: Sequence[int]) -> list[FilteredSeries]:
        """What is known of the series after so many steps.

        Args:
            values: `[T, WIDTH]`, each series from row 0 on, around zero.
            ages: increasing numbers of steps, 1 to T.
        """
        count, size, block = len(self.models), self._gain.shape[1], self.block
        given = np.zeros((count, block + size, WIDTH))
        after, errors = np.empty((count, size, WIDTH)), np.empty((count, block, WIDTH))
        squares = np.zeros((count, WIDTH))
        found: list[FilteredSeries] = []
        self.variances.prepare(ages)
        for begin in range(0, ages[-1], block):
            part = values[begin : begin + block]
            given[:, : len(part)] = part
            np.matmul(self._map_errors[begin // block], given, out=errors)
            while len(found) < len(ages) and ages[len(found)] <= begin + block:
                left = ages[len(found)] - begin
                state = self._state_inside(begin, given[:, block:], errors[:, :left])
                found.append(FilteredSeries(state, squares + _squares(errors[:, :left], begin)))
            np.matmul(self._map_states[begin // block], given, out=after)
            given[:, block:] = after
            squares += _squares(errors, begin)
        return found

    def _state_inside(self, begin: int, before: Floats, errors: Floats) -> Floats:
        """`[K, d, W]` the states after the first errors `[K, j, W]` of a block that begins after
        `begin` steps with the states `before [K, d, W]`."""
        steps = errors.shape[1]
        gain = self._gain[:, :, begin : begin + steps].copy()
        level, slope_to_level, slope = (each[:, :steps][:, ::-1] for each in self._powers)
        gain[:, 0] = level * gain[:, 0] + slope_to_level * gain[:, 1]
        gain[:, 1] *= slope
        state: Floats = np.matmul(gain, errors)
        level, slope_to_level, slope = (each[:, steps, None] for each in self._powers)
        state[:, 0] += level * before[:, 0] + slope_to_level * before[:, 1]
        state[:, 1] += slope * before[:, 1]
        state[:, 2:] += before[:, 2:]
        return state

    def forecast(self, filtered: FilteredSeries, age: int) -> CandidateForecasts:
        """Forecasts of series from their states at this age."""
        size = filtered.state.shape[1]
        ahead = np.arange(self.horizon)
        maps = np.zeros((len(self.models), self.horizon, size))
        maps[:, :, 0], maps[:, :, 1] = (each[:, 1 : self.horizon + 1] for each in self._powers[:2])
        if size > 2:
            maps[:, ahead, 2 + (age + ahead) % self.season] = 1.0
        freedom = max(age - 1, 1)
        scale = np.maximum(filtered.squares / freedom, SMALLEST)
        likelihood = -freedom / 2 * np.log(scale) - self._log_variance[age - 1][:, None] / 2
        mean = np.matmul(maps, filtered.state)
        return CandidateForecasts(mean, self.variances(age), scale, likelihood)


def _block_maps(models: Candidates, gain: Floats, unit: Floats) -> tuple[Floats, Floats]:
    """The maps of errors `[blocks, K, B, B + d]` and states `[blocks, K, d, B + d]`.

    Args:
        models: the candidates.
        gain: `[blocks, B, d, K]`.
        unit: `[blocks, B, K]` standard deviations of the errors.
    """
    n_blocks, block, size, count = gain.shape
    state = np.zeros((size, block + size, n_blocks, count))
    state[np.arange(size), block + np.arange(size)] = 1.0
    errors = np.empty((block, block + size, n_blocks, count))
    for step in range(block):
        state[1] *= models.damping
        state[0] = models.reversion * state[0] + state[1]
        expected = state[0] + state[2 + step % (size - 2)] if size > 2 else state[0]
        error = -expected
        error[step] += 1.0
        errors[step] = error / unit[:, step]
        state += gain[:, step].swapaxes(0, 1)[:, None] * error
    return tuple(  # type: ignore[return-value]
        np.ascontiguousarray(each.transpose(2, 3, 0, 1)) for each in (errors, state)
    )


def _level_powers(models: Candidates, steps: int) -> tuple[Floats, Floats, Floats]:
    """What the level is of level and slope 0 to `steps` steps before, and the slope of the slope,
    `[K, steps + 1]` each."""
    level, slope_to_level, slope = (np.zeros((len(models), steps + 1)) for _ in range(3))
    level[:, 0] = slope[:, 0] = 1.0
    for step in range(steps):
        slope[:, step + 1] = models.damping * slope[:, step]
        level[:, step + 1] = models.reversion * level[:, step]
        slope_to_level[:, step + 1] = (
            models.reversion * slope_to_level[:, step] + slope[:, step + 1]
        )
    return level, slope_to_level, slope


def _squares(errors: Floats, begin: int) -> Floats:
    """`[K, W]` sums of the squares of the errors `[K, B, W]` from step `begin` on; the first error
    of a series does not count."""
    scored = errors if begin else errors[:, 1:]
    return np.asarray(np.einsum("kbw,kbw->kw", scored, scored))


def _move_pair(covariance: Floats, damping: Floats, reversion: Floats) -> Floats:
    """Covariance `[2, 2, ...]` of level and slope one step later, without noise."""
    ((level, both), (_, slope)) = covariance
    slope = damping * damping * slope
    both = reversion * damping * both + slope
    level = reversion * reversion * level + 2 * reversion * damping * covariance[0, 1] + slope
    return np.array([[level, both], [both, slope]])
