"""Size of the grid of sorted rows: its steps, and how many are plausible."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.grid import reduce_per_series
from rnnforecast.types import Bools, Floats, Ints

MAX_STEPS_PER_ROW = 100
"""More steps per row than this are taken as the result of a wrong year."""
MIN_SPARSE_STEPS = 10_000
"""Grids of up to this many steps are accepted however empty they are."""
MIN_LARGE_STEPS, MAX_STEPS_PER_ROW_IF_LARGE = 20_000_000, 10
"""A grid of more steps than the first may have only so many more per row."""


def sparse_series_mask(rows: SortedRows, ordinals: Ints) -> Bools:
    """[S] whether a series' grid is so empty that a timestamp is likely wrong."""
    return np.asarray(steps_per_series(rows, ordinals) > most_steps(np.diff(rows.offsets)))


def steps_per_series(rows: SortedRows, ordinals: Ints) -> Floats:
    """[S] steps from each series' first row to its last; 0 for a series without rows.

    They are floats, since whole numbers far apart would overflow.
    """
    first = reduce_per_series(np.minimum, ordinals, rows.offsets, 0)
    last = reduce_per_series(np.maximum, ordinals, rows.offsets, -1)
    return np.asarray(last.astype(np.float64) - first + 1)


def most_steps(n_rows: Ints) -> Ints:
    """The largest numbers of steps of grids with so many rows: large ones must be fuller, since
    their size is bounded by the memory."""
    large = MIN_LARGE_STEPS + MAX_STEPS_PER_ROW_IF_LARGE * n_rows
    return np.maximum(np.minimum(MAX_STEPS_PER_ROW * n_rows, large), MIN_SPARSE_STEPS)
