"""Series whose timestamps do not fall on a calendar: moved on to it, drawn on to it, or kept.

:func:`snap` is for a clock that jitters, :func:`interpolate` for measurements taken now and then,
:func:`gaps` where the time between two observations is itself worth telling to a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnforecast.data.panel.problems import sparse_series_mask
from rnnforecast.data.panel.resample import aggregate_groups, calendar_phase
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.time.frequency import (
    DAY,
    HOUR,
    MINUTE,
    MONTHS,
    SECOND,
    WEEK,
    WEEKDAYS,
    Frequency,
    fixed_alias,
    parse_frequency,
    to_ticks,
)
from rnnforecast.data.time.frequency_inference import sort_rows
from rnnforecast.data.time.grid import Grid, mode_per_group, reduce_per_series
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Bools, Floats, Ints, Timestamps

_YEAR_LENGTH = 365.2425 * DAY
_ROUND_STEPS = (
    *(count * 10**power for power in range(6) for count in (1, 2, 5)),
    *(count * SECOND for count in (1, 2, 5, 10, 15, 20, 30)),
    *(count * MINUTE for count in (1, 2, 5, 10, 15, 20, 30)),
    *(count * HOUR for count in (1, 2, 3, 4, 6, 8, 12)),
    DAY, WEEK, _YEAR_LENGTH / 12, _YEAR_LENGTH / 4, _YEAR_LENGTH,
)  # fmt: skip
"""Steps that people choose [microseconds]."""


@dataclass(frozen=True)
class SnappedRows:
    """The rows with the timestamps of their grid; several may share one now."""

    rows: SortedRows
    moved_counts: Ints  # [S] rows that have another timestamp now
    max_distances: Ints  # [S] the longest way a row was moved [microseconds, or units]
    too_far_mask: Bools  # [R] rows that are too far from every step; they keep their timestamp


def snap_to_grid(
    rows: SortedRows, grid: Grid, frequency: Frequency, tolerance: float
) -> SnappedRows:
    """Each row goes to the nearest step of its series if that is close enough.

    ``grid`` is what ``grid.lay`` makes of the rows; where less than half of a series is on it, its
    phase is chosen anew by :func:`usual_phase`. ``tolerance`` (0 to 0.5) is a share of the way from
    one step to the next, whatever that is (28 to 31 days between months). Of two steps equally far
    the earlier is taken. Order is kept; nothing but timestamps changes.
    """
    phase = typical_phase(rows, grid, frequency, tolerance)[rows.codes]
    place = _step_bounds(frequency, rows.time, phase)
    ticks = to_ticks(rows.time)
    up = ticks - place.floor_ticks > place.ceil_ticks - ticks
    nearest = np.where(up, place.ceil_ticks, place.floor_ticks)
    away = np.abs(ticks - nearest)
    far = away > tolerance * (place.ceil_ticks - place.floor_ticks)
    way = np.where(far, 0, away)
    time = np.where(far, ticks, nearest)
    return SnappedRows(
        rows=replace(rows, time=time.view(rows.time.dtype)),
        moved_counts=np.bincount(rows.codes[way > 0], minlength=rows.n_series),
        max_distances=reduce_per_series(np.maximum, way, rows.offsets, 0),
        too_far_mask=far,
    )


def typical_phase(rows: SortedRows, grid: Grid, frequency: Frequency, tolerance: float) -> Ints:
    """[S] the phase that the timestamps of each series scatter around.

    The phase of ``grid`` (the commonest) if half of the rows have it exactly. Else the calendar's
    own (full hours, the first of the month), unless more rows are within ``tolerance`` of the
    median phase, which is rounded as far as the scatter around it hides.
    """
    own = calendar_phase(frequency)
    on = reduce_per_series(np.add, grid.on_grid.astype(np.int64), rows.offsets, 0)
    doubtful = 2 * on < np.diff(rows.offsets)  # [S]
    if not doubtful.any():
        return grid.phase
    some = rows.filter(doubtful[rows.codes])
    median = np.full(rows.n_series, own, dtype=np.int64)
    median[doubtful] = _median_phase(frequency, some, own)
    near_own = _count_within_tolerance(
        frequency, some, np.full(rows.n_series, own, dtype=np.int64), tolerance
    )
    near_median = _count_within_tolerance(frequency, some, median, tolerance)
    better = np.where(near_median > near_own, median, own)
    return np.where(doubtful, better, grid.phase)


def infer_jittered_frequency(codes: Ints, time: Timestamps) -> Frequency:
    """The round step that most series come closest to in the middle; of equal numbers the finer.

    ``codes`` [R] says which series a row is of, ``time`` [R] its timestamp, in any order; repeated
    timestamps do not count. The median of a series' steps is compared on a logarithmic scale with
    1, 2, 5, 10, 15, 20 and 30 seconds and minutes, the hours that divide a day, days, weeks,
    months, quarters and years. Weeks end on the weekday most rows have, months, quarters and years
    begin or end where most rows are. Raises DataError if no series has two different timestamps.
    """
    codes, time = sort_rows(codes, time)
    steps = np.diff(time).astype(np.int64)
    forward = (codes[1:] == codes[:-1]) & (steps > 0)
    if not forward.any():
        found = "no series has two different timestamps, so the frequency cannot be seen"
        raise DataError(Problem("", found, "set clean.frequency"))
    series, steps = codes[1:][forward], steps[forward]
    heads = np.flatnonzero(np.r_[True, series[1:] != series[:-1]])
    middle = aggregate_groups(steps.astype(np.float64), heads, "median")  # [V] series that vote
    if time.dtype.kind != "M":
        whole = np.maximum(np.rint(middle), 1).astype(np.int64)
        return parse_frequency(str(mode_per_group(np.zeros_like(whole), whole)[1][0]))
    nice = np.log(np.array(_ROUND_STEPS))
    vote = np.abs(np.log(middle)[:, None] - nice).argmin(axis=1)
    winner = int(np.bincount(vote).argmax())
    return _frequency_of_step(
        _ROUND_STEPS[winner], time[np.isin(codes, series[heads][vote == winner])]
    )


@dataclass(frozen=True)
class InterpolatedRows:
    """The rows on the calendar's own grid."""

    rows: SortedRows
    """One row a step, with ``settled``: the ordinal of the last step at or before the observation
    behind a value. A reader that sees the steps before an origin may use the value if
    ``settled < origin``, which is: if the observation behind it is earlier than the origin. Values
    that are observations have their own step. A gap not bridged has the step of the observation
    behind it, too, and cells after the last observation the step after the series, for what they
    become is not known before that."""
    off_grid_counts: Ints
    """[S] observations between two steps of the grid; what they say is in the lines only."""


