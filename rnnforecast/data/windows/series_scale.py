"""Mean absolute value of each item, for the sampling of windows and the weights of the loss."""

from __future__ import annotations

import numpy as np

from rnnforecast.types import Bools, Floats, Ints

MIN_RELATIVE_SIZE = 0.01
"""Items whose relative size is smaller are sampled as if they had this size."""


def mean_absolute_values(values: Floats, target_mask: Bools, offsets: Ints, ends: Ints) -> Floats:
    """`[S, C]` mean absolute value before step `ends [S]` of each series; 0 without any value.

    `values [N, C]` in original units; values outside `target_mask [N, C]` are ignored;
    `offsets [S + 1]`.
    """
    step = np.arange(len(values)) - np.repeat(offsets[:-1], np.diff(offsets))
    used = target_mask & (step < np.repeat(ends, np.diff(offsets)))[:, None]
    absolute = np.where(used, np.abs(np.nan_to_num(values)), 0.0)
    total = np.add.reduceat(absolute, offsets[:-1])
    count = np.add.reduceat(used.astype(np.float64), offsets[:-1])
    return np.asarray(total / np.maximum(count, 1.0))


def relative_sizes(sizes: Floats, *, joint: bool) -> Floats:
    """`sizes [S, C]` divided by the mean of those above 0; all 1 if all are 0.

    With `joint`, where all targets of a series are one item, each target has its own mean, since
    targets may differ in their units.
    """
    axis = 0 if joint else None
    count = np.maximum((sizes > 0).sum(axis, keepdims=True), 1)
    mean = sizes.sum(axis, keepdims=True) / count
    return np.where(mean > 0, sizes / np.where(mean > 0, mean, 1.0), 1.0)


def sampling_weights(method: str, root_length: Floats, sizes: Floats) -> Floats:
    """Unnormalized sampling probability of each item `[items]`.

    Args:
        method: ``length``, ``uniform``, or ``scale``: the square root of the size, a compromise
            between uniform sampling and sampling in proportion to size (Salinas et al. 2020,
            arXiv:1704.04110), where nearly all windows would be of large series.
        root_length: `[items]` square root of the observed length, the weight of ``length``; items
            with 0 are never sampled.
        sizes: `[items]` relative sizes.
    """
    weights = {
        "length": root_length,
        "uniform": np.ones_like(root_length),
        "scale": np.sqrt(np.maximum(sizes, MIN_RELATIVE_SIZE)),
    }
    return np.where(root_length > 0, weights[method], 0.0)
