"""Size of the values of each item, for the sampling of windows and the weights of the loss."""

from __future__ import annotations

import numpy as np

from rnnforecast.types import Bools, Floats, Ints

MIN_RELATIVE_SIZE = 0.01
"""Items smaller than this share of the mean are sampled as if they had it, so that small ones are
sampled too."""


def mean_absolute_values(values: Floats, target_mask: Bools, offsets: Ints, ends: Ints) -> Floats:
    """`[S, C]` mean absolute value before step `ends [S]` of each series; 0 where there is none.

    `values [N, C]` in units of the forecasts, `target_mask [N, C]` those that are trained on,
    `offsets [S + 1]`.
    """
    step = np.arange(len(values)) - np.repeat(offsets[:-1], np.diff(offsets))
    used = target_mask & (step < np.repeat(ends, np.diff(offsets)))[:, None]
    absolute = np.where(used, np.abs(np.nan_to_num(values)), 0.0)
    total = np.add.reduceat(absolute, offsets[:-1])
    count = np.add.reduceat(used.astype(np.float64), offsets[:-1])
    return np.asarray(total / np.maximum(count, 1.0))


def relative_sizes(sizes: Floats, *, joint: bool) -> Floats:
    """Sizes `[S, C]` with mean 1 over those that are not 0; all 1 where all of them are 0.

    With `joint`, where the targets of a series are one item, each target has its own mean, since
    targets may differ in their units.
    """
    axis = 0 if joint else None
    count = np.maximum((sizes > 0).sum(axis, keepdims=True), 1)
    mean = sizes.sum(axis, keepdims=True) / count
    return np.where(mean > 0, sizes / np.where(mean > 0, mean, 1.0), 1.0)


def sampling_weights(kind: str, root_length: Floats, sizes: Floats) -> Floats:
    """Unnormalized sampling probability of each item `[items]`.

    Args:
        kind: ``length``, ``uniform``, or ``scale``: by the square root of the size, between uniform
            sampling and sampling in proportion to size (Salinas et al. 2020, arXiv:1704.04110),
            where large series would be nearly all windows.
        root_length: `[items]` square root of the observed length, the weight of ``length``.
        sizes: `[items]` relative mean size.
    """
    weights = {
        "length": root_length,
        "uniform": np.ones_like(root_length),
        "scale": np.sqrt(np.maximum(sizes, MIN_RELATIVE_SIZE)),
    }
    return np.where(root_length > 0, weights[kind], 0.0)
