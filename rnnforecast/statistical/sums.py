"""Sums whose rounding does not depend on which other series are computed beside."""

from __future__ import annotations

import numpy as np

from rnnforecast.types import Floats


def sum_rows(values: Floats) -> Floats:
    """The sum over the first axis, one row after the other: `[N, ...]` → `[...]`.

    NumPy reduces the first axis of a contiguous array row by row, but for one with a single column,
    whose values it adds in pairs.
    """
    if not values.size:
        return np.zeros(values.shape[1:])
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    if flat.shape[1] == 1:
        total = np.add.accumulate(flat, axis=0)[-1]
    else:
        total = np.add.reduce(flat, axis=0)
    return np.asarray(total.reshape(values.shape[1:]))
