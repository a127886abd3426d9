"""Where a panel has values: a map of series by time, the gaps, and how far behind series end.

All results are bounded in size, however many series and steps there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnforecast.data.panel.panel import Panel
from rnnforecast.types import Bools, Floats, Ints

MAX_ROWS, MAX_COLUMNS = 40, 160
"""The most rows (series, or groups of them) and columns (stretches of time) of the map."""


@dataclass(frozen=True)
class Coverage:
    """Of all the steps that the series of a row could have in a stretch of time, the share that
    is observed, filled and missing; the rest is where they do not run. G rows, T stretches."""

    observed_share: Floats
    """[G, T] steps with a value."""
    filled_share: Floats
    """[G, T] steps without one that a fill stands in for."""
    missing_share: Floats
    """[G, T] steps that stay without one."""
    series_counts: Ints
    """[G] series in each row, in the order in which they begin."""
    row_labels: tuple[str, ...]
    """[G] the label of the first of them."""
    edges: npt.NDArray[np.generic]
    """[T + 1] the stamps where the stretches begin, and the end."""


@dataclass(frozen=True)
class GapStatistics:
    """Runs of steps without a value, each target counted by itself."""

    counts_by_length: dict[str, int]
    """How many there are by length, in doubling steps: "1 step", "2-3 steps", …"""
    longest_steps: int
    """Steps; 0 if there is no gap."""
    longest_series: str
    """The series with the longest gap, the first of equals."""
    longest_start: np.generic | None
    """The stamp of that gap's first step."""


def panel_ordinals(panel: Panel) -> Ints:
    """[N] the place of each step on the calendar that all series share."""
    if panel.irregular_timestamps is not None:  # steps of irregular series are rows, not periods
        return panel.frequency.ordinals(panel.irregular_timestamps)
    return np.arange(len(panel.targets)) - np.repeat(
        panel.offsets[:-1] - panel.start, panel.lengths
    )


def compute_coverage(panel: Panel, value_mask: Bools) -> Coverage:
    """The map of a panel with at least one step; `visible` [N, C] is False where no value stands
    after the fill."""
    place = panel_ordinals(panel)
    first, stop = int(place.min()), int(place.max()) + 1
    columns, groups = min(MAX_COLUMNS, stop - first), min(MAX_ROWS, panel.n_series)
    order = np.argsort(
        panel.start if panel.irregular_timestamps is None else place[panel.offsets[:-1]],
        kind="stable",
    )
    group = np.empty(panel.n_series, dtype=np.int64)
    group[order] = np.arange(panel.n_series) * groups // panel.n_series
    cell = np.repeat(group, panel.lengths) * columns + (place - first) * columns // (stop - first)
    size = groups * columns
    edges = first + -(-np.arange(columns + 1) * (stop - first) // columns)
    sizes = np.bincount(group, minlength=groups)
    running = np.bincount(cell, minlength=size).reshape(groups, columns)
    possible = np.maximum(sizes[:, None] * np.diff(edges), running)
    if panel.irregular_timestamps is not None:  # between two rows nothing is missing
        possible = np.maximum(running, 1)

    def share(mask: Bools) -> Floats:
        found = np.bincount(cell, weights=mask.mean(axis=1), minlength=size)
        return np.asarray(found.reshape(groups, columns) / possible, dtype=np.float64)

    phase = panel.phase[:1] if panel.irregular_timestamps is None else np.zeros(1, dtype=np.int64)
    return Coverage(
        observed_share=share(panel.observed_mask),
        filled_share=share(value_mask & ~panel.observed_mask),
        missing_share=share(~value_mask & ~panel.observed_mask),
        series_counts=sizes,
        row_labels=tuple(map(str, panel.labels()[order[np.cumsum(sizes) - sizes]])),
        edges=panel.to_display_timezone(panel.frequency.timestamps(edges, phase)),
    )


def gap_statistics(panel: Panel) -> GapStatistics:
    """All gaps by length, and the longest."""
    begins = np.zeros(len(panel.observed_mask), dtype=np.bool_)
    begins[panel.offsets[:-1]] = True  # a gap ends with its series
    ends = np.r_[begins[1:], True]
    lengths, firsts = [], []
    for column in panel.observed_mask.T:
        missing = ~column
        first = np.flatnonzero(missing & (begins | np.r_[True, column[:-1]]))
        last = np.flatnonzero(missing & (ends | np.r_[column[1:], True]))
        lengths.append(last - first + 1)
        firsts.append(first)
    length, first = np.concatenate(lengths), np.concatenate(firsts)
    if not len(length):
        return GapStatistics({}, 0, "", None)
    row = int(first[length.argmax()])
    series = int(np.searchsorted(panel.offsets, row, side="right")) - 1
    step = np.zeros(panel.n_series, dtype=np.int64)
    step[series] = row - panel.offsets[series]
    one = panel.filter_series(np.arange(panel.n_series) == series)
    since = one.to_display_timezone(one.window_timestamps(step[series : series + 1], 1))[0, 0]
    return GapStatistics(
        count_by_power_of_two(length), int(length.max()), str(one.labels()[0]), since
    )


def steps_behind_latest(panel: Panel) -> Ints:
    """[S] how many steps each series ends before the last of all."""
    last = panel_ordinals(panel)[panel.offsets[1:] - 1]
    return np.asarray(last.max() - last, dtype=np.int64)


def count_by_power_of_two(lengths: Ints) -> dict[str, int]:
    """How many of the positive `sizes` are 1, 2 to 3, 4 to 7, … steps."""
    if not len(lengths):
        return {}
    power = np.frexp(lengths.astype(np.float64))[1] - 1  # the whole part of the binary logarithm
    counts = np.bincount(power)
    names = (
        "1 step" if k == 0 else f"{2**k:,}-{2 ** (k + 1) - 1:,} steps" for k in range(len(counts))
    )
    return dict(zip(names, counts.tolist(), strict=True))
