"""Values by rule: with `clean.missing` zero or constant, a step without a value has that value.

A table of sales often has rows only where something was sold. The steps without a row are then no
unknown values but zeros, also before the first row of a series and after its last: all series go
on to the last value of the files, so that a table with zeros written out gives the same panel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.frequency import Frequency
from rnnforecast.data.time.grid import Grid
from rnnforecast.types import Bools, Floats, Ints

MAX_LEADING_SHARE = 0.1
"""A series may begin with values by rule for this share of all steps, see `SeriesBounds`."""
MAX_RUN_FACTOR = 2
"""… or for this number of times its longest later run of values by rule."""


@dataclass(frozen=True)
class SeriesBounds:
    """The ordinals of the first and the last step of each series, [S] each.

    A series that does not begin on its own begins with the first value of the files that is none by
    rule, unless it has only values by rule for much longer than ever after (see `MAX_LEADING_SHARE`
    and `MAX_RUN_FACTOR`): it is newer than the files, and begins with its first other value.
    """

    first: Ints
    last: Ints
    has_bounds: Bools
    """False for series without a value, and for those that are left as they are."""
    ended_early: Bools
    """Series that end with only values by rule for much longer than ever before."""


@dataclass(frozen=True)
class FilledRows:
    """Rows with those that were added; the counts are [S]."""

    rows: SortedRows
    grid: Grid
    is_added: Bools
    """[R] rows for steps that had none."""
    set_values: Ints
    """Blank cells of rows of the files that have a value by rule."""
    dropped_rows: Ints
    """Rows of the files before the first step, with values by rule only."""


def find_bounds(
    rows: SortedRows,
    grid: Grid,
    fill_values: Floats,
    *,
    start: str,
    end: str,
    usable: Bools,
    span: Ints | None = None,
) -> SeriesBounds:
    """The bounds of each series.

    Args:
        fill_values: [C] the value of each target by rule, NaN for a target without one.
        start: `clean.start`: each, earliest, or auto (earliest but for newer series).
        end: `clean.end`: each or latest.
        usable: [S] False for series that are left as they are.
        span: [2] the first and the last ordinal of the files; that of their values if None.
    """
    targets = rows.values[:, : len(fill_values)]
    known = ~np.isnan(targets)
    own_first, own_last, has_value = _ordinal_range(rows, grid, np.asarray(known.any(axis=1)))
    has_bounds = has_value & usable
    never = np.zeros(rows.n_series, dtype=np.bool_)
    if not has_bounds.any():
        return SeriesBounds(own_first, own_last, has_bounds, never)
    with np.errstate(invalid="ignore"):
        telling = np.asarray((known & (targets != fill_values)).any(axis=1))  # [R]
    first_other, last_other, has_other = _ordinal_range(rows, grid, telling)
    has_other &= has_bounds
    if span is None:
        span = np.array([own_first[has_bounds].min(), own_last[has_bounds].max()])
        if start == "auto" and has_other.any():  # values by rule before it need not be in the files
            span[0] = first_other[has_other].min()
    earliest, latest = span.tolist()
    first = own_first if start == "each" else np.full_like(own_first, earliest)
    last = own_last if end == "each" else np.full_like(own_last, latest)
    first, last = np.where(has_bounds, first, own_first), np.where(has_bounds, last, own_last)
    inner = _longest_inner_run(rows.codes[telling], grid.ordinals[telling], rows.n_series)
    leading, trailing = first_other - first, last - last_other
    long_run = MAX_LEADING_SHARE * (latest - earliest + 1)
    is_newer = has_other & (leading > np.maximum(long_run, MAX_RUN_FACTOR * inner))
    is_newer &= leading > MAX_RUN_FACTOR * trailing
    ended_early = has_other & (trailing > np.maximum(long_run, MAX_RUN_FACTOR * inner))
    if start == "auto":
        first = np.where(is_newer, first_other, first)
    return SeriesBounds(first, last, has_bounds, ended_early)


def fill_by_rule(
    rows: SortedRows,
    grid: Grid,
    frequency: Frequency,
    bounds: SeriesBounds,
    fill_values: Floats,
    *,
    max_gap: int | None = None,
    unknown_cells: tuple[Ints, Ints],
) -> FilledRows:
    """The rows with one for each step of a series, and the values by rule in their targets.

    Args:
        fill_values: [C] as in `find_bounds`. If all are NaN, only the first and the last step of a
            series get a row, with missing values.
        max_gap: the number of steps of a gap that get the value; the others stay missing.
        unknown_cells: rows of the table and columns of cells that stay missing: there was a value,
            and it was taken out.
    """
    is_early = (grid.ordinals < bounds.first[rows.codes]) & bounds.has_bounds[rows.codes]
    n_targets = len(fill_values)
    dropped = np.bincount(
        rows.codes[is_early & ~np.isnan(rows.values[:, :n_targets]).all(axis=1)],
        minlength=rows.n_series,
    )
    if is_early.any():
        rows = rows.filter(~is_early)
        grid = Grid(grid.ordinals[~is_early], grid.phase, grid.on_grid[~is_early])
    has_rule = not np.isnan(fill_values).all()
    rows, grid, is_new = _add_rows(rows, grid, frequency, bounds, all_steps=has_rule)
    blank = np.isnan(rows.values[:, :n_targets])
    inside = bounds.has_bounds[rows.codes] & (grid.ordinals <= bounds.last[rows.codes])
    fill = blank & inside[:, None] & ~np.isnan(fill_values)
    for column in np.unique(unknown_cells[1]):
        taken_out = np.isin(rows.table_rows, unknown_cells[0][unknown_cells[1] == column])
        fill[taken_out & ~is_new, column] = False
    if max_gap is not None:
        fill &= _steps_since_value(rows, blank) <= max_gap
    if fill.any():
        values = rows.values.copy()
        values[:, :n_targets][fill] = np.broadcast_to(fill_values, fill.shape)[fill]
        rows = replace(rows, values=values)
    return FilledRows(
        rows,
        grid,
        is_new,
        np.bincount(rows.codes, np.where(is_new, 0, fill.sum(axis=1)), rows.n_series).astype(int),
        dropped,
    )


def _add_rows(
    rows: SortedRows, grid: Grid, frequency: Frequency, bounds: SeriesBounds, *, all_steps: bool
) -> tuple[SortedRows, Grid, Bools]:
    """The rows with the missing ones between the bounds, their grid, and which of them are new.

    New rows have no value; their `table_rows` are those of the row before. Without `all_steps` only
    the first and the last step get a row.
    """
    series = np.flatnonzero(bounds.has_bounds)
    if all_steps:
        sizes = (bounds.last - bounds.first + 1)[series]
        codes = np.repeat(series, sizes)
        ordinals = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        ordinals += bounds.first[codes]
    else:
        codes = np.repeat(series, 2)
        ordinals = np.stack([bounds.first[series], bounds.last[series]], 1).reshape(-1)
    # a number for each series and ordinal, in the order of both
    low, high = int(grid.ordinals.min()), int(max(grid.ordinals.max(), bounds.last.max()))
    span = max(high, int(bounds.last.max())) - min(low, int(bounds.first.min())) + 1
    low = min(low, int(bounds.first.min()))
    own = rows.codes * span + (grid.ordinals - low)
    wanted = codes * span + (ordinals - low)
    position = np.searchsorted(own, wanted)
    has_row = own[np.minimum(position, len(own) - 1)] == wanted
    new = np.unique(wanted[~has_row])
    if not len(new):
        return rows, grid, np.zeros(len(rows.codes), dtype=np.bool_)
    at = np.searchsorted(own, new)
    n_rows = len(own) + len(new)
    new_at = at + np.arange(len(new))  # where they stand among all rows
    is_new = np.zeros(n_rows, dtype=np.bool_)
    is_new[new_at] = True
    source = np.cumsum(~is_new) - 1  # [R'] the row, or the one before a new row
    new_codes, new_ordinals = np.divmod(new, span)
    all_codes = np.empty(n_rows, dtype=rows.codes.dtype)
    all_codes[is_new], all_codes[~is_new] = new_codes, rows.codes
    all_ordinals = np.empty(n_rows, dtype=np.int64)
    all_ordinals[is_new], all_ordinals[~is_new] = new_ordinals + low, grid.ordinals
    time = np.empty(n_rows, dtype=rows.time.dtype)
    time[~is_new] = rows.time
    time[is_new] = frequency.timestamps(all_ordinals[is_new], grid.phase[all_codes[is_new]])
    values = np.full((n_rows, rows.values.shape[1]), np.nan)
    values[~is_new] = rows.values
    offsets = np.searchsorted(all_codes, np.arange(rows.n_series + 1))
    on_grid = np.ones(n_rows, dtype=np.bool_)
    on_grid[~is_new] = grid.on_grid
    filled = SortedRows(rows.table_rows[np.maximum(source, 0)], all_codes, time, values, offsets)
    return filled, Grid(all_ordinals, grid.phase, on_grid), is_new


def _ordinal_range(rows: SortedRows, grid: Grid, mask: Bools) -> tuple[Ints, Ints, Bools]:
    """[S] the first and the last ordinal of a row with `mask` [R], and whether there is one."""
    first = np.zeros(rows.n_series, dtype=np.int64)
    last = first.copy()
    chosen = np.flatnonzero(mask)
    series, head = np.unique(rows.codes[chosen], return_index=True)
    first[series] = grid.ordinals[chosen[head]]
    last[series] = grid.ordinals[chosen[np.r_[head[1:], len(chosen)][: len(series)] - 1]]
    has_row = np.zeros(rows.n_series, dtype=np.bool_)
    has_row[series] = True
    return first, last, has_row


def _longest_inner_run(codes: Ints, ordinals: Ints, n_series: int) -> Ints:
    """[S] the most steps between two of these rows [R] of a series; 0 with fewer than two."""
    gaps = np.diff(ordinals) - 1
    gaps[codes[1:] != codes[:-1]] = 0
    longest = np.zeros(n_series, dtype=np.int64)
    np.maximum.at(longest, codes[1:], gaps)
    return longest


def _steps_since_value(rows: SortedRows, blank: Bools) -> Ints:
    """[R, C] rows since the last value of the series; 0 at a value, and counted from the first row
    of the series before its first value."""
    row = np.arange(len(rows.codes))[:, None]
    last = np.maximum.accumulate(np.where(blank, -1, row), axis=0)
    return np.asarray(row - np.maximum(last, rows.offsets[rows.codes][:, None] - 1))
