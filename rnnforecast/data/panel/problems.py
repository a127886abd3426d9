"""What is wrong with a table that only its owner can decide, in words with line numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.frequency import (
    DAY,
    MINUTE,
    SECOND,
    Frequency,
)
from rnnforecast.data.time.grid import Grid, fixed_alias, reduce_per_series
from rnnforecast.errors import Problem
from rnnforecast.types import Bools, Ints

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table

MAX_SHOWN_PROBLEMS = 5  # problems of one kind that are spelt out; the others are a number
MAX_STEPS_PER_ROW = 100  # steps a row; a calendar emptier than this comes from a typo in a year
MIN_SPARSE_STEPS = 10_000  # steps; an empty calendar of up to this size does no harm

Labels = npt.NDArray[Any]


def duplicate_problems(
    table: Table, rows: SortedRows, duplicate_mask: Bools, labels: Labels, timezone: str = ""
) -> list[Problem]:
    """One problem for each row whose series and stamp were there already (``again`` [R])."""
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
            f"series '{labels[rows.codes[row]]}' has {format_timestamp(rows.time[row], timezone)} again, after "
            f"{table.line_index.location(int(rows.table_rows[one]))}",
            cure if number == 0 else "",
        )
        for number, (row, one) in enumerate(
            zip(at[:MAX_SHOWN_PROBLEMS], first[:MAX_SHOWN_PROBLEMS], strict=True)
        )
    ]
    return problems + _remaining_problems(len(at), "repeated stamps")


def off_grid_problems(
    table: Table,
    rows: SortedRows,
    grid: Grid,
    frequency: Frequency,
    labels: Labels,
    timezone: str = "",
) -> list[Problem]:
    """One problem for each row whose stamp lies between two steps of its series' calendar."""
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
            f"series '{labels[rows.codes[row]]}' has {format_timestamp(rows.time[row], timezone)}, which is "
            f"between {format_timestamp(low[number], timezone)} and {format_timestamp(high[number], timezone)} on its grid "
            f"'{frequency.alias}'",
            f"correct the stamp or {other}" if number == 0 else "",
        )
        for number, row in enumerate(shown)
    ]
    return problems + _remaining_problems(len(at), "stamps off the grid")


def sparse_grid_problems(
    table: Table,
    rows: SortedRows,
    ordinals: Ints,
    frequency: Frequency,
    labels: Labels,
    timezone: str = "",
) -> list[Problem]:
    """A problem if the calendar is nearly empty, naming both sides of the widest gap."""
    steps = int(steps_per_series(rows, ordinals).sum())
    in_all = steps > max(MAX_STEPS_PER_ROW * len(rows.codes), MIN_SPARSE_STEPS)
    if not in_all and not sparse_series_mask(rows, ordinals).any():
        return []
    wide = np.diff(ordinals)
    wide[rows.codes[1:] != rows.codes[:-1]] = 0
    row = int(wide.argmax())
    found = (
        f"between {format_timestamp(rows.time[row], timezone)} and {format_timestamp(rows.time[row + 1], timezone)} series "
        f"'{labels[rows.codes[row]]}' has no row for {int(wide[row]) - 1:,} steps of "
        f"'{frequency.alias}'; the panel would have {steps:,} steps for "
        f"{len(rows.codes):,} rows"
    )
    where = " and ".join(
        table.line_index.location(int(rows.table_rows[one])) for one in (row, row + 1)
    )
    return [Problem(where, found, "correct the stamp or set a coarser clean.frequency")]


def sparse_series_mask(rows: SortedRows, ordinals: Ints) -> Bools:
    """[S] whether a series' calendar is so empty that a stamp must be a slip."""
    allowed = np.maximum(MAX_STEPS_PER_ROW * np.diff(rows.offsets), MIN_SPARSE_STEPS)
    return np.asarray(steps_per_series(rows, ordinals) > allowed)


def steps_per_series(rows: SortedRows, ordinals: Ints) -> Ints:
    """[S] steps from each series' first row to its last one; 0 for a series without rows."""
    first = reduce_per_series(np.minimum, ordinals, rows.offsets, 0)
    last = reduce_per_series(np.maximum, ordinals, rows.offsets, -1)
    return np.asarray(last - first + 1, dtype=np.int64)


def empty_panel_problems(observed: Ints, min_length: int) -> list[Problem]:
    """A problem if no series has ``min_length`` observed steps; ``observed`` [S]."""
    if (observed >= max(min_length, 1)).any():
        return []
    if not observed.any():
        return [Problem("", "no row has a value of a target", "check data.targets")]
    found = f"no series has {min_length:,} observed values; the longest has {observed.max():,}"
    return [Problem("", found, "set a smaller clean.min_length or give longer series")]


def format_timestamp(timestamp: Any, timezone: str = "") -> str:
    """A stamp as short as it can be written: ``2024-01-06``, ``2024-01-06 13:30``, ``17``.

    With a `zone` it is an instant of UTC, and told in local time with its offset.
    """
    if not isinstance(timestamp, np.datetime64):
        return str(timestamp)
    if timezone:
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            microseconds=int(timestamp.astype("datetime64[us]").astype(np.int64))
        )
        local = instant.astimezone(ZoneInfo(timezone))
        bare = np.datetime64(local.replace(tzinfo=None), "us")
        clock = "" if " " in format_timestamp(bare) else " 00:00"
        return f"{format_timestamp(bare)}{clock}{local.isoformat()[-6:]}"
    ticks = int(timestamp.astype("datetime64[us]").astype(np.int64))
    shortest = ((DAY, "D"), (MINUTE, "m"), (SECOND, "s"), (1, "us"))
    unit = next(unit for size, unit in shortest if ticks % size == 0)
    return str(timestamp.astype(f"datetime64[{unit}]")).replace("T", " ")


def _remaining_problems(count: int, kind: str) -> list[Problem]:
    return (
        [Problem("", f"… and {count - MAX_SHOWN_PROBLEMS:,} more {kind}")]
        if count > MAX_SHOWN_PROBLEMS
        else []
    )


def _finer_alias(rows: SortedRows, off_grid_rows: Ints, frequency: Frequency) -> str:
    """The coarsest simple frequency on whose grid the rows ``at`` and their series lie, or ""."""
    affected = np.zeros(rows.n_series, dtype=np.bool_)
    affected[rows.codes[off_grid_rows]] = True
    inside = (rows.codes[1:] == rows.codes[:-1]) & affected[rows.codes[1:]]
    common = int(np.gcd.reduce(np.diff(rows.time).astype(np.int64)[inside]))
    if frequency.kind == "business":
        return "D" if common % DAY == 0 else ""
    # A step split into very many parts is a slip of one row, not the true frequency.
    if frequency.kind == "month" or common * 60 < frequency.step:
        return ""
    return str(common) if frequency.kind == "integer" else fixed_alias(common)
