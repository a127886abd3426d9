"""From a table of rows in any order to a panel: each series on a regular calendar, gaps as NaN.

Nothing is repaired silently: :class:`Changes` counts all that was done, a series at a time, and
what cannot be decided without the user is a fault. :func:`inspect` lists the faults,
:func:`regularize` raises them. The work grows with the rows, never with the series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.faults import (
    nearly_empty,
    nothing_left,
    off_grid,
    refused_duplicates,
    steps_of,
    too_sparse,
)
from rnnforecast.data.frequency import Bools, Frequency, Ints, parse
from rnnforecast.data.grid import Grid, Vote, infer, lay, one_step, per_series
from rnnforecast.data.panel import Panel, labels
from rnnforecast.data.rows import Rows, combine, observed_span, repeated, sort
from rnnforecast.errors import DataError, Problem, SpecError

if TYPE_CHECKING:
    from rnnforecast.data.read import Table

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Changes:
    """What cleaning found and changed, in sum and for each series."""

    frequency: Frequency
    vote: Vote | None
    """How the frequency was inferred; None if it was given."""
    faults: tuple[Problem, ...]
    """What has to be decided by the user first; empty for a panel that could be built."""
    agreement: float
    """Share [0, 1] of the steps between consecutive stamps that are one step long."""
    rows: int
    """Rows in the file."""
    out_of_order: int
    """Rows earlier than the row of the same series before them; sorted."""
    duplicates: int
    """Rows whose series and stamp were there already; combined by the rule."""
    off_grid: int
    """Rows between two steps of the calendar; always a fault."""
    gaps: int
    """Steps the file has no row for; filled with NaN."""
    missing: int
    """Values that are blank in a row of the file, inside the observed span; kept as NaN."""
    infinite: int
    """Values that are infinite in the file; taken as missing."""
    leading: int
    """Rows before a series' first observed value; dropped."""
    trailing: int
    """Rows after a series' last observed value; dropped."""
    skipped: dict[str, str]
    """Label -> reason of each series that is not in the panel."""
    steps: int
    """Steps of the panel, all series together."""
    series: pd.DataFrame
    """[S of the table] the same numbers for each series: label, rows, start, end, agreement, gaps,
    duplicates, out_of_order, off_grid, missing, leading, trailing, constant (targets that never
    change), observed (steps with a value), too_short, steps, skipped (the reason, or "")."""


def regularize(
    table: Table,
    *,
    frequency: str = "auto",
    duplicates: str = "error",
    minimum_length: int = 1,
    skip_faulty: bool = False,
) -> tuple[Panel, Changes]:
    """The table as a regular panel, and what had to be changed for it.

    ``frequency`` is an alias or ``auto`` (voted by the series). Rows of one series with one stamp
    are refused (``error``) or become the ``first`` or ``last`` of them in file order, or the
    ``mean`` or ``sum`` of their observed values. Series with fewer than ``minimum_length`` steps
    with a value are left out by name; with ``skip_faulty`` so are series with refused duplicates,
    stamps off the grid or a calendar that is nearly empty. Raises DataError with every fault at
    once, and SpecError for an alias that is none.
    """
    rows, grid, changes = _examine(table, frequency, duplicates, minimum_length, skip_faulty)
    if changes.faults:
        raise DataError(*changes.faults)
    return _lay_out(table, rows, grid, changes), changes


def inspect(
    table: Table,
    *,
    frequency: str = "auto",
    duplicates: str = "error",
    minimum_length: int = 1,
) -> Changes:
    """What :func:`regularize` would find and change, with its faults listed instead of raised.

    Refused duplicates are counted and the first of them used for the other numbers. Raises only
    where there is no frequency to count with: DataError if it cannot be inferred or does not fit
    the kind of time, SpecError for an alias that is none.
    """
    return _examine(table, frequency, duplicates, minimum_length)[2]


