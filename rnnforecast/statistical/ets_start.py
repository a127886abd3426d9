"""Classical decomposition of right-aligned histories: where exponential smoothing starts from."""

from __future__ import annotations

import numpy as np

from rnnforecast.types import Bools, Floats, Ints


def sum_steps(values: Floats) -> Floats:
    """Sum over the first axis, row by row, so that it does not depend on the other columns."""
    total = np.zeros(values.shape[1:])
    for row in values:
        total += row
    return total


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


def starting_level(values: Floats, start: Ints, first: int) -> tuple[Floats, Floats, Floats]:
    """Mean, and level before the first value and slope of a line, of the `first` first values.

    Args:
        values: `[T, M]` right-aligned.
        start: `[M]` first row of each history.
        first: number of values, fewer in a shorter history.

    Returns:
        `[M]` each; the slope is 0 for a single value, and all are 0 without a value.
    """
    steps, count = values.shape
    used = np.clip(steps - start, 0, first)
    total, moment = np.zeros(count), np.zeros(count)
    for ago in range(min(first, steps)):
        inside = ago < used
        value = np.where(inside, values[np.minimum(start + ago, steps - 1), np.arange(count)], 0.0)
        total += value
        moment += (ago + 1) * value
    number = np.maximum(used, 1)
    mean, middle = total / number, (number + 1) / 2
    slope = (moment - middle * total) / np.maximum(number * (number**2 - 1) / 12, 1.0)
    slope = np.where(used > 1, slope, 0.0)
    return mean, mean - slope * middle, slope


def positive(values: Floats, start: Ints, *, least: float) -> Bools:
    """`[M]` histories whose values from `start` on are all at least `least`."""
    row = np.arange(len(values))[:, None]
    return np.asarray(((row < start) | (values >= least)).all(0))
