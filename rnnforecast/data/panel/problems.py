"""Problems of rows that only the user can resolve, with their lines and a cure."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnforecast.data.io.diagnostics import MAX_SHOWN_PROBLEMS
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.cures import finer_than_data_cure, huge_grid_cure, off_grid_cure
from rnnforecast.data.panel.fill_by_rule import SeriesBounds
from rnnforecast.data.panel.grid_size import (
    MAX_STEPS_PER_ROW,
    most_steps,
    sparse_series_mask,
    steps_per_series,
)
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.time.frequency import (
    DAY,
    HOUR,
    Frequency,
    month_numbers,
    to_ticks,
    weekdays,
)
from rnnforecast.data.time.grid import Grid, one_step_mask
from rnnforecast.data.time.timezones import LocalizedTimestamps
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Bools, Ints, Timestamps

MIN_COMPARED_ROWS = 24
"""A frequency is called finer than the data only if there are so many steps to judge by."""
MAX_STEPS_OF_FEW_ROWS = 10_000_000
"""Panels of up to this many steps are accepted however few rows they are filled from."""
LATE_END_SHARE = 0.1
"""A last row is late if it comes after at least this share of the time of all other rows, …"""
MIN_LATE_STEPS = 30
"""… this number of steps, …"""
LATE_END_FACTOR = 3
"""… and this number of times the longest gap before, …"""
MIN_STEPS_TO_JUDGE = 20
"""… if so many steps have a row: of fewer, gaps differ by chance."""

Labels = npt.NDArray[Any]


def duplicate_problems(
    table: Table, rows: SortedRows, duplicate_mask: Bools, labels: Labels, timezone: str = ""
) -> list[Problem]:
    """Problems of the rows of `duplicate_mask` [R], which repeat the timestamp of the row before.

    As in all functions here, the first are written out and the others counted.
    """
    at = np.flatnonzero(duplicate_mask)
    if len(at) == 0:
        return []
    heads = np.flatnonzero(~duplicate_mask)
    first = heads[np.searchsorted(heads, at, side="right") - 1]
    equal = (rows.values[at] == rows.values[first]) | (
        np.isnan(rows.values[at]) & np.isnan(rows.values[first])
    )
    alike = " (all of them repeat the first row's values)" if equal.all() else ""
    cure = f"delete them or set clean.duplicates to first, last, mean or sum{alike}"
    if not timezone and _may_be_clock_change(rows.time[at]):
        cure = (
            "if clocks go back then, set data.timezone, such as Europe/Berlin, and"
            f" clean.ambiguous_hour to infer; else {cure}"
        )
    shown = list(zip(at[:MAX_SHOWN_PROBLEMS], first[:MAX_SHOWN_PROBLEMS], strict=True))
    in_file = table.line_index.file_number
    if not table.keys.shape[1] and all(
        in_file(int(rows.table_rows[row])) != in_file(int(rows.table_rows[one]))
        for row, one in shown
    ):
        cure = (
            "if each file is a series, add a column with its name, or put it into a folder such as"
            f" series=a/; else {cure}"
        )
    problems = [
        Problem(
            table.line_index.location(int(rows.table_rows[row])),
            f"series '{labels[rows.codes[row]]}' has {format_timestamp(rows.time[row], timezone)}"
            f" again, after {table.line_index.location(int(rows.table_rows[one]))}",
            cure if number == 0 else "",
        )
        for number, (row, one) in enumerate(shown)
    ]
    return problems + remaining_problems(len(at), "repeated timestamps")


def timezone_problems(
    table: Table, localized: LocalizedTimestamps, timezone: str, *, inferred_from_order: bool
) -> list[Problem]:
    """Problems of the rows whose hour is ambiguous or nonexistent and not resolved.

    `inferred_from_order`: the spec resolves ambiguous hours by the order of the rows.
    """
    finding = f"comes twice in {timezone}, as clocks go back"
    cure = "set clean.ambiguous_hour to earlier, later or infer (by the order of the rows)"
    if inferred_from_order:
        finding += ", and the order of its series' rows does not tell which one it is"
        cure = "put the rows in the order of time or set clean.ambiguous_hour to earlier or later"
    mask = localized.unresolved_mask & localized.ambiguous_mask
    problems = _row_problems(table, mask, finding, cure, "rows at an hour that comes twice")
    finding = f"does not exist in {timezone}, as clocks go forward"
    cure = "correct data.timezone or set clean.nonexistent_hour to shift_forward or drop"
    mask = localized.unresolved_mask & localized.nonexistent_mask
    kind = "rows at an hour that does not exist"
    return problems + _row_problems(table, mask, finding, cure, kind)


def _row_problems(table: Table, mask: Bools, finding: str, cure: str, kind: str) -> list[Problem]:
    rows = np.flatnonzero(mask)
    problems = [
        Problem(
            table.line_index.location(int(row), table.roles.time),
            f"{format_timestamp(table.time[row])} {finding}",
            cure if number == 0 else "",
        )
        for number, row in enumerate(rows[:MAX_SHOWN_PROBLEMS])
    ]
    return problems + remaining_problems(len(rows), kind)


def off_grid_problems(
    table: Table,
    rows: SortedRows,
    grid: Grid,
    frequency: Frequency,
    labels: Labels,
    timezone: str = "",
) -> list[Problem]:
    """Problems of the rows whose timestamp lies between two steps of their series' grid."""
    at = np.flatnonzero(~grid.on_grid)
    if len(at) == 0:
        return []
    shown = at[:MAX_SHOWN_PROBLEMS]
    phase = grid.phase[rows.codes[shown]]
    step = frequency.timestamps(grid.ordinals[shown], phase)
    before = grid.ordinals[shown] - (step > rows.time[shown])
    low, high = frequency.timestamps(before, phase), frequency.timestamps(before + 1, phase)
    cure = off_grid_cure(rows, ~grid.on_grid, frequency)
    closed = frequency.closed_mask(rows.time[shown])
    problems = [
        Problem(
            table.line_index.location(int(rows.table_rows[row])),
            f"series '{labels[rows.codes[row]]}' has {format_timestamp(rows.time[row], timezone)},"
            + (" a closed time" if closed[number] else " which is")
            + f" between {format_timestamp(low[number], timezone)} and"
            f" {format_timestamp(high[number], timezone)} on its grid '{frequency.alias}'",
            cure if number == 0 else "",
        )
        for number, row in enumerate(shown)
    ]
    return problems + remaining_problems(len(at), "timestamps off the grid")


