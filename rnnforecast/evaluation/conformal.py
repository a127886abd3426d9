"""Quantiles for a forecast that has none: the errors it made on data it was not fitted to.

If past errors and the coming one are exchangeable, the k-th smallest of M errors lies above the
coming one with probability at least ``k / (M + 1)``. Taking k outwards (down below the median, up
above it) makes every interval cover at least what it says. No distribution is assumed.

Source: Lei et al. 2018, "Distribution-free predictive inference for regression", section 2.2, with
the two tails taken apart as in Romano, Patterson and Candès 2019, "Conformalized quantile
regression", theorem 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


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
