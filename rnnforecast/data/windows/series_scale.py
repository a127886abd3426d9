"""How large the values of each item are, and what follows for sampling and for the loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnforecast.types import Floats, Ints

MIN_RELATIVE_SIZE = 0.01
"""Items smaller than this share of the mean are sampled as if they were so large: small ones are
drawn seldom, but they are drawn."""


def mean_absolute_values(
    values: Floats, target_mask: NDArray[np.bool_], offsets: Ints, ends: Ints
) -> Floats:
    """`[S, C]` mean absolute value before step `ends [S]` of each series; 0 where there is none.

    `values [N, C]` in the units of the forecasts, `counted [N, C]` those that are learnt from,
    `offsets [S + 1]`.
    """
    step = np.arange(len(values)) - np.repeat(offsets[:-1], np.diff(offsets))
    used = target_mask & (step < np.repeat(ends, np.diff(offsets)))[:, None]
    size = np.where(used, np.abs(np.nan_to_num(values)), 0.0)
    total = np.add.reduceat(size, offsets[:-1])
    count = np.add.reduceat(used.astype(np.float64), offsets[:-1])
    return np.asarray(total / np.maximum(count, 1.0))


def relative_sizes(sizes: Floats, *, joint: bool) -> Floats:
    """Sizes `[S, C]` with mean 1 over those that are not 0; all 1 where all of them are 0.

    With `joint`, where the targets of a series are one item, each target is measured by its own
    mean, as targets may differ in their units.
    """
    axis = 0 if joint else None
    some = np.maximum((sizes > 0).sum(axis, keepdims=True), 1)
    mean = sizes.sum(axis, keepdims=True) / some
    return np.where(mean > 0, sizes / np.where(mean > 0, mean, 1.0), 1.0)


def sampling_weights(kind: str, root_length: Floats, sizes: Floats) -> Floats:
    """How often each item `[items]` is drawn.

    `length` is the root of the observed length (what it is for `kind` length too), `sizes` the
    relative mean size `[items]`. `scale`: by the root of the size, between drawing all alike and
    drawing in proportion to it (Salinas et al. 2020, arXiv:1704.04110), where large series would
    be nearly all that is seen.
    """
    if kind == "length":
        return root_length
    found = (
        np.ones_like(root_length)
        if kind == "uniform"
        else np.sqrt(np.maximum(sizes, MIN_RELATIVE_SIZE))
    )
    return np.where(root_length > 0, found, 0.0)