def sparse_grid_problems(
    table: Table,
    rows: SortedRows,
    ordinals: Ints,
    frequency: Frequency,
    labels: Labels,
    timezone: str = "",
) -> list[Problem]:
    """A problem if the grid of all series or of one is nearly empty; it names the widest gap."""
    steps = steps_per_series(rows, ordinals).sum()
    in_all = steps > most_steps(np.array(len(rows.codes)))
    if not in_all and not sparse_series_mask(rows, ordinals).any():
        return []
    wide = np.diff(ordinals.astype(np.float64))
    wide[rows.codes[1:] != rows.codes[:-1]] = 0
    row = int(wide.argmax())
    found = (
        f"between {format_timestamp(rows.time[row], timezone)} and"
        f" {format_timestamp(rows.time[row + 1], timezone)} series '{labels[rows.codes[row]]}' has"
        f" no row for {int(wide[row]) - 1:,} steps of '{frequency.alias}'; the panel would have"
        f" {int(steps):,} steps for {len(rows.codes):,} rows"
    )
    where = " and ".join(
        table.line_index.location(int(rows.table_rows[one])) for one in (row, row + 1)
    )
    return [Problem(where, found, huge_grid_cure(rows, frequency))]


def finer_frequency_problems(rows: SortedRows, grid: Grid, frequency: Frequency) -> list[Problem]:
    """A problem if no two consecutive rows of a series are one step apart, of at least
    `MIN_COMPARED_ROWS`: the frequency is finer than the data."""
    inside = rows.codes[1:] == rows.codes[:-1]
    if inside.sum() < MIN_COMPARED_ROWS or (one_step_mask(grid) & inside).any():
        return []
    steps = np.diff(grid.ordinals)[inside]
    found = (
        f"no two rows of a series are one step of '{frequency.alias}' apart: from one row to the"
        f" next there are {int(np.median(steps)):,} steps at the median, {int(steps.min()):,} at"
        " least"
    )
    return [Problem("clean.frequency", found, finer_than_data_cure(rows))]


