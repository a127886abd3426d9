"""The most frequent earlier value of the series; of equally frequent values, the first to be so."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.cleaning.imputation import ImputerOptions
from rnnforecast.data.cleaning.observations import ObservationIndex, latest_marked
from rnnforecast.types import Floats

TRAITS = ()


def fill(index: ObservationIndex, options: ImputerOptions) -> Floats:
    """`[N, C]` values of missing cells; ignored elsewhere."""
    rows, start = np.arange(len(index.series_start), dtype=np.int64), index.series_start
    result = np.zeros_like(index.values)
    for c in range(index.values.shape[1]):
        values, observed = index.values[:, c], index.observed_mask[:, c]
        order = np.lexsort((rows, values, ~observed, start))
        same = np.r_[False, (np.diff(values[order]) == 0) & (np.diff(start[order]) == 0)]
        same[1:] &= observed[order][1:] == observed[order][:-1]
        first = np.maximum.accumulate(np.where(same, 0, rows))
        count = np.empty_like(rows)  # occurrences of the row's own value up to the row
        count[order] = rows - first + 1
        count[~observed] = 0
        # an offset that grows from series to series keeps the running maximum within each
        base = start * 2
        highest = np.maximum.accumulate(count + base)
        is_new_mode = observed & (count + base > np.maximum(np.r_[-1, highest[:-1]], base))
        _, last = latest_marked(is_new_mode[:, None], start)
        result[:, c] = values[last[:, 0]]
    return result
