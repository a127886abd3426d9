"""Quantiles put right, or made where there are none, by the errors on data not fitted to.

Made: if past errors and the coming one are exchangeable, the k-th smallest of M errors lies above
the coming one with probability at least ``k / (M + 1)``. Taking k outwards (down below the median,
up above it) makes every interval cover at least what it says. No distribution is assumed. Source:
Lei et al. 2018, "Distribution-free predictive inference for regression", section 2.2, with the two
tails taken apart as in Romano, Patterson and Candès 2019, "Conformalized quantile regression",
theorem 2.

Put right: intervals that a forecast has of its own are multiplied with a factor, so that they would
have covered what they say. Nothing is promised of the coming ones. Source: Kivaranovic, Johnson and
Leeb 2020, "Adaptive, distribution-free prediction intervals for deep networks"; here with one
factor a side for all levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnforecast.types import Floats

SHRINKAGE_WINDOWS = 100
"""With so many windows apart, what they say and no change at all count alike."""

MAX_INTERVAL_SCALING = 2.0
"""Intervals are made at most so many times as wide, or as narrow."""


def residual_quantiles(errors: Floats, levels: Sequence[float]) -> Floats:
    """What to add to a point forecast to get its quantiles; never crossing.

    A level too far out for the number of errors (``q < 1 / (M + 1)`` or above ``M / (M + 1)``) gets
    the smallest or largest error; its coverage is then that of M errors, not the one asked for.

    Args:
        errors: `[M, H]` actual less forecast of M origins at each step of the horizon, NaN where
            unobserved; further axes are kept.
        levels: the Q levels, between 0 and 1.

    Returns:
        `[H, Q]` in the units of `errors`; NaN for a step without any error.
    """
    ordered = np.sort(errors, axis=0)  # NaN last
    count = (~np.isnan(errors)).sum(axis=0)[..., None]  # [H, 1]
    level = np.asarray(levels, dtype=np.float64)
    rank = np.round((count + 1) * level, 9)  # [H, Q]; rounded, since 100 * 0.29 is below 29
    inner, outer = np.floor(rank), np.ceil(rank)
    low = np.where(level > 0.5, outer, inner)
    high = np.where(level < 0.5, inner, outer)  # differs from `low` at the median only
    return 0.5 * (_value_at_rank(ordered, low, count) + _value_at_rank(ordered, high, count))


def _value_at_rank(ordered: Floats, rank: Floats, count: npt.NDArray[np.int64]) -> Floats:
    """The error of each rank (1 for the smallest), `[H, Q]`, the nearest one beyond the ends."""
    index = np.clip(rank, 1, np.maximum(count, 1)).astype(np.int64) - 1
    return np.take_along_axis(np.moveaxis(ordered, 0, -1), index, axis=-1)


@dataclass(frozen=True)
class IntervalScaling:
    """What the distances from the median are multiplied with, of the quantiles on either side."""

    below: float = 1.0
    above: float = 1.0

    def apply(self, quantiles: Floats, levels: Sequence[float]) -> Floats:
        """`quantiles [..., Q]` at the Q `levels`, 0.5 among them, wider or narrower."""
        if self == IDENTITY_SCALING:
            return quantiles  # to the last bit
        level = np.asarray(levels)
        factor = np.where(level < 0.5, self.below, np.where(level > 0.5, self.above, 1.0))
        median = quantiles[..., list(levels).index(0.5), None]
        return np.asarray(median + factor * (quantiles - median))


IDENTITY_SCALING = IntervalScaling()


def fit_interval_scaling(
    actual: Floats, quantiles: Floats, levels: Sequence[float], independent_windows: int
) -> IntervalScaling:
    """What it takes for as many values to lie beyond the quantiles as they say: on average over the
    levels of a side.

    A median of several forecasts errs less than each of them, but its quantiles stay as far apart
    as theirs. One number a side, drawn towards 1 the less there is to learn it from, has little to
    overfit with. Windows of several series count as if their errors had nothing in common.

    Args:
        actual: `[W, H]` of windows that were not trained on, NaN where unobserved.
        quantiles: `[W, H, Q]` in the same units.
        levels: the Q levels, 0.5 among them; a side without any stays as it is.
        apart: how many of the windows have futures that do not overlap; the others say little new.
    """
    level = np.asarray(levels, dtype=np.float64)
    known = ~np.isnan(actual) & np.isfinite(quantiles).all(-1)
    median = quantiles[known][:, level == 0.5]  # [N, 1]
    error = actual[known][:, None] - median
    trust = independent_windows / (independent_windows + SHRINKAGE_WINDOWS)

    def factor(side: npt.NDArray[np.bool_]) -> float:
        distance = quantiles[known][:, side] - median
        wide = distance != 0  # no factor moves the others
        if not wide.any():
            return 1.0
        beyond = np.broadcast_to(np.minimum(level, 1 - level)[side], distance.shape)[wide].mean()
        with np.errstate(over="ignore"):
            ratio = np.broadcast_to(error, distance.shape)[wide] / distance[wide]
        found = np.quantile(ratio, 1 - beyond, method="higher")
        return float(np.clip(found, 1 / MAX_INTERVAL_SCALING, MAX_INTERVAL_SCALING) ** trust)

    return IntervalScaling(factor(level < 0.5), factor(level > 0.5))
