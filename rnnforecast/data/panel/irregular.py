"""Irregular timestamps: snapped to a grid, interpolated to a grid, or kept with their time gaps.

:func:`snap_to_grid` is for timestamps with jitter, :func:`interpolate_to_grid` for measurements at
irregular times, :func:`time_since_previous` for networks that read the time between observations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnforecast.data.panel.grid_size import sparse_series_mask
from rnnforecast.data.panel.resample import calendar_phase
from rnnforecast.data.panel.sorted_rows import SortedRows, aggregate_groups
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.time.frequency import DAY, HOUR, MINUTE, SECOND, Frequency, to_ticks
from rnnforecast.data.time.grid import Grid, reduce_per_series
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Bools, Floats, Ints, Timestamps


@dataclass(frozen=True)
class SnappedRows:
    """Rows moved to the steps of a grid; several rows of a series may have the same timestamp."""

    rows: SortedRows
    moved_counts: Ints  # [S] rows with a changed timestamp


def snap_to_grid(
    rows: SortedRows, grid: Grid, frequency: Frequency, tolerance: float
) -> SnappedRows:
    """The rows with timestamps moved to the nearest step of their series, if within `tolerance`.

    `grid` is that of :func:`fit_grid`; series with less than half of their rows on it get the phase
    of :func:`typical_phase`. `tolerance` (0 to 0.5) is a share of the time between the two steps
    around the row (28 to 31 days between months). Of two equally near steps the earlier is taken.
    """
    phase = typical_phase(rows, grid, frequency, tolerance)[rows.codes]
    bounds = _step_bounds(frequency, rows.time, phase)
    ticks = to_ticks(rows.time)
    is_ceil = ticks - bounds.floor_ticks > bounds.ceil_ticks - ticks
    nearest = np.where(is_ceil, bounds.ceil_ticks, bounds.floor_ticks)
    distance = np.abs(ticks - nearest)
    is_near = distance <= tolerance * (bounds.ceil_ticks - bounds.floor_ticks)
    time = np.where(is_near, nearest, ticks)
    return SnappedRows(
        rows=replace(rows, time=time.view(rows.time.dtype)),
        moved_counts=np.bincount(rows.codes[time != ticks], minlength=rows.n_series),
    )


def typical_phase(rows: SortedRows, grid: Grid, frequency: Frequency, tolerance: float) -> Ints:
    """[S] the phase that the timestamps of each series scatter around.

    If at least half of the rows have the phase of `grid` (the most frequent) exactly, that phase.
    Else the calendar's (full hours, the first of the month), unless more rows are within
    `tolerance` of the median phase. Where steps have a fixed length, the median is rounded to the
    largest unit (a second to a day) that moves it by at most the median absolute deviation.
    """
    default = calendar_phase(frequency)
    on_grid = reduce_per_series(np.add, grid.on_grid.astype(np.int64), rows.offsets, 0)
    scattered = 2 * on_grid < np.diff(rows.offsets)  # [S]
    if not scattered.any():
        return grid.phase
    some = rows.filter(scattered[rows.codes])
    median = np.full(rows.n_series, default, dtype=np.int64)
    median[scattered] = _median_phase(frequency, some, default)
    defaults = np.full(rows.n_series, default, dtype=np.int64)
    near_default = _count_within_tolerance(frequency, some, defaults, tolerance)
    near_median = _count_within_tolerance(frequency, some, median, tolerance)
    better = np.where(near_median > near_default, median, default)
    return np.where(scattered, better, grid.phase)


@dataclass(frozen=True)
class InterpolatedRows:
    """Rows interpolated to the steps of the calendar."""

    rows: SortedRows
    """One row for each step. `available_after` is the ordinal of the step that must have passed
    before a value is known: a forecast may use values whose `available_after` is less than its
    origin. It is the step itself for observations and held values; for interpolated values and long
    gaps the last step at or before the next observation; after the last observation the step after
    the end of the series."""
    off_grid_counts: Ints
    """[S] observations between two steps of the grid."""


def interpolate_to_grid(
    rows: SortedRows,
    frequency: Frequency,
    *,
    max_gap: int | None = None,
    linear: Sequence[bool] | None = None,
) -> InterpolatedRows:
    """Every column interpolated linearly over time at the steps of the calendar.

    A series has the steps between its first and last row with a value; columns are not
    extrapolated. Gaps of more than `max_gap` steps between two observations stay NaN. Columns for
    which `linear` [C] is false (categories, switches) hold the last observation instead, for at
    most `max_gap` steps, also after the last one. `table_rows` of a step is that of the last row at
    or before it. Raises DataError if a series has so few rows for its steps that a timestamp must
    be wrong.
    """
    rows = rows.filter(np.asarray(~np.isnan(rows.values).all(axis=1)))
    phase = calendar_phase(frequency)
    bounds = _step_bounds(frequency, rows.time, np.full(len(rows.codes), phase))
    _check_not_sparse(rows, bounds.floor, frequency)
    on_grid = bounds.floor_ticks == to_ticks(rows.time)
    # from the first step at or after a series' first row to the last step at or before its last row
    first = reduce_per_series(np.minimum, bounds.floor + ~on_grid, rows.offsets, 0)  # [S]
    last = reduce_per_series(np.maximum, bounds.floor, rows.offsets, -1)
    offsets = np.r_[0, np.cumsum(np.maximum(last - first + 1, 0))]
    codes = np.repeat(np.arange(rows.n_series), np.diff(offsets))  # [N]
    step = np.arange(len(codes)) - offsets[codes] + first[codes]  # [N] ordinals
    time = frequency.timestamps(step, np.full(len(step), phase))
    interpolator = _GridInterpolator(offsets, codes, step, to_ticks(time), first, max_gap)
    columns = [
        interpolator.interpolate_column(rows, bounds.floor, on_grid, c, linear is None or linear[c])
        for c in range(rows.values.shape[1])
    ]
    source = interpolator.last_observation(rows.codes, bounds.floor, on_grid)
    return InterpolatedRows(
        SortedRows(
            table_rows=rows.table_rows[source],
            codes=codes,
            time=time,
            values=np.stack([values for values, _ in columns], axis=1),
            offsets=offsets,
            available_after=np.stack([available_after for _, available_after in columns], axis=1),
        ),
        off_grid_counts=np.bincount(rows.codes[~on_grid], minlength=rows.n_series),
    )


def time_since_previous(time: Timestamps, offsets: Ints, frequency: Frequency) -> Floats:
    """[R] the time since the previous row, in steps of `frequency`; 1 at the first row of a series.

    `time` [R] is sorted within each series, which begin at `offsets` [S + 1]. Months count as 1
    each, and so does the time from one open day to the next where days are closed.
    """
    bounds = _step_bounds(frequency, time, np.full(len(time), calendar_phase(frequency)))
    share = (to_ticks(time) - bounds.floor_ticks) / (bounds.ceil_ticks - bounds.floor_ticks)
    gap = np.ones(len(time))
    # whole and fractional steps are subtracted separately: their sum would lose digits
    gap[1:] = np.diff(bounds.floor) + np.diff(share)
    gap[offsets[:-1][np.diff(offsets) > 0]] = 1.0
    return gap


def _check_not_sparse(rows: SortedRows, ordinals: Ints, frequency: Frequency) -> None:
    """DataError for a nearly empty grid: with a wrong year it would not fit into memory."""
    sparse = np.flatnonzero(sparse_series_mask(rows, ordinals))
    if len(sparse):
        low, high = rows.offsets[sparse[0]], rows.offsets[sparse[0] + 1] - 1
        first, last = format_timestamp(rows.time[low]), format_timestamp(rows.time[high])
        found = (
            f"from {first} to {last} a series has {int(ordinals[high] - ordinals[low]):,} steps of"
            f" '{frequency.alias}', but only {int(high - low) + 1:,} rows"
        )
        raise DataError(
            Problem("", found, "correct the timestamp or set a coarser clean.frequency")
        )


@dataclass(frozen=True)
class _StepBounds:
    """Ordinal and ticks of the step at or before each row, and ticks of the next step; all [R]."""

    floor: Ints
    floor_ticks: Ints
    ceil_ticks: Ints


def _step_bounds(frequency: Frequency, time: Timestamps, phase: Ints) -> _StepBounds:
    ordinals = frequency.ordinals(time)
    before = ordinals - (frequency.timestamps(ordinals, phase) > time)
    low, high = frequency.timestamps(before, phase), frequency.timestamps(before + 1, phase)
    return _StepBounds(before, to_ticks(low), to_ticks(high))


@dataclass(frozen=True)
class _GridInterpolator:
    """Interpolation of columns at the N steps of a grid, of all series."""

    offsets: Ints  # [S + 1]
    codes: Ints  # [N] the series
    ordinals: Ints  # [N]
    ticks: Ints  # [N]
    first_ordinals: Ints  # [S] ordinal of each series' first step
    max_gap: int | None

    def last_observation(self, codes: Ints, floor: Ints, on_grid: Bools) -> Ints:
        """[N] the index of the last observation at or before each step; if there is none, that of
        an earlier series, or -1.

        `codes` [X] are the series of the sorted observations, `floor` [X] the ordinals of the steps
        at or before them, and `on_grid` [X] whether they are at that step.
        """
        # [X] the first step at or after each observation
        at = self.offsets[codes] + floor + ~on_grid - self.first_ordinals[codes]
        return np.searchsorted(at, np.arange(len(self.ordinals)), side="right") - 1

    def interpolate_column(
        self, rows: SortedRows, floor: Ints, on_grid: Bools, column: int, linear: bool
    ) -> tuple[Floats, Ints]:
        """[N] the values of one column, and [N] its `available_after`, see `InterpolatedRows`."""
        observed = np.flatnonzero(~np.isnan(rows.values[:, column]))
        if len(observed) == 0:
            return np.full(len(self.ordinals), np.nan), self.ordinals
        codes, floor, on_grid = rows.codes[observed], floor[observed], on_grid[observed]
        ticks, known = to_ticks(rows.time[observed]), rows.values[observed, column]
        past = self.last_observation(codes, floor, on_grid)
        future = np.minimum(past + 1, len(observed) - 1)
        has_past = (past >= 0) & (codes[past] == self.codes)
        is_last = (past + 1 == len(observed)) | (codes[future] != self.codes)
        exact = has_past & (ticks[past] == self.ticks)
        max_gap = np.inf if self.max_gap is None else self.max_gap
        if not linear:
            held = has_past & (self.ordinals - floor[past] <= max_gap)
            return np.where(held, known[past], np.nan), self.ordinals
        between = has_past & ~is_last & ~exact
        width = np.where(between, ticks[future] - ticks[past], 1)
        share = np.where(between, (self.ticks - ticks[past]) / width, 0.0)
        line = known[past] + share * (known[future] - known[past])
        # the number of steps between two observations
        is_short = between & (floor[future] - on_grid[future] - floor[past] <= max_gap)
        available_after = np.where(between, floor[future], self.ordinals)
        after = has_past & is_last & ~exact
        available_after[after] = (self.first_ordinals + np.diff(self.offsets))[self.codes[after]]
        return np.where(exact | is_short, line, np.nan), available_after


def _median_phase(frequency: Frequency, rows: SortedRows, default_phase: int) -> Ints:
    """[series with rows] the median phase: on a circle where all steps have the same length."""
    heads = rows.offsets[:-1][np.diff(rows.offsets) > 0]
    number = np.repeat(np.arange(len(heads)), np.diff(np.r_[heads, len(rows.codes)]))
    phases = frequency.phase(rows.time, frequency.ordinals(rows.time))
    if frequency.kind in ("calendar", "month"):
        # phases combine day and hour and lie on no circle: the lower of two middle phases
        ranked = phases[np.lexsort((phases, number))]
        return np.asarray(ranked[heads + (np.diff(np.r_[heads, len(phases)]) - 1) // 2])
    size = frequency.step
    angle = phases * (2 * np.pi / size)
    centre = np.arctan2(
        np.add.reduceat(np.sin(angle), heads), np.add.reduceat(np.cos(angle), heads)
    )
    cut = np.rint(centre / (2 * np.pi) * size).astype(np.int64)
    around = _circular_difference(phases - cut[number], size)
    middle = cut + np.rint(_median_of_groups(around, heads)).astype(np.int64)
    distance = np.abs(_circular_difference(phases - middle[number], size))
    scatter = _median_of_groups(distance, heads)
    if frequency.kind == "integer":
        return np.asarray(middle % size)
    best = middle
    for unit in (SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, DAY):
        rounded = np.rint((middle - default_phase) / unit).astype(np.int64) * unit + default_phase
        best = np.where(np.abs(rounded - middle) <= scatter, rounded, best)
    return np.asarray(best % size)


def _median_of_groups(values: Ints, group_starts: Ints) -> Floats:
    """[groups] the median of each group of consecutive values [R]."""
    return aggregate_groups(values.astype(np.float64)[:, None], group_starts, "median")[:, 0]


def _circular_difference(difference: Ints, size: int) -> Ints:
    """The signed difference along the shorter way around a circle of `size`."""
    return (difference + size // 2) % size - size // 2


def _count_within_tolerance(
    frequency: Frequency, rows: SortedRows, phase: Ints, tolerance: float
) -> Ints:
    """[S] how many rows of each series are within the tolerance of a step at `phase` [S]."""
    bounds = _step_bounds(frequency, rows.time, phase[rows.codes])
    ticks = to_ticks(rows.time)
    distance = np.minimum(ticks - bounds.floor_ticks, bounds.ceil_ticks - ticks)
    near = distance <= tolerance * (bounds.ceil_ticks - bounds.floor_ticks)
    return np.bincount(rows.codes[near], minlength=rows.n_series)
