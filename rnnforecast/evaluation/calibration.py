"""Conformal quantiles of point forecasts, and the scaling of prediction intervals.

Split conformal prediction: if past errors and the next error are exchangeable, the next error is at
most the k-th smallest of M past errors with probability at least ``k / (M + 1)``. Rounding k
outwards (down below the median, up above it) gives every interval at least its nominal coverage. No
distribution is assumed. Source: Lei et al. 2018, "Distribution-free predictive inference for
regression", section 2.2, with separate tails as in Romano, Patterson and Candès 2019,
"Conformalized quantile regression", theorem 2.

Interval scaling: the distances of the quantiles from the median are multiplied by a factor with
which they would have had their nominal coverage on validation windows. Source: Kivaranovic, Johnson
and Leeb 2020, "Adaptive, distribution-free prediction intervals for deep networks"; here with one
factor below and one above the median, for all levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnforecast.types import Floats

SHRINKAGE_WINDOWS = 100
"""With this number of independent windows the estimated factor is shrunk halfway to 1."""

MAX_INTERVAL_SCALING = 2.0
"""The largest factor; the smallest is its inverse."""


def residual_quantiles(errors: Floats, levels: Sequence[float]) -> Floats:
    """Quantiles of the errors of a point forecast, to be added to it; they do not cross.

    A level too extreme for the number of errors (``q < 1 / (M + 1)`` or ``q > M / (M + 1)``) gets
    the smallest or largest error; its coverage may then be below the nominal one.

    Args:
        errors: `[M, H]` actual minus forecast of M origins at each step of the horizon, NaN where
            unobserved.
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
    """The error of each rank `[H, Q]`, 1 for the smallest; ranks are clipped to 1 … `count`."""
    index = np.clip(rank, 1, np.maximum(count, 1)).astype(np.int64) - 1
    return np.take_along_axis(np.moveaxis(ordered, 0, -1), index, axis=-1)


@dataclass(frozen=True)
class IntervalScaling:
    """Factors of the distances of quantiles from the median, below and above it."""

    below: float = 1.0
    above: float = 1.0

    def apply(self, quantiles: Floats, levels: Sequence[float]) -> Floats:
        """The scaled `quantiles [..., Q]` at the Q `levels`, which include 0.5."""
        if self == IDENTITY_SCALING:
            return quantiles  # without rounding errors
        level = np.asarray(levels)
        factor = np.where(level < 0.5, self.below, np.where(level > 0.5, self.above, 1.0))
        median = quantiles[..., list(levels).index(0.5), None]
        return np.asarray(median + factor * (quantiles - median))


IDENTITY_SCALING = IntervalScaling()


def fit_interval_scaling(
    actual: Floats, quantiles: Floats, levels: Sequence[float], independent_windows: int
) -> IntervalScaling:
    """The factors below and above the median with which the quantiles have their nominal coverage,
    averaged over the levels of that side.

    The median of several forecasts has smaller errors than each of them, but its intervals are as
    wide as theirs. One factor per side, shrunk towards 1 with few windows, hardly overfits. Errors
    of different series are treated as independent.

    Args:
        actual: `[W, H]` values of windows that were not trained on, NaN where unobserved.
        quantiles: `[W, H, Q]` in the same units.
        levels: the Q levels, which include 0.5; a side without levels has the factor 1.
        independent_windows: the number of windows whose horizons do not overlap.
    """
    level = np.asarray(levels, dtype=np.float64)
    known = ~np.isnan(actual) & np.isfinite(quantiles).all(-1)
    median = quantiles[known][:, level == 0.5]  # [N, 1]
    error = actual[known][:, None] - median
    shrinkage = independent_windows / (independent_windows + SHRINKAGE_WINDOWS)

    def factor(side: npt.NDArray[np.bool_]) -> float:
        distance = quantiles[known][:, side] - median
        nonzero = distance != 0  # scaling has no effect on the others
        if not nonzero.any():
            return 1.0
        tail = np.broadcast_to(np.minimum(level, 1 - level)[side], distance.shape)[nonzero].mean()
        with np.errstate(over="ignore"):
            ratio = np.broadcast_to(error, distance.shape)[nonzero] / distance[nonzero]
        estimate = np.quantile(ratio, 1 - tail, method="higher")
        return float(np.clip(estimate, 1 / MAX_INTERVAL_SCALING, MAX_INTERVAL_SCALING) ** shrinkage)

    return IntervalScaling(factor(level < 0.5), factor(level > 0.5))
