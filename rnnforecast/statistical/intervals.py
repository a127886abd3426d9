"""Width of prediction intervals from rolling-origin errors, shrunk towards what the model says.

A history's own errors say little about their size when there are few of them: the factor by which
its intervals widen is an average of the observed sizes and of the expected one, which counts as
`PRIOR_WINDOWS` horizons.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.types import Floats

PRIOR_WINDOWS = 3.0
"""Horizons of errors that the expected size counts as."""
EXPECTED_SIZE = 0.8
"""Mean absolute value of a standard normal variable, cut at `LARGEST_SIZE`."""
LARGEST_SIZE = 3.0
"""Sizes of errors are cut here, in standard deviations: one outlier does not widen all."""
SIGMA_LEVELS = (0.15865525, 0.5, 0.84134475)
"""One standard deviation below the median, the median, and one above it."""


def interval_factor(errors: Floats, deviations: Floats) -> Floats:
    """`[M]` factors of the distances between quantiles and median.

    Args:
        errors: `[R, M, H]` of forecasts at R earlier origins; NaN without an actual value.
        deviations: `[R, M, H]` standard deviations that were forecast for them.
    """
    known = ~np.isnan(errors) & (deviations > 0)
    sizes = np.where(known, np.abs(errors), 0.0) / np.where(known, deviations, 1.0)
    total = sum_of_errors(np.minimum(sizes, LARGEST_SIZE)) / errors.shape[2]
    windows = known.sum((0, 2)) / errors.shape[2]
    return np.asarray(
        (PRIOR_WINDOWS + total / EXPECTED_SIZE) / (PRIOR_WINDOWS + windows), np.float64
    )


def sum_of_errors(errors: Floats) -> Floats:
    """`[M]` sums of errors `[R, M, H]`, in an order that does not depend on the other histories:
    NumPy's depends on the layout in memory, and on M."""
    by_origin = np.ascontiguousarray(errors).sum(2)
    return np.asarray(np.add.accumulate(by_origin, axis=0)[-1])
