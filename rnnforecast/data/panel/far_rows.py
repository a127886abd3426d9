"""Rows at an end of a series whose date is far from all others, as with a wrong year."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnforecast.data.io.diagnostics import MAX_SHOWN_PROBLEMS
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.problems import Labels, remaining_problems
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.time.frequency import Frequency
from rnnforecast.data.time.grid import reduce_per_series
from rnnforecast.errors import Problem
from rnnforecast.types import Bools, Ints, Timestamps

MIN_ROWS_TO_JUDGE = 10
"""Shorter series have too few rows to tell which are far from the others."""
MAX_FAR_ROWS = 3
"""The most rows at either end of a series that are taken as far from the others."""
MIN_FAR_STEPS = 8
"""A gap of fewer steps is not far."""
FAR_FACTOR = 10
"""A gap is far if it is more than this many times the widest gap inside the series."""


def far_rows_mask(rows: SortedRows, ordinals: Ints, frequency: Frequency) -> Bools:
    """[R] whether the row is one of the first or last three of its series, and so far from the
    others that its date is likely wrong.

    It lies beyond a gap that is many times the widest gap between the other rows. This gap is
    longer than all other rows together, or the year explains it: with another year, the row would
    fill a missing step or continue the series.
    """
    mask = np.zeros(len(rows.codes), dtype=np.bool_)
    gaps = np.diff(ordinals, append=ordinals[-1:])  # [R] steps to the next row
    gaps[rows.offsets[1:][np.diff(rows.offsets) > 0] - 1] = 0
    if not (gaps > MIN_FAR_STEPS).any():  # the usual case
        return mask
    candidates = _find_candidates(rows, ordinals, gaps)
    at = candidates.rows
    if not len(at):
        return mask
    distance = np.maximum(candidates.first - ordinals[at], ordinals[at] - candidates.last)
    mask[at] = (distance > candidates.last - candidates.first) | _fits_in_another_year(
        rows, ordinals, candidates, frequency
    )
    return mask


@dataclass(frozen=True)
class _Candidates:
    """K rows beyond a wide gap, and the ordinals of the first and last row on the other side."""

    rows: Ints  # [K]
    first: Ints  # [K]
    last: Ints  # [K]


def _find_candidates(rows: SortedRows, ordinals: Ints, gaps: Ints) -> _Candidates:
    sizes, begins = np.diff(rows.offsets), rows.offsets[:-1]
    codes = rows.codes
    position = np.arange(len(gaps)) - begins[codes]
    to_end = sizes[codes] - 1 - position
    in_head, in_tail = position < MAX_FAR_ROWS, to_end <= MAX_FAR_ROWS
    inner = np.where(in_head | in_tail, 0, gaps)
    widest = reduce_per_series(np.maximum, inner, rows.offsets, 0)  # [S]
    limit = np.maximum(MIN_FAR_STEPS, FAR_FACTOR * np.maximum(widest, 1))
    is_far = (gaps > limit[codes]) & (sizes >= MIN_ROWS_TO_JUDGE)[codes]
    head_stop = np.where(is_far & in_head, position + 1, 0)
    tail_start = np.where(is_far & in_tail & ~in_head, position + 1, sizes[codes])
    head = reduce_per_series(np.maximum, head_stop, rows.offsets, 0)  # [S] rows before the gap
    tail = reduce_per_series(np.minimum, tail_start, rows.offsets, 0)  # [S] rows up to the gap
    at = np.flatnonzero((position < head[codes]) | (position >= tail[codes]))
    series = codes[at]
    first = ordinals[begins[series] + head[series]]
    last = ordinals[begins[series] + tail[series] - 1]
    return _Candidates(at, first, last)


def _fits_in_another_year(
    rows: SortedRows, ordinals: Ints, candidates: _Candidates, frequency: Frequency
) -> Bools:
    """[K] whether the row would fill a missing step or continue the series in another year."""
    at = candidates.rows
    found = np.zeros(len(at), dtype=np.bool_)
    if rows.time.dtype.kind != "M":
        return found
    span = int(ordinals.max()) - int(ordinals.min()) + 1 + 2 * MAX_FAR_ROWS
    low = int(ordinals.min()) - MAX_FAR_ROWS
    taken = rows.codes.astype(np.int64) * span + (ordinals - low)
    years = rows.time.astype("datetime64[Y]").astype(np.int64)
    is_other = np.ones(len(years), dtype=np.bool_)
    is_other[at] = False
    for year in range(int(years[is_other].min()) + 1970, int(years[is_other].max()) + 1972):
        moved = frequency.ordinals(_with_year(rows.time[at], year))
        near = (moved >= candidates.first - 1) & (moved <= candidates.last + MAX_FAR_ROWS)
        key = rows.codes[at].astype(np.int64) * span + (moved - low)
        place = np.minimum(np.searchsorted(taken, key), len(taken) - 1)
        found |= near & (years[at] + 1970 != year) & (taken[place] != key)
    return found


def _with_year(time: Timestamps, year: int) -> Timestamps:
    """[K] the timestamps [K] in another year (February 29 as March 1 where there is none)."""
    month = time.astype("datetime64[M]")
    moved = month + (year - 1970 - time.astype("datetime64[Y]").astype(np.int64)) * 12
    other: Timestamps = moved.astype(time.dtype) + (time - month.astype(time.dtype))
    return other


def far_row_places(
    table: Table, rows: SortedRows, far_mask: Bools, timezone: str = ""
) -> dict[int, str]:
    """The date and the line of the first row of `far_mask` [R] of the first few series with one."""
    at = np.flatnonzero(far_mask)
    series, first = np.unique(rows.codes[at], return_index=True)
    return {
        int(code): f"{format_timestamp(rows.time[row], timezone)} in"
        f" {table.line_index.location(int(rows.table_rows[row]))}"
        for code, row in zip(series[:MAX_SHOWN_PROBLEMS], at[first], strict=False)
    }


def far_row_problems(
    table: Table,
    rows: SortedRows,
    far_mask: Bools,
    frequency: Frequency,
    labels: Labels,
    timezone: str = "",
) -> list[Problem]:
    """Problems of the rows of `far_mask` [R], see `far_rows_mask`."""
    problems: list[Problem] = []
    for row in np.flatnonzero(far_mask)[:MAX_SHOWN_PROBLEMS]:
        begin, end = rows.offsets[rows.codes[row]], rows.offsets[rows.codes[row] + 1]
        own = rows.time[begin:end][~far_mask[begin:end]]
        found = (
            f"series '{labels[rows.codes[row]]}' has {format_timestamp(rows.time[row], timezone)},"
            f" far from its other rows from {format_timestamp(own[0], timezone)} to"
            f" {format_timestamp(own[-1], timezone)} ({frequency.alias})"
        )
        cure = "correct the timestamp or delete the row; if it is right, set clean.far_rows to keep"
        location = table.line_index.location(int(rows.table_rows[row]), table.roles.time)
        problems.append(Problem(location, found, "" if problems else cure))
    n_rows = int(far_mask.sum())
    return problems + remaining_problems(n_rows, "rows far from the others of their series")
