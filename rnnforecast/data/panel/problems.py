"""What is wrong with a table that only its owner can decide, in words with line numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from rnnforecast.data.panel.sorted_rows import Rows
from rnnforecast.data.time.frequency import (
    DAY,
    MINUTE,
    SECOND,
    Frequency,
)
from rnnforecast.data.time.grid import Grid, fixed_alias, per_series
from rnnforecast.errors import Problem
from rnnforecast.types import Bools, Ints

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table

SHOWN = 5  # problems of one kind that are spelt out; the others are a number
SPARSEST = 100  # steps a row; a calendar emptier than this comes from a typo in a year
SMALL = 10_000  # steps; an empty calendar of up to this size does no harm

Names = npt.NDArray[Any]


def refused_duplicates(
    table: Table, rows: Rows, duplicate_mask: Bools, labels: Names, timezone: str = ""
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
            table.lines.where(int(rows.file[row])),
            f"series '{labels[rows.codes[row]]}' has {spoken(rows.time[row], timezone)} again, after "
            f"{table.lines.where(int(rows.file[one]))}",
            cure if number == 0 else "",
        )
        for number, (row, one) in enumerate(zip(at[:SHOWN], first[:SHOWN], strict=True))
    ]
    return problems + _more(len(at), "repeated stamps")


def off_grid(
    table: Table,
    rows: Rows,
    grid: Grid,
    frequency: Frequency,
    labels: Names,
    timezone: str = "",
) -> list[Problem]:
    """One problem for each row whose stamp lies between two steps of its series' calendar."""
    at = np.flatnonzero(~grid.on)
    if len(at) == 0:
        return []
    shown = at[:SHOWN]
    phase = grid.phase[rows.codes[shown]]
    step = frequency.stamps(grid.ordinals[shown], phase)
    before = grid.ordinals[shown] - (step > rows.time[shown])
    low, high = frequency.stamps(before, phase), frequency.stamps(before + 1, phase)
    finer = _finer(rows, at, frequency)
    other = f"set clean.frequency to {finer}" if finer else "set another clean.frequency"
    problems = [
        Problem(
            table.lines.where(int(rows.file[row])),
            f"series '{labels[rows.codes[row]]}' has {spoken(rows.time[row], timezone)}, which is "
            f"between {spoken(low[number], timezone)} and {spoken(high[number], timezone)} on its grid "
            f"'{frequency.alias}'",
            f"correct the stamp or {other}" if number == 0 else "",
        )
        for number, row in enumerate(shown)
    ]
    return problems + _more(len(at), "stamps off the grid")


def too_sparse(
    table: Table,
    rows: Rows,
    ordinals: Ints,
    frequency: Frequency,
    labels: Names,
    timezone: str = "",
) -> list[Problem]:
    """A problem if the calendar is nearly empty, naming both sides of the widest gap."""
    steps = int(steps_of(rows, ordinals).sum())
    in_all = steps > max(SPARSEST * len(rows.codes), SMALL)
    if not in_all and not nearly_empty(rows, ordinals).any():
        return []
    wide = np.diff(ordinals)
    wide[rows.codes[1:] != rows.codes[:-1]] = 0
    row = int(wide.argmax())
    found = (
        f"between {spoken(rows.time[row], timezone)} and {spoken(rows.time[row + 1], timezone)} series "
        f"'{labels[rows.codes[row]]}' has no row for {int(wide[row]) - 1:,} steps of "
        f"'{frequency.alias}'; the panel would have {steps:,} steps for "
        f"{len(rows.codes):,} rows"
    )
    where = " and ".join(table.lines.where(int(rows.file[one])) for one in (row, row + 1))
    return [Problem(where, found, "correct the stamp or set a coarser clean.frequency")]


def nearly_empty(rows: Rows, ordinals: Ints) -> Bools:
    """[S] whether a series' calendar is so empty that a stamp must be a slip."""
    allowed = np.maximum(SPARSEST * np.diff(rows.offsets), SMALL)
    return np.asarray(steps_of(rows, ordinals) > allowed)


def steps_of(rows: Rows, ordinals: Ints) -> Ints:
    """[S] steps from each series' first row to its last one; 0 for a series without rows."""
    first = per_series(np.minimum, ordinals, rows.offsets, 0)
    last = per_series(np.maximum, ordinals, rows.offsets, -1)
    return np.asarray(last - first + 1, dtype=np.int64)


def nothing_left(observed: Ints, minimum_length: int) -> list[Problem]:
    """A problem if no series has ``minimum_length`` observed steps; ``observed`` [S]."""
    if (observed >= max(minimum_length, 1)).any():
        return []
    if not observed.any():
        return [Problem("", "no row has a value of a target", "check data.targets")]
    found = f"no series has {minimum_length:,} observed values; the longest has {observed.max():,}"
    return [Problem("", found, "set a smaller clean.minimum_length or give longer series")]


def spoken(timestamp: Any, timezone: str = "") -> str:
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
        clock = "" if " " in spoken(bare) else " 00:00"
        return f"{spoken(bare)}{clock}{local.isoformat()[-6:]}"
    ticks = int(timestamp.astype("datetime64[us]").astype(np.int64))
    shortest = ((DAY, "D"), (MINUTE, "m"), (SECOND, "s"), (1, "us"))
    unit = next(unit for size, unit in shortest if ticks % size == 0)
    return str(timestamp.astype(f"datetime64[{unit}]")).replace("T", " ")


def _more(count: int, kind: str) -> list[Problem]:
    return [Problem("", f"… and {count - SHOWN:,} more {kind}")] if count > SHOWN else []


def _finer(rows: Rows, off_grid_rows: Ints, frequency: Frequency) -> str:
    """The coarsest simple frequency on whose grid the rows ``at`` and their series lie, or ""."""
    affected = np.zeros(rows.size, dtype=np.bool_)
    affected[rows.codes[off_grid_rows]] = True
    inside = (rows.codes[1:] == rows.codes[:-1]) & affected[rows.codes[1:]]
    common = int(np.gcd.reduce(np.diff(rows.time).astype(np.int64)[inside]))
    if frequency.kind == "business":
        return "D" if common % DAY == 0 else ""
    # A step split into very many parts is a slip of one row, not the true frequency.
    if frequency.kind == "month" or common * 60 < frequency.step:
        return ""
    return str(common) if frequency.kind == "integer" else fixed_alias(common)