def interpolate_to_grid(
    rows: SortedRows,
    frequency: Frequency,
    *,
    max_gap: int | None = None,
    linear: Sequence[bool] | None = None,
) -> InterpolatedRows:
    """Every column's values at the steps of the calendar, on straight lines over time.

    A step at which there is an observation takes it. The steps of a series begin and end within its
    rows that have a value, and nothing is drawn before the first or after the last observation of a
    column. Where more than ``longest`` steps in a row lie between two observations they stay NaN.
    Columns for which ``lines`` [C] is false (words, switches) hold the last observation instead,
    for ``longest`` steps at most and after the last one, too; they are known at once. ``file`` is
    that of the last row at or before the step. Raises DataError if a series has so few rows for its
    steps that a timestamp must be a slip.
    """
    rows = rows.filter(np.asarray(~np.isnan(rows.values).all(axis=1)))
    own = calendar_phase(frequency)
    place = _step_bounds(frequency, rows.time, np.full(len(rows.codes), own))
    _check_not_sparse(rows, place.floor, frequency)
    on = place.floor_ticks == to_ticks(rows.time)
    # the steps from the first one at or after a series' first row to the last before its last
    first = reduce_per_series(np.minimum, place.floor + ~on, rows.offsets, 0)  # [S]
    last = reduce_per_series(np.maximum, place.floor, rows.offsets, -1)
    offsets = np.r_[0, np.cumsum(np.maximum(last - first + 1, 0))]
    codes = np.repeat(np.arange(rows.n_series), np.diff(offsets))  # [G]
    step = np.arange(len(codes)) - offsets[codes] + first[codes]  # [G] ordinals
    time = frequency.timestamps(step, np.full(len(step), own))
    lanes = _GridInterpolator(offsets, codes, step, to_ticks(time), first, max_gap)
    drawn = [
        lanes.interpolate_column(rows, place.floor, on, c, linear is None or linear[c])
        for c in range(rows.values.shape[1])
    ]
    source = lanes.last_observation(rows.codes, place.floor, on)
    return InterpolatedRows(
        SortedRows(
            table_rows=rows.table_rows[source],
            codes=codes,
            time=time,
            values=np.stack([values for values, _ in drawn], axis=1),
            offsets=offsets,
            available_after=np.stack([settled for _, settled in drawn], axis=1),
        ),
        off_grid_counts=np.bincount(rows.codes[~on], minlength=rows.n_series),
    )


