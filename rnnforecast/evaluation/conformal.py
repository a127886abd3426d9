"""Quantiles put right, or made where there are none, by the errors on data not fitted to.

If past errors and the coming one are exchangeable, the k-th smallest of M errors lies above the
coming one with probability at least ``k / (M + 1)``. Taking k outwards (down below the median, up
above it) makes every interval cover at least what it says. No distribution is assumed.

Source: Lei et al. 2018, "Distribution-free predictive inference for regression", section 2.2, with
the two tails taken apart as in Romano, Patterson and Candès 2019, "Conformalized quantile
regression", theorem 2. A forecast that has quantiles, but too wide or too narrow ones, gets them
stretched, as in Kivaranovic, Johnson and Leeb 2020, "Adaptive, distribution-free prediction
intervals for deep networks", section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HALF_TRUSTED = 100
"""With so many windows apart, what they say and no change at all count alike."""


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
    return 0.5 * (_ranked(ordered, low, count) + _ranked(ordered, high, count))


def _ranked(ordered: Floats, rank: Floats, count: npt.NDArray[np.int64]) -> Floats:
    """The error of each rank (1 for the smallest), `[H, Q]`, the nearest one beyond the ends."""
    index = np.clip(rank, 1, np.maximum(count, 1)).astype(np.int64) - 1
    return np.take_along_axis(np.moveaxis(ordered, 0, -1), index, axis=-1)


def stretches(
    actual: Floats, quantiles: Floats, levels: Sequence[float], apart: int
) -> tuple[float, float]:
    """What the distances from the median, of quantiles below and above it, are to be multiplied
    with, so that as many values lie beyond them as they say: on average over the levels of a side.

    A median of several forecasts errs less than each of them, but its quantiles stay as far apart
    as theirs. One number a side, drawn towards 1 the less there is to learn it from, has little to
    overfit with.

    Args:
        actual: `[W, H]` of windows that were not trained on, NaN where unobserved.
        quantiles: `[W, H, Q]` in the same units.
        levels: the Q levels, 0.5 among them; a side without any is not stretched.
        apart: how many of the windows have futures that do not overlap; the others say little new.
    """
    level = np.asarray(levels, dtype=np.float64)
    known = ~np.isnan(actual)
    median = quantiles[known][:, level == 0.5]  # [N, 1]
    error = actual[known][:, None] - median
    trust = apart / (apart + HALF_TRUSTED)
    found = []
    for side in (level < 0.5, level > 0.5):
        distance = quantiles[known][:, side] - median
        apart = distance != 0  # no factor moves the others
        beyond = np.minimum(level, 1 - level)[side] * np.ones_like(distance)
        ratio = (np.broadcast_to(error, distance.shape)[apart]) / distance[apart]
        factor = 1.0
        if len(ratio):
            factor = float(np.quantile(ratio, 1 - beyond[apart].mean()))
        found.append(factor**trust if factor > 0 else 1.0)
    return found[0], found[1]
