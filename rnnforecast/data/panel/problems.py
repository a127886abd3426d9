"""Problems of rows that only the user can resolve, with their lines and a cure."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnforecast.data.io.diagnostics import MAX_SHOWN_PROBLEMS
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.fill_by_rule import SeriesBounds
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.time.frequency import DAY, Frequency, fixed_alias
from rnnforecast.data.time.grid import Grid, reduce_per_series
from rnnforecast.data.time.timezones import LocalizedTimestamps
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Bools, Ints

MAX_STEPS_PER_ROW = 100
"""More steps per row than this are taken as the result of a wrong year."""
MIN_SPARSE_STEPS = 10_000
"""Grids of up to this many steps are accepted however empty they are."""
MAX_STEPS_OF_FEW_ROWS = 10_000_000
"""Panels of up to this many steps are accepted however few rows they are filled from."""
LATE_END_SHARE = 0.1
"""A last row is late if it comes after at least this share of the time of all other rows, …"""
MIN_LATE_STEPS = 30
"""… this number of steps, and twice the longest gap before."""

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
    problems = [
        Problem(
            table.line_index.location(int(rows.table_rows[row])),
            f"series '{labels[rows.codes[row]]}' has {format_timestamp(rows.time[row], timezone)}"
            f" again, after {table.line_index.location(int(rows.table_rows[one]))}",
            cure if number == 0 else "",
        )
        for number, (row, one) in enumerate(
            zip(at[:MAX_SHOWN_PROBLEMS], first[:MAX_SHOWN_PROBLEMS], strict=True)
        )
    ]
    return problems + _remaining_problems(len(at), "repeated timestamps")


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
    return problems + _remaining_problems(len(rows), kind)


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
    finer = _finer_alias(rows, at, frequency)
    other = f"set clean.frequency to {finer}" if finer else "set another clean.frequency"
    problems = [
        Problem(
            table.line_index.location(int(rows.table_rows[row])),
            f"series '{labels[rows.codes[row]]}' has {format_timestamp(rows.time[row], timezone)},"
            f" which is between {format_timestamp(low[number], timezone)} and"
            f" {format_timestamp(high[number], timezone)} on its grid '{frequency.alias}'",
            f"correct the timestamp or {other}" if number == 0 else "",
        )
        for number, row in enumerate(shown)
    ]
    return problems + _remaining_problems(len(at), "timestamps off the grid")


def sparse_grid_problems(
    table: Table,
    rows: SortedRows,
    ordinals: Ints,
    frequency: Frequency,
    labels: Labels,
    timezone: str = "",
) -> list[Problem]:
    """A problem if the grid of all series or of one is nearly empty; it names the widest gap."""
    steps = int(steps_per_series(rows, ordinals).sum())
    in_all = steps > max(MAX_STEPS_PER_ROW * len(rows.codes), MIN_SPARSE_STEPS)
    if not in_all and not sparse_series_mask(rows, ordinals).any():
        return []
    wide = np.diff(ordinals)
    wide[rows.codes[1:] != rows.codes[:-1]] = 0
    row = int(wide.argmax())
    found = (
        f"between {format_timestamp(rows.time[row], timezone)} and"
        f" {format_timestamp(rows.time[row + 1], timezone)} series '{labels[rows.codes[row]]}' has"
        f" no row for {int(wide[row]) - 1:,} steps of '{frequency.alias}'; the panel would have"
        f" {steps:,} steps for {len(rows.codes):,} rows"
    )
    where = " and ".join(
        table.line_index.location(int(rows.table_rows[one])) for one in (row, row + 1)
    )
    return [Problem(where, found, "correct the timestamp or set a coarser clean.frequency")]


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
    if len(steps) < 3:
        return series, []
    gaps, at_end = np.diff(steps), known[grid.ordinals[known] == steps[-1]]
    usual = max(2 * gaps[:-1].max(), LATE_END_SHARE * (steps[-2] - steps[0]), MIN_LATE_STEPS)
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


def sparse_series_mask(rows: SortedRows, ordinals: Ints) -> Bools:
    """[S] whether a series' grid is so empty that a timestamp is likely wrong."""
    allowed = np.maximum(MAX_STEPS_PER_ROW * np.diff(rows.offsets), MIN_SPARSE_STEPS)
    return np.asarray(steps_per_series(rows, ordinals) > allowed)


def steps_per_series(rows: SortedRows, ordinals: Ints) -> Ints:
    """[S] steps from each series' first row to its last; 0 for a series without rows."""
    first = reduce_per_series(np.minimum, ordinals, rows.offsets, 0)
    last = reduce_per_series(np.maximum, ordinals, rows.offsets, -1)
    return np.asarray(last - first + 1, dtype=np.int64)


def empty_panel_problems(observed: Ints, min_length: int) -> list[Problem]:
    """A problem if no series has `min_length` observed steps, of `observed` [S]."""
    if (observed >= max(min_length, 1)).any():
        return []
    if not observed.any():
        return [Problem("", "no row has a value of a target", "check data.targets")]
    found = f"no series has {min_length:,} observed values; the longest has {observed.max():,}"
    return [Problem("", found, "set a smaller clean.min_length or give longer series")]


def _remaining_problems(count: int, kind: str) -> list[Problem]:
    return (
        [Problem("", f"… and {count - MAX_SHOWN_PROBLEMS:,} more {kind}")]
        if count > MAX_SHOWN_PROBLEMS
        else []
    )


def _finer_alias(rows: SortedRows, off_grid_rows: Ints, frequency: Frequency) -> str:
    """The coarsest frequency whose grid has all rows of the series with off-grid rows, or ""."""
    affected = np.zeros(rows.n_series, dtype=np.bool_)
    affected[rows.codes[off_grid_rows]] = True
    inside = (rows.codes[1:] == rows.codes[:-1]) & affected[rows.codes[1:]]
    common = int(np.gcd.reduce(np.diff(rows.time).astype(np.int64)[inside]))
    if frequency.kind == "business":
        return "D" if common % DAY == 0 else ""
    # A step split into more than 60 parts more likely comes from a wrong timestamp.
    if frequency.kind == "month" or common * 60 < frequency.step:
        return ""
    return str(common) if frequency.kind == "integer" else fixed_alias(common)