def time_since_previous(time: Timestamps, offsets: Ints, frequency: Frequency) -> Floats:
    """[R] the time since the row before, in usual steps; 1 at the first row of a series.

    ``time`` [R] sorted within each series, ``offsets`` [S + 1]. ``frequency`` is the usual step
    (:func:`jitter_frequency`); time within one is shared out evenly, so that from the first to the
    first of a month is 1 whatever month it is, and from Friday to Monday is 1 business day.
    """
    place = _step_bounds(frequency, time, np.full(len(time), calendar_phase(frequency)))
    share = (to_ticks(time) - place.floor_ticks) / (place.ceil_ticks - place.floor_ticks)
    gap = np.ones(len(time))
    # whole steps apart from parts, for a difference of large numbers would lose digits
    gap[1:] = np.diff(place.floor) + np.diff(share)
    gap[offsets[:-1][np.diff(offsets) > 0]] = 1.0
    return gap


def _check_not_sparse(rows: SortedRows, ordinals: Ints, frequency: Frequency) -> None:
    """Before a slip in a year makes a grid that no memory holds."""
    empty = np.flatnonzero(sparse_series_mask(rows, ordinals))
    if len(empty):
        one = empty[0]
        low, high = rows.offsets[one], rows.offsets[one + 1] - 1
        found = (
            f"from {format_timestamp(rows.time[low])} to {format_timestamp(rows.time[high])} a series has "
            f"{int(ordinals[high] - ordinals[low]):,} steps of '{frequency.alias}', but only "
            f"{int(high - low) + 1:,} rows"
        )
        raise DataError(
            Problem("", found, "correct the timestamp or set a coarser clean.frequency")
        )


@dataclass(frozen=True)
class _StepBounds:
    """The step at or before each row and the next one: its ordinal, and both timestamps; all [R]."""

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
    """The G steps of a grid on to which columns are drawn."""

    offsets: Ints  # [S + 1]
    codes: Ints  # [G] the series
    ordinals: Ints  # [G] ordinals
    ticks: Ints  # [G]
    first_ordinals: Ints  # [S] ordinal of each series' first step
    max_gap: int | None

    def last_observation(self, codes: Ints, floor: Ints, on_grid: Bools) -> Ints:
        """[G] the last observation at or before each step; of an earlier series if it has none.

        Of the observations [X], sorted: the series, the step at or before, whether that is exact.
        """
        at = (
            self.offsets[codes] + floor + ~on_grid - self.first_ordinals[codes]
        )  # the first step not before it
        return np.searchsorted(at, np.arange(len(self.ordinals)), side="right") - 1

    def interpolate_column(
        self, rows: SortedRows, floor: Ints, on_grid: Bools, column: int, linear: bool
    ) -> tuple[Floats, Ints]:
        """[G] the values of one column, and the ordinal by which each is settled."""
        seen = np.flatnonzero(~np.isnan(rows.values[:, column]))
        if len(seen) == 0:
            return np.full(len(self.ordinals), np.nan), self.ordinals
        codes, floor, on_grid = rows.codes[seen], floor[seen], on_grid[seen]
        ticks, known = to_ticks(rows.time[seen]), rows.values[seen, column]
        past = self.last_observation(codes, floor, on_grid)
        future = np.minimum(past + 1, len(seen) - 1)
        begun = (past >= 0) & (codes[past] == self.codes)
        ended = (past + 1 == len(seen)) | (codes[future] != self.codes)
        exact = begun & (ticks[past] == self.ticks)
        most = np.inf if self.max_gap is None else self.max_gap
        if not linear:
            held = begun & (self.ordinals - floor[past] <= most)
            return np.where(held, known[past], np.nan), self.ordinals
        between = begun & ~ended & ~exact
        width = np.where(between, ticks[future] - ticks[past], 1)
        share = np.where(between, (self.ticks - ticks[past]) / width, 0.0)
        line = known[past] + share * (known[future] - known[past])
        # the steps from one observation to the next, both left out
        bridged = between & (floor[future] - on_grid[future] - floor[past] <= most)
        settled = np.where(between, floor[future], self.ordinals)
        after = begun & ended & ~exact
        settled[after] = (self.first_ordinals + np.diff(self.offsets))[self.codes[after]]
        return np.where(exact | bridged, line, np.nan), settled