def check_panel_size(rows: SortedRows, bounds: SeriesBounds) -> None:
    """Raises DataError if the series would have very many steps up to their common bounds."""
    steps = int(np.where(bounds.has_bounds, bounds.last - bounds.first + 1, 0).sum())
    if steps > max(MAX_STEPS_PER_ROW * len(rows.codes), MAX_STEPS_OF_FEW_ROWS):
        found = (
            f"with values up to a common beginning and end of all series, {len(rows.codes):,} rows"
            f" would become {steps:,} steps"
        )
        cure = "set a coarser clean.frequency, or clean.start and clean.end to each"
        raise DataError(Problem("clean.missing", found, cure))


def late_end_problems(
    table: Table,
    rows: SortedRows,
    grid: Grid,
    frequency: Frequency,
    labels: Labels,
    n_targets: int,
) -> tuple[Bools, list[Problem]]:
    """A problem if a single row comes so much later than all others that its timestamp is likely
    wrong: it would be the common end of all series. Also the series it belongs to, [S]."""
    series = np.zeros(rows.n_series, dtype=np.bool_)
    known = np.flatnonzero(~np.isnan(rows.values[:, :n_targets]).all(axis=1) & grid.on_grid)
    steps = np.unique(grid.ordinals[known])
    if len(steps) < MIN_STEPS_TO_JUDGE:
        return series, []
    gaps, at_end = np.diff(steps), known[grid.ordinals[known] == steps[-1]]
    usual = max(
        LATE_END_FACTOR * gaps[:-1].max(), LATE_END_SHARE * (steps[-2] - steps[0]), MIN_LATE_STEPS
    )
    if len(at_end) > 1 or gaps[-1] <= usual:
        return series, []
    row = int(at_end[0])
    series[rows.codes[row]] = True
    found = (
        f"series '{labels[rows.codes[row]]}' has a value at {format_timestamp(rows.time[row])},"
        f" {int(gaps[-1]):,} steps of '{frequency.alias}' after the latest of all other rows; with"
        " clean.missing all series would go on to there"
    )
    where = table.line_index.location(int(rows.table_rows[row]))
    cure = "correct the timestamp; if it is right, set clean.end to latest or to each"
    return series, [Problem(where, found, cure)]


def empty_panel_problems(observed: Ints, min_length: int) -> list[Problem]:
    """A problem if no series has `min_length` observed steps, of `observed` [S]."""
    if (observed >= max(min_length, 1)).any():
        return []
    if not observed.any():
        return [Problem("", "no row has a value of a target", "check data.targets")]
    found = f"no series has {min_length:,} observed values; the longest has {observed.max():,}"
    return [Problem("", found, "set a smaller clean.min_length or give longer series")]


def _may_be_clock_change(time: Timestamps) -> bool:
    """Whether all timestamps [R] lie in an early hour of a Sunday of spring or autumn."""
    if time.dtype.kind != "M":
        return False
    ticks = to_ticks(time)
    is_sunday_night = (weekdays(ticks) == 6) & (ticks % DAY < 4 * HOUR) & (ticks % DAY > 0)
    is_season = np.isin(month_numbers(time) % 12 + 1, (3, 4, 9, 10, 11))
    return bool((is_sunday_night & is_season).all())


def empty_result_problem(rows: SortedRows, frequency: Frequency, timezone: str = "") -> Problem:
    """That no value of `rows` is left after resampling or interpolation: no period is whole, and no
    step lies between two rows of a series."""
    filled = np.flatnonzero(np.diff(rows.offsets) > 0)
    first, last = rows.time[rows.offsets[filled]], rows.time[rows.offsets[filled + 1] - 1]
    longest = int((last - first).argmax())
    found = (
        f"no period of '{frequency.alias}' is whole: the longest series has rows from"
        f" {format_timestamp(first[longest], timezone)} to"
        f" {format_timestamp(last[longest], timezone)}"
    )
    cure = (
        "set a finer frequency, or clean.resample to mean or sum with clean.partial_periods: keep"
    )
    return Problem("clean.frequency", found, cure)


def remaining_problems(count: int, kind: str) -> list[Problem]:
    """A problem that counts those of `count` that are not written out, if there are any."""
    return (
        [Problem("", f"… and {count - MAX_SHOWN_PROBLEMS:,} more {kind}")]
        if count > MAX_SHOWN_PROBLEMS
        else []
    )
