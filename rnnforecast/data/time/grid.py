"""The grid of a frequency: period and phase of each row of sorted series, and rows off the grid.

Nothing here loops over rows or series.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnforecast.data.time.frequency import (
    DAY,
    Frequency,
    month_numbers,
    month_start,
    to_ticks,
)
from rnnforecast.types import Bools, Ints, Timestamps

CHUNK_ROWS = 1 << 20


@dataclass(frozen=True)
class Grid:
    """The position of R sorted rows of S series on the grid of a frequency."""

    ordinals: Ints  # [R]
    phase: Ints  # [S], 0 for a series without rows
    on_grid: Bools  # [R], False where a row is not on the grid of its series


def fit_grid(frequency: Frequency, time: Timestamps, offsets: Ints) -> Grid:
    """The grid in which each series has the phase of most of its rows.

    `time` [R] sorted within each series, `offsets` [S + 1] where each series begins.
    """
    ordinals = np.empty(len(time), dtype=np.int64)
    low = np.zeros(len(offsets) - 1, dtype=np.int64)
    high = low.copy()
    for first, stop in series_chunks(offsets):  # intermediate arrays are several times as large
        rows, part = (
            slice(offsets[first], offsets[stop]),
            offsets[first : stop + 1] - offsets[first],
        )
        ordinals[rows] = frequency.ordinals(time[rows])
        phases = frequency.phase(time[rows], ordinals[rows])
        low[first:stop] = reduce_per_series(np.minimum, phases, part, 0)
        high[first:stop] = reduce_per_series(np.maximum, phases, part, 0)
    uneven = low != high
    if not uneven.any():
        return Grid(ordinals, low, np.ones(len(time), dtype=np.bool_))
    phases = frequency.phase(time, ordinals)
    series = np.repeat(np.arange(len(low)), np.diff(offsets))  # [R]
    uncertain = uneven[series]  # [R]
    if frequency.kind == "month" and frequency.anchor != "end":
        # The last day of a month may be a clipped 31st: its day of the month is not certain.
        clipped = uncertain & _month_end_mask(time)
        certain = uncertain & ~clipped
    else:
        certain = uncertain
    phase = np.where(uneven, high, low)
    groups, modes, _, _ = mode_per_group(series[certain], phases[certain])
    phase[groups] = modes
    on = np.ones(len(time), dtype=np.bool_)
    on[uncertain] = (
        frequency.timestamps(ordinals[uncertain], phase[series[uncertain]]) == time[uncertain]
    )
    return Grid(ordinals, phase, on)


def series_chunks(offsets: Ints) -> list[tuple[int, int]]:
    """Ranges of series with about `CHUNK_ROWS` rows each."""
    edges = [0]
    while edges[-1] < len(offsets) - 1:
        wanted = offsets[edges[-1]] + CHUNK_ROWS
        edges.append(max(edges[-1] + 1, int(np.searchsorted(offsets, wanted, "right")) - 1))
    return list(itertools.pairwise(edges))


def mode_per_group(groups: Ints, values: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """The groups, their modes (the smallest of equals), the counts of these, and the group sizes.

    `groups` [R] and `values` [R] in any order; the results are [number of groups], ascending.
    """
    if len(groups) == 0:
        none = np.empty(0, dtype=np.int64)
        return none, none, none, none
    levels = np.unique(values)
    size = int(groups.max()) + 1
    key = groups * len(levels) + np.searchsorted(levels, values)
    if size * len(levels) <= 4 * len(key):  # a table of all counts is small and needs no sort
        table = np.bincount(key, minlength=size * len(levels)).reshape(size, len(levels))
        total = table.sum(axis=1)
        present = np.flatnonzero(total)
        top = table.argmax(axis=1)[present]
        return present, levels[top], table[present, top], total[present]
    key.sort()
    runs = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    counts = np.diff(np.r_[runs, len(key)])
    group, level = np.divmod(key[runs], len(levels))
    heads = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    most = np.maximum.reduceat(counts, heads)
    best = np.flatnonzero(counts == np.repeat(most, np.diff(np.r_[heads, len(group)])))
    _, first = np.unique(group[best], return_index=True)
    chosen = best[first]
    return group[heads], levels[level[chosen]], most, np.add.reduceat(counts, heads)


def reduce_per_series(
    ufunc: np.ufunc, values: npt.NDArray[Any], offsets: Ints, fill_value: Any
) -> Any:
    """`ufunc` over each series of a flat array [R, ...] -> [S, ...]; `fill_value` without a row."""
    filled = offsets[1:] > offsets[:-1]
    result = np.full((len(filled), *values.shape[1:]), fill_value, dtype=values.dtype)
    if filled.any():
        result[filled] = ufunc.reduceat(values, offsets[:-1][filled], axis=0)
    return result


def one_step_mask(grid: Grid) -> Bools:
    """[R - 1] whether the next row is exactly one step later; undefined between series."""
    return np.asarray((np.diff(grid.ordinals) == 1) & grid.on_grid[1:] & grid.on_grid[:-1])


def _month_end_mask(time: Timestamps) -> Bools:
    return np.asarray(month_start(month_numbers(time) + 1) - to_ticks(time) <= DAY)