def _median_phase(frequency: Frequency, rows: SortedRows, default_phase: int) -> Ints:
    """[series with rows] the middle of the phases; on the circle where all steps are equal."""
    heads = rows.offsets[:-1][np.diff(rows.offsets) > 0]
    number = np.repeat(np.arange(len(heads)), np.diff(np.r_[heads, len(rows.codes)]))
    phases = frequency.phase(rows.time, frequency.ordinals(rows.time))
    if frequency.kind in ("business", "month"):
        # a phase is a day and an hour in one number, which has no circle; take one that occurs
        ranked = phases[np.lexsort((phases, number))]
        return np.asarray(ranked[heads + (np.diff(np.r_[heads, len(phases)]) - 1) // 2])
    size = frequency.step
    angle = phases * (2 * np.pi / size)
    centre = np.arctan2(
        np.add.reduceat(np.sin(angle), heads), np.add.reduceat(np.cos(angle), heads)
    )
    cut = np.rint(centre / (2 * np.pi) * size).astype(np.int64)  # opposite to it is the cut
    around = _circular_difference(phases - cut[number], size)
    middle = cut + np.rint(aggregate_groups(around.astype(np.float64), heads, "median")).astype(
        np.int64
    )
    scatter = aggregate_groups(
        np.abs(_circular_difference(phases - middle[number], size)).astype(float), heads, "median"
    )
    if frequency.kind == "integer":
        return np.asarray(middle % size)
    best = middle
    for unit in (SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, DAY):
        rounded = np.rint((middle - default_phase) / unit).astype(np.int64) * unit + default_phase
        best = np.where(np.abs(rounded - middle) <= scatter, rounded, best)
    return np.asarray(best % size)


def _circular_difference(difference: Ints, size: int) -> Ints:
    """The shorter way around a circle of ``size``."""
    return (difference + size // 2) % size - size // 2


def _count_within_tolerance(
    frequency: Frequency, rows: SortedRows, phase: Ints, tolerance: float
) -> Ints:
    """[S] how many rows are within the tolerance of a step at ``phase`` [S]."""
    place = _step_bounds(frequency, rows.time, phase[rows.codes])
    ticks = to_ticks(rows.time)
    away = np.minimum(ticks - place.floor_ticks, place.ceil_ticks - ticks)
    near = away <= tolerance * (place.ceil_ticks - place.floor_ticks)
    return np.bincount(rows.codes[near], minlength=rows.n_series)


def _frequency_of_step(step: float, time: Timestamps) -> Frequency:
    """The frequency of a nice step; its anchor from where most of ``time`` [R] are."""
    if step < DAY:
        return parse_frequency(fixed_alias(int(step)))
    day = to_ticks(time) // DAY
    weekday = (day + 3) % 7
    if step == DAY:
        worked = not (weekday > 4).any() and np.ptp(day) >= 7
        return parse_frequency("B" if worked else "D")
    if step == WEEK:
        return parse_frequency(f"W-{WEEKDAYS[int(np.bincount(weekday).argmax())]}")
    # timestamps on either side of it mean the turn of a month, its end if most are clearly before it
    month, before, after = (
        (time + np.timedelta64(days, "D")).astype("datetime64[M]").astype(np.int64)
        for days in (0, -8, 8)
    )
    letter = "E" if (after > month).sum() > 2 * (before < month).sum() else "S"
    month = before if letter == "E" else after
    if step < _YEAR_LENGTH / 4:
        return parse_frequency(f"M{letter}")
    if step < _YEAR_LENGTH:
        place = int(np.bincount(month % 3).argmax()) + (9 if letter == "E" else 0)
        return parse_frequency(f"Q{letter}-{MONTHS[place]}")
    return parse_frequency(f"Y{letter}-{MONTHS[int(np.bincount(month % 12).argmax())]}")
