"""Grid of a frequency: the period of each row, the phase of each series, and rows off the grid.

The phase is the offset of timestamps inside their period, such as 30 minutes past the hour.
Vectorized; loops only over chunks of series.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnforecast.data.time.frequency import DAY, Frequency, month_numbers, month_start, to_ticks
from rnnforecast.types import Bools, Ints, Timestamps

CHUNK_ROWS = 1 << 20
"""Rows that are processed at once."""


@dataclass(frozen=True)
class Grid:
    """Periods and phases of R sorted rows of S series."""

    ordinals: Ints  # [R] the number of the period
    phase: Ints  # [S] 0 for a series without rows
    on_grid: Bools  # [R] False where a row does not have the phase of its series


def fit_grid(frequency: Frequency, time: Timestamps, offsets: Ints) -> Grid:
    """The grid, with the most frequent phase of each series.

    `time` [R] is sorted within each series; `offsets` [S + 1] are the rows where series begin.
    """
    ordinals = np.empty(len(time), dtype=np.int64)
    low = np.zeros(len(offsets) - 1, dtype=np.int64)
    high = low.copy()
    # in chunks, since temporary arrays take several times the memory of the result
    for first, stop in series_chunks(offsets):
        rows = slice(offsets[first], offsets[stop])
        part = offsets[first : stop + 1] - offsets[first]
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
        # The last day of a month may be a clipped 29th to 31st: its phase is not certain.
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
    """Ranges of series with at most `CHUNK_ROWS` rows each, or one longer series."""
    edges = [0]
    while edges[-1] < len(offsets) - 1:
        wanted = offsets[edges[-1]] + CHUNK_ROWS
        edges.append(max(edges[-1] + 1, int(np.searchsorted(offsets, wanted, "right")) - 1))
    return list(itertools.pairwise(edges))


def mode_per_group(groups: Ints, values: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """The groups, the most frequent value of each (of ties the smallest), its count, and the sizes.

    `groups` [R] and `values` [R] are in any order; the results are [number of groups], by group.
    """
    if len(groups) == 0:
        none = np.empty(0, dtype=np.int64)
        return none, none, none, none
    levels = np.unique(values)
    size = int(groups.max()) + 1
    key = groups * len(levels) + np.searchsorted(levels, values)
    if size * len(levels) <= 4 * len(key):  # a small table of counts, without sorting
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
    """[S, ...] `ufunc` reduced over the rows [R, ...] of each series; `fill_value` without rows."""
    filled = offsets[1:] > offsets[:-1]
    result = np.full((len(filled), *values.shape[1:]), fill_value, dtype=values.dtype)
    if filled.any():
        result[filled] = ufunc.reduceat(values, offsets[:-1][filled], axis=0)
    return result


def one_step_mask(grid: Grid) -> Bools:
    """[R - 1] whether the next row is exactly one step later; meaningless between two series."""
    return np.asarray((np.diff(grid.ordinals) == 1) & grid.on_grid[1:] & grid.on_grid[:-1])


def _month_end_mask(time: Timestamps) -> Bools:
    return np.asarray(month_start(month_numbers(time) + 1) - to_ticks(time) <= DAY)
