"""Seasonal adjustment of histories by classical decomposition, after a test for a season.

Letters: T steps, M histories, m steps of a season, H horizon steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnforecast.statistical.histories import Histories, StatisticalForecast
from rnnforecast.types import Bools, Floats, Ints

SEASONAL_TEST_QUANTILE = 1.6448536269514722
"""Standard normal, 95 %: a two-sided test at 90 %."""
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


def seasonally_adjust(histories: Histories, season: int) -> SeasonalAdjustment:
    """Histories without their season, where a test finds one in two seasons of values or more.

    Positive values are divided by factors, others (and those with a factor under `LEAST_FACTOR`)
    have differences subtracted.

    Args:
        histories: M histories.
        season: steps, m; 1 for none.

    Source: Fiorucci et al. (2016), section 2.1: the test and the decomposition of the theta method.
    """
    values, start = histories.values, histories.start
    steps, count = values.shape
    component, multiplicative = np.zeros((season, count)), np.zeros(count, dtype=bool)
    seasonal = np.flatnonzero(histories.lengths >= 2 * season) if season > 1 else np.zeros(0, int)
    seasonal = seasonal[_has_season(values[:, seasonal], start[seasonal], season)]
    if not len(seasonal):
        return SeasonalAdjustment(values, component, multiplicative)
    chosen, begin = values[:, seasonal], start[seasonal]
    differences, _ = seasonal_averages(chosen, begin, season, multiplicative=False)
    inside = np.arange(steps)[:, None] >= begin
    positive = np.where(inside, chosen > 0, True).all(0)
    factors, _ = seasonal_averages(
        np.where(inside & ~positive, 1.0, chosen), begin, season, multiplicative=True
    )
    by_factor = positive & (factors >= LEAST_FACTOR).all(0)
    component[:, seasonal] = np.where(by_factor, factors, differences)
    multiplicative[seasonal] = by_factor
    taken = by_step(component[:, seasonal], steps)
    with np.errstate(over="ignore"):
        adjusted = np.where(by_factor, chosen / np.where(by_factor, taken, 1.0), chosen - taken)
    result = values.copy()
    result[:, seasonal] = np.where(inside, adjusted, 0.0)
    return SeasonalAdjustment(result, component, multiplicative)


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
    steps, count = values.shape
    half = season // 2
    trend = np.zeros((max(steps - 2 * half, 0), count))  # of rows half .. T - half - 1
    weights = np.ones(2 * half + 1)
    if season % 2 == 0:
        weights[[0, -1]] = 0.5
    for lag, weight in enumerate(weights):
        trend += weight * values[lag : lag + len(trend)]
    trend /= season
    inner = values[half : half + len(trend)]
    row = np.arange(half, half + len(trend))[:, None]
    valid = row >= start + half
    with np.errstate(all="ignore"):
        rest = inner / trend if multiplicative else inner - trend
    rest = np.where(valid, rest, 0.0)
    neutral = 1.0 if multiplicative else 0.0
    component, spread = np.empty((season, count)), np.zeros(count)
    number = np.zeros(count)
    for place in range(season):
        rows = slice((place + steps - half) % season, None, season)
        seen = valid[rows].sum(0)
        mean = sum_steps(rest[rows]) / np.maximum(seen, 1)
        component[place] = np.where(seen > 0, mean, neutral)
        spread += sum_steps(valid[rows] * (rest[rows] - mean) ** 2)
        number += np.maximum(seen - 1, 0)
    mean = sum_steps(component) / season
    component = component / mean if multiplicative else component - mean
    noise = spread / np.maximum(number, 1) * season / np.maximum(valid.sum(0), 1)
    known = steps - start >= 2 * season
    return np.where(known, component, neutral), np.where(known, noise, 0.0)


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