def _examine(
    table: Table, alias: str, duplicates: str, minimum_length: int, skip_faulty: bool = False
) -> tuple[Rows, Grid, Changes]:
    """The rows and ordinals of the panel (those of kept series' observed spans), and the counts."""
    names = labels(table.keys)
    rows, out_of_order = sort(table)
    frequency, vote = _frequency(rows, alias)
    found: dict[str, Any] = {"label": names, "rows": np.diff(rows.offsets)}
    zero = np.zeros((), dtype=rows.time.dtype)
    found["start"] = per_series(np.minimum, rows.time, rows.offsets, zero)
    found["end"] = per_series(np.maximum, rows.time, rows.offsets, zero)

    again = repeated(rows)
    found["out_of_order"] = out_of_order
    found["duplicates"] = np.bincount(rows.codes[again], minlength=rows.size)
    refuse = duplicates == "error"
    faults = refused_duplicates(table, rows, again, names) if refuse else []
    rows = combine(rows, again, "first" if refuse else duplicates)

    grid = lay(frequency, rows.time, rows.offsets)
    found["agreement"], agreement = _agreement(rows, grid)
    rows, grid = _within_span(rows, grid, found)
    _count_values(rows, found)
    observed = found["observed"]
    found["too_short"] = observed < max(minimum_length, 1)
    found["skipped"] = _reasons(observed, minimum_length)
    rows, grid = _leave_out(rows, grid, found["skipped"], found["too_short"], "")

    found["off_grid"] = np.bincount(rows.codes[~grid.on], minlength=rows.size)
    faults += off_grid(table, rows, grid, frequency, names)
    if skip_faulty:
        twice = found["duplicates"] * refuse > 0
        rows, grid = _leave_out(rows, grid, found["skipped"], twice, "repeated stamps")
        off = found["off_grid"] > 0
        rows, grid = _leave_out(rows, grid, found["skipped"], off, "stamps off the grid")
        faults += too_sparse(table, rows, grid.ordinals, frequency, names)
        sparse = nearly_empty(rows, grid.ordinals)
        rows, grid = _leave_out(rows, grid, found["skipped"], sparse, "a gap of very many steps")
        faults = [] if len(rows.codes) else faults
    if grid.on.all():
        faults += too_sparse(table, rows, grid.ordinals, frequency, names)
    faults += nothing_left(observed, minimum_length)
    found["steps"] = steps_of(rows, grid.ordinals)
    found["gaps"] = np.maximum(found["steps"] - np.diff(rows.offsets), 0)
    return rows, grid, _changes(table, frequency, vote, agreement, found, faults)


def _changes(
    table: Table,
    frequency: Frequency,
    vote: Vote | None,
    agreement: float,
    found: dict[str, Any],
    faults: list[Problem],
) -> Changes:
    counts = ("rows", "out_of_order", "duplicates", "off_grid", "gaps", "missing", "leading",
              "trailing", "steps")  # fmt: skip
    left_out = found["skipped"] != ""
    return Changes(
        frequency=frequency,
        vote=vote,
        faults=tuple(faults),
        agreement=agreement,
        infinite=table.infinite,
        skipped=dict(zip(found["label"][left_out], found["skipped"][left_out], strict=True)),
        series=pd.DataFrame(found),
        **{name: int(found[name].sum()) for name in counts},
    )


def _lay_out(table: Table, rows: Rows, grid: Grid, changes: Changes) -> Panel:
    """The panel of the kept series' rows, every step between the first and the last one there."""
    keep = (changes.series["steps"] > 0).to_numpy()
    lengths = changes.series["steps"].to_numpy()[keep]
    offsets = np.r_[0, np.cumsum(lengths)]  # [S + 1] of the panel
    start = per_series(np.minimum, grid.ordinals, rows.offsets, 0)[keep]
    targets = rows.values  # [R, C]
    if offsets[-1] > len(rows.codes):
        filled = np.diff(rows.offsets)[keep]
        place = grid.ordinals + np.repeat(offsets[:-1] - start, filled)  # [R]
        targets = np.full((int(offsets[-1]), targets.shape[1]), np.nan)  # [N, C]
        targets[place] = rows.values
    return Panel(
        keys=table.keys.loc[keep].reset_index(drop=True),
        offsets=offsets,
        start=start,
        phase=grid.phase[keep],
        frequency=changes.frequency,
        timezone=table.timezone,
        targets_names=tuple(table.roles.targets),
        targets=targets,
        observed=~np.isnan(targets),
    )


