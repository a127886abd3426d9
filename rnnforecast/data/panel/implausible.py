"""Implausible values: those so far beyond all others of their series that they must be errors.

A value is implausible if its size is more than `MAX_RATIO` times the largest usual one of its
series and column, or more than `MAX_CODE_RATIO` times if it is a number that systems write in place
of a missing value, such as 99999999 or the largest number of a type. The largest usual size is what
remains without a few cells (one in ten up to three, or one in a thousand), so that a new level or a
burst of many rows is not implausible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.missing_codes import MissingCodes
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.time.grid import reduce_per_series
from rnnforecast.errors import Problem
from rnnforecast.types import Floats, Ints

ImplausibleAction = Literal["missing", "keep"]

MAX_RATIO = 1000.0
"""The largest plausible size, relative to the largest usual size of the series."""
MAX_CODE_RATIO = 10.0
"""The same for numbers of `MISSING_CODES`."""
MIN_VALUES = 5
"""A series with fewer values is compared with the largest size in the other series."""
MAX_NAMED = 5
"""Most values that are named one by one."""
MISSING_CODES = np.array(
    [
        *(10.0**digits - 1 for digits in range(4, 16)),  # 9999, 99999, …
        *(2.0**bits - below for bits in (31, 32, 63, 64) for below in (0, 1)),
        *(10.0**power for power in (20, 30, 32, 35, 36, 37, 38)),
        9.96921e36,  # netCDF
        9.969209968386869e36,
        3.4028235e38,
        float(np.finfo(np.float32).max),
        float(np.finfo(np.float64).max),
    ]
)
"""Sizes of numbers that stand for a missing value in many systems."""


@dataclass(frozen=True)
class ImplausibleCells:
    """n implausible cells of sorted rows."""

    row: Ints  # [n]
    column: Ints  # [n] of `SortedRows.values`
    usual: Floats  # [n] the largest usual size of their series and column

    @classmethod
    def find(
        cls, rows: SortedRows, columns: Sequence[int], *, compare_series: bool = True
    ) -> ImplausibleCells:
        """The implausible cells in these columns of numbers, by column and row."""
        found = [cls._find_in_column(rows, column, compare_series) for column in columns]
        empty = np.empty(0, dtype=np.int64)
        return cls(
            np.concatenate([empty, *(cells.row for cells in found)]),
            np.concatenate([empty, *(cells.column for cells in found)]),
            np.concatenate([empty.astype(np.float64), *(cells.usual for cells in found)]),
        )

    @classmethod
    def _find_in_column(
        cls, rows: SortedRows, column: int, compare_series: bool
    ) -> ImplausibleCells:
        size = np.abs(rows.values[:, column])  # [R]
        usual = largest_usual_sizes(
            size, rows.codes, rows.offsets, compare_series=compare_series
        )  # [S]
        possible = np.isfinite(usual)
        if not possible.any():
            empty = np.empty(0, dtype=np.int64)
            return cls(empty, empty, empty.astype(np.float64))
        near = np.flatnonzero(possible[rows.codes])  # the rows of a few series
        limit = np.where(np.isin(size[near], MISSING_CODES), MAX_CODE_RATIO, MAX_RATIO)
        with np.errstate(over="ignore"):
            row = near[size[near] > limit * usual[rows.codes[near]]]
        return cls(row, np.full(len(row), column), usual[rows.codes[row]])


def largest_usual_sizes(
    size: Floats,
    codes: Ints,
    offsets: Ints,
    *,
    compare_series: bool = True,
    max_ratio: float = MAX_RATIO,
) -> Floats:
    """`[S]` the largest usual size of each series, infinite where no value can be implausible.

    Args:
        size: `[R]` absolute values, NaN where missing.
        codes: `[R]` the series of each row.
        offsets: `[S + 1]` the row at which each series begins, and R.
        compare_series: whether series with few values are compared with the others.
        max_ratio: the largest plausible size, relative to the largest usual one.
    """
    missing = np.isnan(size)
    count = np.diff(offsets)
    if missing.any():
        count = count - reduce_per_series(np.add, missing.astype(np.int64), offsets, 0)
        size = np.where(missing, 0.0, size)
    largest = reduce_per_series(np.maximum, size, offsets, 0.0)
    with np.errstate(over="ignore"):
        total = reduce_per_series(np.add, size, offsets, 0.0)
        # a value beyond all limits makes up most of the total: sorts few series
        possible = total <= largest * (_exempt_count(count) + count / max_ratio)
    possible |= np.isinf(total) | np.isin(largest, MISSING_CODES)
    is_short = count < MIN_VALUES
    sorted_series = possible & ~is_short
    usual = np.full(len(count), np.inf)
    rows = np.empty(0, dtype=np.int64)
    if sorted_series.any():
        rows = np.flatnonzero(sorted_series[codes] & ~missing)
    usual[sorted_series] = _sizes_without_largest(size[rows], codes[rows])
    others = np.where(sorted_series, usual, largest)[~is_short]
    fallback = float(others.max()) if compare_series and (others > 0).any() else np.inf
    lowest = np.where(is_short & (largest > fallback), fallback, usual)
    return np.where(lowest > 0, lowest, fallback)


def _sizes_without_largest(size: Floats, codes: Ints) -> Floats:
    """The largest size of each series without `MISSING_CODES`, if these are its fewer part, and
    without the exempt cells. `codes` are sorted; `size` has no NaN."""
    series, inverse = np.unique(codes, return_inverse=True)
    is_code = np.isin(size, MISSING_CODES)
    few = np.bincount(inverse, is_code) < np.bincount(inverse) / 2
    rows = ~(is_code & few[inverse])
    size, inverse = size[rows], inverse[rows]
    order = np.lexsort((size, inverse))
    count = np.bincount(inverse, minlength=len(series))
    last = np.cumsum(count) - 1 - np.minimum(_exempt_count(count), count - 1)
    return size[order][last]


def _exempt_count(count: Ints) -> Ints:
    """The number of cells of a series of `count` values that do not make a size usual."""
    return np.maximum(np.clip(count // 10, 1, 3), count // 1000)


def treat_implausible(
    table: Table,
    rows: SortedRows,
    labels: npt.NDArray[Any],
    action: ImplausibleAction,
    *,
    timezone: str = "",
    compare_series: bool = True,
) -> tuple[SortedRows, Ints, tuple[ReadingNote, ...]]:
    """The rows after `clean.implausible`, the number of changed values `[S]`, and notes.

    A target becomes missing; a covariate, which may have to be known, is moved to the largest usual
    size of its series. `labels` are those of the series `[S]`; `timezone` is for display;
    `compare_series` as for `largest_usual_sizes`.
    """
    n_targets = len(table.roles.targets)
    names = [*table.roles.targets, *table.covariates]
    numeric = [
        at
        for at, name in enumerate(names)
        if at < n_targets or not table.covariates[name].is_categorical
    ]
    missing = MissingCodes.find(rows, numeric)
    filled = missing.fill(rows, n_targets) if len(missing.row) else rows
    cells = ImplausibleCells.find(filled, numeric, compare_series=compare_series)
    none = np.zeros(rows.n_series, dtype=np.int64)
    if not len(cells.row) and not len(missing.row):
        return rows, none, ()
    notes = (
        *missing.notes(table, rows, names, keep=action == "keep", timezone=timezone),
        *_notes(table, rows, cells, names=names, labels=labels, action=action, timezone=timezone),
    )
    if action == "keep":
        return rows, none, notes
    values = filled.values if filled is not rows else rows.values.copy()
    old = values[cells.row, cells.column]
    new = np.where(cells.column < n_targets, np.nan, np.copysign(cells.usual, old))
    values[cells.row, cells.column] = new
    changed = np.concatenate([missing.row, cells.row])
    counts = np.bincount(rows.codes[changed], minlength=rows.n_series)
    return replace(rows, values=values), counts, notes


def _notes(
    table: Table,
    rows: SortedRows,
    cells: ImplausibleCells,
    *,
    names: Sequence[str],
    labels: npt.NDArray[Any],
    action: ImplausibleAction,
    timezone: str,
) -> list[ReadingNote]:
    """A note for each of the first cells, and the number of the others."""
    n_targets = len(table.roles.targets)
    cure = "correct the cell, or set clean.implausible to keep if it is right"
    notes: list[ReadingNote] = []
    for row, column, usual in zip(
        cells.row[:MAX_NAMED], cells.column[:MAX_NAMED], cells.usual[:MAX_NAMED], strict=True
    ):
        value = float(rows.values[row, column])
        done = "kept" if action == "keep" else "taken as missing"
        if action != "keep" and column >= n_targets:
            done = f"taken as {np.copysign(usual, value):.6g}"
        time = format_timestamp(rows.time[row], timezone)
        series = f"series '{labels[rows.codes[row]]}' has " if table.roles.series else ""
        found = (
            f"{series}{value:.12g} at {time}, "
            f"{_format_times(abs(value) / usual)} times the largest usual value of {usual:.6g}: "
            f"{done}"
        )
        where = table.line_index.location(int(rows.table_rows[row]), names[column])
        problem = Problem(where, found, "" if action == "keep" or notes else cure)
        notes.append(ReadingNote(problem, is_doubtful=action != "keep"))
    if more := len(cells.row) - len(notes):
        problem = Problem("", f"… and {more:,} more implausible values")
        notes.append(ReadingNote(problem, is_doubtful=action != "keep"))
    return notes


def _format_times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio < 1e9 else f"{ratio:.2g}"
