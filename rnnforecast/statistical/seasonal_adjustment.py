"""Seasonal adjustment of histories by classical decomposition, shrunk or after a test.

Letters: T steps, M histories, m steps of a season, H horizon steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnforecast.statistical.histories import Histories, StatisticalForecast
from rnnforecast.types import Bools, Floats, Ints

SEASONAL_TEST_QUANTILE = 1.6448536269514722
"""Standard normal, 95 %: a two-sided test at 90 %."""
SEASON_WEIGHT = 0.8
"""Weight of a season in the average, relative to the next one."""
PRIOR_NOISE, PRIOR_FREEDOM = 0.2, 0.25
"""Share of noise in the variance of seasonal components before any is measured, and what that
counts, in degrees of freedom per step of the season."""
LEAST_FACTOR = 0.01
"""A season with a smaller factor is additive."""


@dataclass(frozen=True)
class SeasonalAdjustment:
    """Seasonally adjusted histories and the seasonal components taken out of them."""

    values: Floats
    """`[T, M]` adjusted; 0 before the start of a history."""
    component: Floats
    """`[m, M]` by time modulo m counted from the origin: factors where multiplicative, else
    differences; 1 or 0 for a history without a season."""
    multiplicative: Bools
    """`[M]`"""

    def restore(self, adjusted: StatisticalForecast) -> StatisticalForecast:
        """The forecast with its seasonal components put back."""
        horizon = adjusted.mean.shape[1]
        component = self.component[np.arange(horizon) % len(self.component)].T  # [M, H]
        factor = np.where(self.multiplicative[:, None], component, 1.0)
        shift = np.where(self.multiplicative[:, None], 0.0, component)
        return StatisticalForecast(adjusted.mean * factor + shift, adjusted.variance * factor**2)


def seasonally_adjust(
    histories: Histories, season: int, *, tested: bool = False
) -> SeasonalAdjustment:
    """Histories without their season, where they have two seasons of values or more.

    Positive values are divided by factors, others (and those with a factor under `LEAST_FACTOR`)
    have differences subtracted. Late seasons weigh more than early ones, and the components are
    shrunk by the share of noise in their variance.

    Args:
        histories: M histories.
        season: steps, m; 1 for none.
        tested: plain averages instead, where a test finds a season, and no components elsewhere:
            section 2.1 of Fiorucci et al. (2016), as in statsforecast.
    """
    values, start = histories.values, histories.start
    steps, count = values.shape
    component, multiplicative = np.zeros((season, count)), np.zeros(count, dtype=bool)
    seasonal = np.flatnonzero(histories.lengths >= 2 * season) if season > 1 else np.zeros(0, int)
    if tested:
        seasonal = seasonal[_has_season(values[:, seasonal], start[seasonal], season)]
    if not len(seasonal):
        return SeasonalAdjustment(values, component, multiplicative)
    chosen, begin = values[:, seasonal], start[seasonal]
    inside = np.arange(steps)[:, None] >= begin
    positive = np.where(inside, chosen > 0, True).all(0)
    average = _plain_components if tested else _shrunk_components
    factors = average(np.where(inside & positive, chosen, 1.0), begin, season, multiplicative=True)
    by_factor = positive & (factors >= LEAST_FACTOR).all(0)
    differences = average(chosen, begin, season, multiplicative=False)
    component[:, seasonal] = np.where(by_factor, factors, differences)
    multiplicative[seasonal] = by_factor
    taken = by_step(component[:, seasonal], steps)
    adjusted = np.where(by_factor, chosen / np.where(by_factor, taken, 1.0), chosen - taken)
    result = values.copy()
    result[:, seasonal] = np.where(inside, adjusted, 0.0)
    return SeasonalAdjustment(result, component, multiplicative)


def _plain_components(values: Floats, start: Ints, season: int, *, multiplicative: bool) -> Floats:
    return seasonal_averages(values, start, season, multiplicative=multiplicative)[0]


def _shrunk_components(values: Floats, start: Ints, season: int, *, multiplicative: bool) -> Floats:
    """Weighted averages, shrunk towards none by the share of noise in their variance."""
    component, noise, freedom = _weighted_averages(
        values, start, season, multiplicative=multiplicative, decay=SEASON_WEIGHT
    )
    neutral = 1.0 if multiplicative else 0.0
    power = sum_steps((component - neutral) ** 2) / season
    prior = PRIOR_FREEDOM * season
    noise = (noise * freedom + PRIOR_NOISE * power * prior) / (freedom + prior)
    share = np.maximum(1 - noise / np.where(power > 0, power, 1.0), 0.0)
    shrunk: Floats = neutral + (component - neutral) * share
    return shrunk


def seasonal_averages(
    values: Floats, start: Ints, season: int, *, multiplicative: bool
) -> tuple[Floats, Floats]:
    """Seasonal components by classical decomposition, and the noise of each.

    The trend is a centered moving average over one season; the component is the mean of what is
    left, by season, shifted (scaled) to a mean of 0 (1).

    Args:
        values: `[T, M]` right-aligned; positive from `start` on if `multiplicative`.
        start: `[M]` first row of each history, with two seasons or more.
        season: steps a season, m.
        multiplicative: ratios to the trend instead of differences.

    Returns:
        `[m, M]` components by time modulo m counted from the origin, and `[M]` the variance of a
        component by the noise around it; components are 0 (1) for a history under two seasons.
    """
    return _weighted_averages(values, start, season, multiplicative=multiplicative, decay=1.0)[:2]


def _weighted_averages(
    values: Floats, start: Ints, season: int, *, multiplicative: bool, decay: float
) -> tuple[Floats, Floats, Floats]:
    """As `seasonal_averages`, each season with the weight `decay` relative to the next one; and
    the degrees of freedom of the noise `[M]`."""
    steps, count = values.shape
    rest, valid = _without_trend(values, start, season, multiplicative=multiplicative)
    neutral = 1.0 if multiplicative else 0.0
    component, spread = np.empty((season, count)), np.zeros(count)
    freedom, mean_variance = np.zeros(count), np.zeros(count)  # in units of the noise's variance
    ages = np.cumprod(np.append(1.0, np.full(len(rest) // season, decay)))[::-1, None]
    for place in range(season):
        rows = slice((place + steps - season // 2) % season, None, season)
        seen = valid[rows]
        weight = np.where(seen, ages[len(ages) - len(seen) :], 0.0)
        squares = sum_steps(weight**2)
        total = np.where(squares > 0, sum_steps(weight), 1.0)
        mean = sum_steps(weight * rest[rows]) / total
        component[place] = np.where(squares > 0, mean, neutral)
        spread += sum_steps(weight * (rest[rows] - mean) ** 2)
        freedom += np.maximum(total - squares / total, 0.0) * (squares > 0)
        mean_variance += squares / total**2 / season
    mean = sum_steps(component) / season
    component = component / mean if multiplicative else component - mean
    noise = spread / np.where(freedom > 0, freedom, 1.0) * mean_variance
    known = steps - start >= 2 * season
    return np.where(known, component, neutral), np.where(known, noise, 0.0), freedom


def _without_trend(
    values: Floats, start: Ints, season: int, *, multiplicative: bool
) -> tuple[Floats, Bools]:
    """Values relative to a centered moving average over one season, from row m // 2 to as many
    rows before the last; 0 where the average lacks values, and whether it has all."""
    steps, count = values.shape
    half = season // 2
    trend = np.zeros((max(steps - 2 * half, 0), count))
    weights = np.ones(2 * half + 1)
    if season % 2 == 0:
        weights[[0, -1]] = 0.5
    for lag, weight in enumerate(weights):
        trend += weight * values[lag : lag + len(trend)]
    trend /= season
    inner = values[half : half + len(trend)]
    valid = np.arange(len(trend))[:, None] >= start
    with np.errstate(all="ignore"):
        rest = inner / trend if multiplicative else inner - trend
    return np.where(valid, rest, 0.0), valid


def by_step(component: Floats, steps: int) -> Floats:
    """`[steps, M]` seasonal components of the last `steps` rows, from `[m, M]`."""
    return component[(np.arange(steps) - steps) % len(component)]


def sum_steps(values: Floats) -> Floats:
    """Sum over the first axis, row after row, so that it does not depend on the other columns.

    `np.sum` adds a single column in another order than one of several.
    """
    if not len(values):
        return np.zeros(values.shape[1:])
    total: Floats = np.cumsum(values, axis=0)[-1]
    return total


def _has_season(values: Floats, start: Ints, season: int) -> Bools:
    """`[M]` whether the autocorrelation at the season is significant at 90 %, given those before.

    Args:
        values: `[T, M]` right-aligned.
        start: `[M]`
        season: steps, m.
    """
    steps, count = values.shape
    length = steps - start
    inside = np.arange(steps)[:, None] >= start
    centered = np.where(inside, values - sum_steps(values) / np.maximum(length, 1), 0.0)
    scale = np.abs(centered).max(axis=0, initial=0.0)
    centered = centered / np.where(scale > 0, scale, 1.0)
    power = sum_steps(centered**2)
    earlier = np.zeros(count)
    for lag in range(1, season):
        earlier += sum_steps(centered[lag:] * centered[:-lag]) ** 2
    at_season = sum_steps(centered[season:] * centered[:-season])
    deviation = np.sqrt((power**2 + 2 * earlier) / np.maximum(length, 1))
    found: Bools = np.abs(at_season) > SEASONAL_TEST_QUANTILE * deviation
    return found