def _frequency(rows: Rows, alias: str) -> tuple[Frequency, Vote | None]:
    if alias == "auto":
        vote = infer(rows.codes, rows.time)
        return vote.frequency, vote
    try:
        frequency = parse(alias)
    except ValueError as error:
        raise SpecError(Problem("clean.frequency", str(error))) from error
    whole = rows.time.dtype.kind != "M"
    if whole != (frequency.kind == "integer"):
        held, cure = ("whole numbers", "1") if whole else ("dates", "h, D, W-SUN or MS")
        found = f"'{alias}' does not fit a time column that holds {held}"
        raise DataError(Problem("clean.frequency", found, f"set it to {cure}, or to auto"))
    return frequency, None


def _take(rows: Rows, grid: Grid, mask: Bools) -> tuple[Rows, Grid]:
    if mask.all():
        return rows, grid
    return rows.take(mask), Grid(grid.ordinals[mask], grid.phase, grid.on[mask])


def _agreement(rows: Rows, grid: Grid) -> tuple[Floats, float]:
    """The share of steps between stamps that are one step long: [S], and of all; NaN if no step."""
    inside = rows.codes[1:] == rows.codes[:-1]
    steps = np.bincount(rows.codes[1:][inside], minlength=rows.size)
    agree = np.bincount(rows.codes[1:][inside & one_step(grid)], minlength=rows.size)
    share = np.where(steps > 0, agree / np.maximum(steps, 1), np.nan)
    return share, float(agree.sum() / steps.sum()) if steps.any() else float("nan")


def _within_span(rows: Rows, grid: Grid, found: dict[str, Any]) -> tuple[Rows, Grid]:
    """Without the rows before a series' first and after its last observed value; counts them."""
    first, stop = observed_span(rows)
    found["leading"], found["trailing"] = first - rows.offsets[:-1], rows.offsets[1:] - stop
    row = np.arange(len(rows.codes))
    return _take(rows, grid, (row >= first[rows.codes]) & (row < stop[rows.codes]))


def _leave_out(
    rows: Rows, grid: Grid, reasons: npt.NDArray[Any], out: Bools, reason: str
) -> tuple[Rows, Grid]:
    """Without the series ``out`` [S]; those that had no reason in ``reasons`` [S] get this one."""
    reasons[out & (reasons == "")] = reason
    return _take(rows, grid, ~out[rows.codes])


def _count_values(rows: Rows, found: dict[str, Any]) -> None:
    blank = np.isnan(rows.values)
    found["observed"] = np.bincount(rows.codes[~blank.all(axis=1)], minlength=rows.size)
    found["missing"] = per_series(np.add, blank.sum(axis=1), rows.offsets, 0)
    found["constant"] = _constant(rows)


def _constant(rows: Rows) -> Ints:
    """[S] the number of targets whose observed values are all the same (or that have none)."""
    low = per_series(np.fmin, rows.values, rows.offsets, np.nan)  # [S, C]
    high = per_series(np.fmax, rows.values, rows.offsets, np.nan)
    return np.asarray(((low == high) | np.isnan(low)).sum(axis=1), dtype=np.int64)


def _reasons(observed: Ints, minimum_length: int) -> npt.NDArray[Any]:
    """[S] why a series is not in the panel, "" where it is."""
    reasons = np.full(len(observed), "", dtype=object)
    reasons[observed < minimum_length] = f"fewer than {minimum_length:,} observed values"
    reasons[observed == 0] = "no observed value"
    return reasons
