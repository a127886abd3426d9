"""Coverage of a panel: shares of observed steps by series and period, gaps, and ends of series."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.grid import series_chunks
from rnnforecast.types import Bools, Floats, Ints

MAX_ROWS, MAX_COLUMNS = 40, 160
"""Largest numbers of groups of series and of periods in a `Coverage`."""


@dataclass(frozen=True)
class Coverage:
    """Shares of observed, filled and missing steps by group of series and period.

    The remainder to 1 lies before the start or after the end of series.
    """

    observed_share: Floats
    """[groups, periods] steps with a value in the data."""
    filled_share: Floats
    """[groups, periods] steps whose value was imputed."""
    missing_share: Floats
    """[groups, periods] steps whose value is missing and was not imputed."""
    series_counts: Ints
    """[groups] number of series of each group; groups are ordered by the start of their series."""
    row_labels: tuple[str, ...]
    """[groups] label of the first series of each group."""
    edges: npt.NDArray[np.generic]
    """[periods + 1] timestamps at which the periods begin, and the end of the last."""
    is_by_target: bool = False
    """Whether the panel is of one series, and its targets take the place of series."""


@dataclass(frozen=True)
class GapStatistics:
    """Statistics of gaps, runs of steps without a value of a target."""

    counts_by_length: dict[str, int]
    """Number of gaps by length, see `count_by_power_of_two`."""
    longest_steps: int
    """Steps of the longest gap; 0 without gaps."""
    longest_series: str
    """Label of the series with the longest gap, "" without gaps; of ties the first one."""
    longest_start: np.generic | None
    """First timestamp of the longest gap."""
    longest_target: str = ""
    """The target with the longest gap; "" without gaps, or with a single target."""


def panel_ordinals(panel: Panel) -> Ints:
    """[N] the calendar ordinals of all steps, comparable between series."""
    return _ordinals(panel, 0, panel.n_series)


def _ordinals(panel: Panel, first: int, stop: int) -> Ints:
    """`panel_ordinals` of the series from `first` to `stop` - 1."""
    begin, end = panel.offsets[first], panel.offsets[stop]
    if panel.irregular_timestamps is not None:  # steps of irregular series are rows, not periods
        return panel.frequency.ordinals(panel.irregular_timestamps[begin:end])
    shift = (panel.offsets[:-1] - panel.start)[first:stop]
    return np.arange(begin, end) - np.repeat(shift, panel.lengths[first:stop])


def last_ordinals(panel: Panel) -> Ints:
    """[S] the calendar ordinal of the last step of each series."""
    if panel.irregular_timestamps is None:
        return np.asarray(panel.start + panel.lengths - 1)
    return panel.frequency.ordinals(panel.irregular_timestamps[panel.offsets[1:] - 1])


def compute_coverage(panel: Panel, value_mask: Bools) -> Coverage:
    """The coverage of a nonempty panel; `value_mask` [N, C]: observed and filled values.

    Of a single series with several targets, it is the coverage by target.
    """
    if panel.n_series == 1 and len(panel.target_names) > 1:
        return _coverage_by_target(panel, value_mask)
    is_irregular = panel.irregular_timestamps is not None
    starts = panel.start
    if panel.irregular_timestamps is not None:
        starts = panel.frequency.ordinals(panel.irregular_timestamps[panel.offsets[:-1]])
    first, stop = int(starts.min()), int(last_ordinals(panel).max()) + 1
    n_columns, n_groups = min(MAX_COLUMNS, stop - first), min(MAX_ROWS, panel.n_series)
    order = np.argsort(starts, kind="stable")
    group = np.empty(panel.n_series, dtype=np.int64)
    group[order] = np.arange(panel.n_series) * n_groups // panel.n_series
    edges = first + -(-np.arange(n_columns + 1) * (stop - first) // n_columns)
    sizes = np.bincount(group, minlength=n_groups)
    steps, observed, filled = np.zeros((3, n_groups * n_columns))
    for begin, end in series_chunks(panel.offsets):  # arrays of all rows would double the memory
        rows = slice(panel.offsets[begin], panel.offsets[end])
        column = (_ordinals(panel, begin, end) - first) * n_columns // (stop - first)
        cell = np.repeat(group[begin:end], panel.lengths[begin:end]) * n_columns + column
        known = panel.observed_mask[rows]
        for found, mask in (
            (steps, np.ones_like(known)),
            (observed, known),
            (filled, value_mask[rows] & ~known),
        ):
            found += np.bincount(cell, mask.sum(axis=1), minlength=len(found))
    steps, observed, filled = (
        np.reshape(cells, (n_groups, n_columns)) / panel.observed_mask.shape[1]
        for cells in (steps, observed, filled)
    )
    possible = np.maximum(sizes[:, None] * np.diff(edges), steps)
    if is_irregular:  # between two rows no step is missing
        possible = np.maximum(steps, 1)
    phase = np.zeros(1, dtype=np.int64) if is_irregular else panel.phase[:1]
    return Coverage(
        observed_share=observed / possible,
        filled_share=filled / possible,
        missing_share=(steps - observed - filled) / possible,
        series_counts=sizes,
        row_labels=tuple(map(str, panel.labels()[order[np.cumsum(sizes) - sizes]])),
        edges=panel.to_display_timezone(panel.frequency.timestamps(edges, phase)),
    )


def _coverage_by_target(panel: Panel, value_mask: Bools) -> Coverage:
    n_targets = len(panel.target_names)
    n_groups = min(MAX_ROWS, n_targets)
    group = np.arange(n_targets) * n_groups // n_targets
    parts = [
        compute_coverage(
            replace(
                panel,
                targets=panel.targets[:, columns],
                observed_mask=panel.observed_mask[:, columns],
                target_names=("",),  # their mean, as of one target
            ),
            value_mask[:, columns],
        )
        for columns in (np.flatnonzero(group == each) for each in range(n_groups))
    ]

    def stacked(name: str) -> Floats:
        return np.concatenate([getattr(part, name) for part in parts])

    return replace(
        parts[0],
        observed_share=stacked("observed_share"),
        filled_share=stacked("filled_share"),
        missing_share=stacked("missing_share"),
        series_counts=np.bincount(group, minlength=n_groups),
        row_labels=tuple(panel.target_names[k] for k in np.searchsorted(group, range(n_groups))),
        is_by_target=True,
    )


def gap_statistics(panel: Panel) -> GapStatistics:
    """Statistics of the gaps of all series and targets."""
    begins = np.zeros(len(panel.observed_mask), dtype=np.bool_)
    begins[panel.offsets[:-1]] = True
    ends = np.r_[begins[1:], True]  # gaps do not extend to the next series
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
    longest = int(length.argmax())
    row = int(first[longest])
    target = int(np.searchsorted(np.cumsum(list(map(len, lengths))), longest, side="right"))
    series = int(np.searchsorted(panel.offsets, row, side="right")) - 1
    step = np.zeros(panel.n_series, dtype=np.int64)
    step[series] = row - panel.offsets[series]
    alone = panel.filter_series(np.arange(panel.n_series) == series)
    start = alone.to_display_timezone(alone.window_timestamps(step[series : series + 1], 1))[0, 0]
    label = str(alone.labels()[0])
    return GapStatistics(
        counts_by_length=count_by_power_of_two(length),
        longest_steps=int(length[longest]),
        longest_series=label,
        longest_start=start,
        longest_target=panel.target_names[target] if len(panel.target_names) > 1 else "",
    )


def steps_behind_latest(panel: Panel) -> Ints:
    """[S] steps between the end of each series and the latest end of all."""
    last = last_ordinals(panel)
    return np.asarray(last.max() - last, dtype=np.int64)


def count_by_power_of_two(lengths: Ints) -> dict[str, int]:
    """Counts of positive `lengths` in bins of doubling width: "1 step", "2-3 steps", …"""
    if not len(lengths):
        return {}
    power = np.frexp(lengths.astype(np.float64))[1] - 1  # floor of the binary logarithm
    counts = np.bincount(power)
    names = (
        "1 step" if k == 0 else f"{2**k:,}-{2 ** (k + 1) - 1:,} steps" for k in range(len(counts))
    )
    return dict(zip(names, counts.tolist(), strict=True))
