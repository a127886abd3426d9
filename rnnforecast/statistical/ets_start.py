"""Where exponential smoothing starts from: first levels and slopes, and seasons too long for it."""

from __future__ import annotations

import numpy as np

from rnnforecast.statistical.seasonal_adjustment import by_step, seasonal_averages, sum_steps
from rnnforecast.types import Bools, Floats, Ints

LONGEST_SEASON = 24
"""Steps of the longest season that is estimated with a model, as in AutoETS of statsforecast."""


def remove_long_season(values: Floats, start: Ints, season: int) -> tuple[Floats, Floats]:
    """Histories without a season of more than `LONGEST_SEASON` steps, and its components.

    Components are those of an additive decomposition, shrunk by the part of their variance that is
    noise: few cycles make a long season uncertain, and a test would take all of it or nothing.

    Args:
        values: `[T, M]` right-aligned.
        start: `[M]` first row of each history.
        season: steps a season, m.

    Returns:
        `[T, M]`, and `[m, M]` by time modulo m counted from the origin, `[1, M]` of zeros for a
        shorter season.
    """
    if season <= LONGEST_SEASON:
        return values, np.zeros((1, len(start)))
    component, noise = seasonal_averages(values, start, season, multiplicative=False)
    size = sum_steps(component**2) / season
    component = component * np.maximum(0.0, 1 - noise / np.where(size > 0, size, 1.0))
    inside = np.arange(len(values))[:, None] >= start
    return values - np.where(inside, by_step(component, len(values)), 0.0), component


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
