"""The latest observed value at the same phase of an earlier season; without one, the last value."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.cleaning.imputation import ImputerOptions
from rnnforecast.data.cleaning.observations import ObservationIndex, latest_marked
from rnnforecast.types import Floats

TRAITS = ()


def fill(index: ObservationIndex, options: ImputerOptions) -> Floats:
    """`[N, C]` values of missing cells; ignored elsewhere."""
    season, start = options.season, index.series_start
    step = np.arange(len(start)) - start
    # rows of one series and phase next to each other, in order of time
    order = np.lexsort((step, step % season, start))
    is_first = np.r_[True, np.diff(start[order] * season + step[order] % season) != 0]
    first = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
    found, last = latest_marked(index.observed_mask[order], first)
    values = np.take_along_axis(index.values[order], last, axis=0)
    result = np.empty_like(index.values)
    result[order] = np.where(found, values, index.forward_filled[order])
    return result
