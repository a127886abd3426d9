"""Cubic Hermite interpolation across each gap, with slopes from the observations up to its end.

The slope at the end of the gap is that of the straight line across it, so that nothing beyond the
next observation is used. The slope at its start is the weighted harmonic mean of the slopes on both
sides (Fritsch and Butland 1984, the rule of PCHIP).
"""

from __future__ import annotations

import numpy as np

from rnnforecast.data.cleaning.imputation import ImputerOptions
from rnnforecast.data.cleaning.observations import ObservationIndex
from rnnforecast.types import Floats

TRAITS = ("looks_ahead",)


def fill(index: ObservationIndex, options: ImputerOptions) -> Floats:
    """`[N, C]` values of missing cells; ignored elsewhere."""
    before, after = index.gap_edges()
    width, t = index.gap_position(np.arange(len(index.values), dtype=np.float64))
    # the second-last observation before the gap
    known, previous = np.zeros_like(index.observed_so_far), np.zeros_like(index.last_observed)
    known[1:], previous[1:] = index.observed_so_far[:-1], index.last_observed[:-1]
    second = np.take_along_axis(previous, index.last_observed, axis=0)
    known = np.take_along_axis(known, index.last_observed, axis=0)
    known &= second >= index.series_start[:, None]
    earlier = np.take_along_axis(index.values, second, axis=0)
    # in units of the largest of the three: differences of huge values overflow
    unit = np.maximum(np.maximum(np.abs(before), np.abs(after)), np.abs(earlier))
    unit = np.where(unit > 0, unit, 1.0)
    across = (after / unit - before / unit) / width
    gap = np.where(known, index.last_observed - second, 1)
    into = (before / unit - earlier / unit) / gap
    same_sign = into * across > 0  # otherwise the slope is 0: the curve turns there
    w, v = 2 * width + gap, width + 2 * gap
    with np.errstate(over="ignore"):  # an overflow gives a slope of 0
        mean = (w + v) / (w / np.where(same_sign, into, 1.0) + v / np.where(same_sign, across, 1.0))
    slope = np.where(known, np.where(same_sign, mean, 0.0), across)
    left, right = (1 + 2 * t) * (1 - t) ** 2, t**2 * (3 - 2 * t)
    bend = t * (1 - t) ** 2 * slope + t**2 * (t - 1) * across
    return left * before + right * after + bend * width * unit
