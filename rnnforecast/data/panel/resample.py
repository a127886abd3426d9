"""Resampling to a coarser frequency: one row for all rows of a series in a period.

Periods and labels are those of pandas' ``groupby(...).resample(alias)``: periods are labeled by
their first instant, but weeks and the month, quarter and year ends (``ME``, ``QE``, ``YE``) by
their last day, and business month ends (``BME``) by their last weekday. Rows at closed days or
times belong to the open step before them, for business days those of the weekend to Friday. Unlike
in pandas, all series have the same periods: multiples (``5h``, ``3D``, ``2MS``) count from 1970,
not from the first row, and business months are whole months. ``1mo`` is the calendar month, labeled
by its first day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnforecast.data.panel.sorted_rows import SortedRows, aggregate_groups, observed_range
from rnnforecast.data.time.frequency import (
    DAY,
    HOUR,
    MINUTE,
    MONTHS,
    SECOND,
    WEEKDAYS,
    Frequency,
    month_start,
    to_ticks,
    weekdays,
)
from rnnforecast.data.time.grid import Grid, fit_grid
from rnnforecast.types import Bools, Ints, Timestamps


@dataclass(frozen=True)
class ResampledRows:
    """One row for each series and period with rows; counts of partial and incomplete periods."""

    rows: SortedRows
    dropped_partial_periods: Ints
    """[S] partial periods whose targets or whole row were dropped."""
    incomplete_periods: Ints
    """[S] periods in `rows` in which a target is observed at some, but not all steps of the native
    frequency; 0 without a native frequency."""


def resample_rows(
    rows: SortedRows,
    frequency: Frequency,
    *,
    aggregations: Sequence[str],
    native_frequency: Frequency | None,
    partial_periods: str,
    n_targets: int | None = None,
) -> ResampledRows:
    """One row for each period that has rows, each column by its own of `aggregations`.

    The observed values are aggregated; without any the result is NaN. `table_rows` is that of the
    period's first row. `native_frequency` is that of the rows, None if they have none.

    A period is partial if one more native step would fit into it before the first or after the last
    row of its series. Without a native frequency that step is the coarsest unit of all timestamps
    (a day if all are midnight, else an hour, a minute, …). With `partial_periods` "drop", the row
    of a partial period is dropped. If only the observed targets (the first `n_targets` columns, by
    default all) begin or end inside the period, they become NaN, and the covariates stay.
    """
    count = rows.values.shape[1] if n_targets is None else n_targets
    if len(rows.codes) == 0:
        none = np.zeros(rows.n_series, dtype=np.int64)
        return ResampledRows(rows, none, none)
    number = period_numbers(frequency, rows.time)  # [R]
    head = np.r_[True, (rows.codes[1:] != rows.codes[:-1]) | (number[1:] != number[:-1])]
    starts = np.flatnonzero(head)
    values = np.empty((len(starts), rows.values.shape[1]))  # [periods, C]
    for rule in set(aggregations):
        columns = [c for c, name in enumerate(aggregations) if name == rule]
        values[:, columns] = aggregate_groups(rows.values[:, columns], starts, rule)
    kept = replace(rows.filter(head), time=period_labels(frequency, number[starts]), values=values)
    periods = _Periods(np.cumsum(head) - 1, *period_bounds(frequency, number[starts]))
    step = native_frequency or _coarsest_common_unit(rows.time)
    grid = fit_grid(step, rows.time, rows.offsets)

    # [periods] whether to drop the row, and whether to blank its targets
    drop_row = blank = np.zeros(len(starts), dtype=np.bool_)
    if partial_periods == "drop":
        drop_row = periods.partial_mask(step, grid, rows.offsets[:-1], rows.offsets[1:])
        blank = periods.partial_mask(step, grid, *observed_range(rows, count))
        values[blank, :count] = np.nan
    incomplete = np.zeros(len(starts), dtype=np.bool_)
    if native_frequency is not None:
        targets = rows.values[:, :count]
        observed = np.add.reduceat(~np.isnan(targets), starts, axis=0, dtype=np.int64)
        possible = periods.steps_per_period(native_frequency, grid.phase[kept.codes])
        is_short = (observed > 0) & (observed < possible[:, None])
        incomplete = is_short.any(axis=1) & ~drop_row & ~blank
    return ResampledRows(
        kept.filter(~drop_row),
        np.bincount(kept.codes[drop_row | blank], minlength=rows.n_series),
        np.bincount(kept.codes[incomplete], minlength=rows.n_series),
    )


def complete_periods(rows: SortedRows, frequency: Frequency, n_targets: int) -> Timestamps | None:
    """[2] the first and the last period that the rows of all series together cover in full, by
    their timestamps in the result of `resample_rows`; None if there is none."""
    known = ~np.isnan(rows.values[:, :n_targets]).all(axis=1)
    time = np.unique(rows.time[known])
    zeros = np.zeros(len(time), dtype=np.int64)
    pooled = SortedRows(zeros, zeros, time, np.ones((len(time), 1)), np.array([0, len(time)]))
    resampled = resample_rows(
        pooled,
        frequency,
        aggregations=["sum"],
        native_frequency=None,
        partial_periods="drop",
    )
    return resampled.rows.time[[0, -1]] if len(resampled.rows.time) else None


def period_numbers(frequency: Frequency, time: Timestamps) -> Ints:
    """[...] the number of the period of each timestamp [...]; the next period is ``+ 1``.

    Unlike in ``frequency.ordinals``, periods begin where the alias says: weeks on the day after
    their anchor, quarters and years in the month of their anchor or after it.
    """
    ticks = to_ticks(time)
    if frequency.calendar is not None:
        return frequency.calendar.numbers_at_or_before(ticks) // frequency.step
    if frequency.kind == "month":
        ticks = ticks.view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return np.asarray((ticks - _first_period_start(frequency)) // frequency.step, dtype=np.int64)


def period_bounds(frequency: Frequency, period: Ints) -> tuple[Ints, Ints]:
    """The first tick of each period and the first one after it [microseconds, or units]."""
    return _period_start_ticks(frequency, period), _period_start_ticks(frequency, period + 1)


def period_labels(frequency: Frequency, period: Ints) -> Timestamps:
    """The timestamp of each period: datetime64[us], or int64 for an integer index."""
    begin, end = period_bounds(frequency, period)
    by_end = frequency.is_month_end or _week_end_day(frequency) is not None
    ticks = end - DAY if by_end else begin
    if frequency.anchor.startswith("business"):
        weekend = np.maximum(weekdays(ticks) - 4, 0)  # 1 on Saturdays, 2 on Sundays
        shift = -weekend if by_end else np.where(weekend > 0, 3 - weekend, 0)
        ticks = ticks + shift * DAY
    return _ticks_to_timestamps(frequency, ticks)


def calendar_phase(frequency: Frequency) -> int:
    """The phase of the timestamps of :func:`period_labels`."""
    time = period_labels(frequency, np.zeros(1, dtype=np.int64))
    return int(frequency.phase(time, frequency.ordinals(time))[0])


@dataclass(frozen=True)
class _Periods:
    """The periods with rows."""

    row_periods: Ints  # [R] the index of each row's period
    start_ticks: Ints  # [periods] first tick
    end_ticks: Ints  # [periods] first tick after it

    def partial_mask(self, step: Frequency, grid: Grid, first: Ints, stop: Ints) -> Bools:
        """[periods] whether one more step of a series fits into the period, before its first or
        after its last row.

        The rows of a series are those from `first` [S] up to, but without, `stop` [S].
        """
        series = np.flatnonzero(stop > first)
        head, tail = first[series], stop[series] - 1
        before = step.timestamps(grid.ordinals[head] - 1, grid.phase[series])
        after = step.timestamps(grid.ordinals[tail] + 1, grid.phase[series])
        early, late = self.row_periods[head], self.row_periods[tail]
        result = np.zeros(len(self.start_ticks), dtype=np.bool_)
        result[early[to_ticks(before) >= self.start_ticks[early]]] = True
        result[late[to_ticks(after) < self.end_ticks[late]]] = True
        return result

    def steps_per_period(self, native_frequency: Frequency, phase: Ints) -> Ints:
        """[periods] the number of steps of the native frequency, at `phase` [periods]."""

        def first_from(ticks: Ints) -> Ints:
            ordinal = native_frequency.ordinals(_ticks_to_timestamps(native_frequency, ticks))
            return ordinal + (to_ticks(native_frequency.timestamps(ordinal, phase)) < ticks)

        return first_from(self.end_ticks) - first_from(self.start_ticks)


def _coarsest_common_unit(time: Timestamps) -> Frequency:
    """The coarsest unit, at most a day, of which all timestamps are multiples."""
    if time.dtype.kind != "M":
        return Frequency("1", "integer", 1)
    common = int(np.gcd.reduce(to_ticks(time)))
    units = {"D": DAY, "h": HOUR, "min": MINUTE, "s": SECOND, "ms": 1000, "us": 1}
    alias = next(name for name, size in units.items() if common % size == 0)
    return Frequency(alias, "fixed", units[alias])


def _ticks_to_timestamps(frequency: Frequency, ticks: Ints) -> Timestamps:
    return ticks if frequency.kind == "integer" else ticks.view("datetime64[us]")


def _period_start_ticks(frequency: Frequency, period: Ints) -> Ints:
    start = period * frequency.step + _first_period_start(frequency)
    if frequency.calendar is not None:
        return frequency.calendar.starts(start)
    return month_start(start) if frequency.kind == "month" else start


def _first_period_start(frequency: Frequency) -> int:
    """The start of period 0, counted from 1970 [months, or ticks]."""
    weekday = _week_end_day(frequency)
    if weekday is not None:
        return (weekday + 1 - 3) % 7 * DAY  # 1970 began on a Thursday
    name = frequency.alias.rpartition("-")[2]
    if frequency.kind != "month" or name not in MONTHS:
        return 0
    month = MONTHS.index(name) + frequency.is_month_end
    return month % frequency.step


def _week_end_day(frequency: Frequency) -> int | None:
    """The weekday on which weeks end, Monday 0; None for frequencies other than weeks."""
    name = frequency.alias.rpartition("-")[2]
    return WEEKDAYS.index(name) if frequency.kind == "fixed" and name in WEEKDAYS else None
