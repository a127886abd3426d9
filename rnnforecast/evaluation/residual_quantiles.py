"""Conformal quantiles of the errors of point forecasts.

Split conformal prediction: if past errors and the next error are exchangeable, the next error is at
most the k-th smallest of M past errors with probability at least ``k / (M + 1)``. Rounding k
outwards (down below the median, up above it) gives every interval at least its nominal coverage. No
distribution is assumed. Source: Lei et al. 2018, "Distribution-free predictive inference for
regression", section 2.2, with separate tails as in Romano, Patterson and Candès 2019,
"Conformalized quantile regression", theorem 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rnnforecast.types import Floats


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
