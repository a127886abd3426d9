"""Rows of a table in the order everything after needs: by series, then by time, one a timestamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rnnforecast.data.time.frequency import (
    to_ticks,
)
from rnnforecast.types import Bools, Ints, Timestamps

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table


@dataclass(frozen=True)
class SortedRows:
    """R rows sorted by series and time; S series of the table, C targets, K covariates."""

    table_rows: Ints  # [R] which row of the table this is (the first of several combined ones)
    codes: Ints  # [R] the series
    time: Timestamps  # [R]
    values: npt.NDArray[np.float64]
    """[R, C + K] original units, NaN where missing; a covariate of words as codes."""
    offsets: Ints  # [S + 1] where each series begins
    available_after: Ints | None = None
    """[R, C + K] the ordinal of the step that must have passed before a value is known, see
    `irregular.Interpolated`; None where no value is drawn between two observations."""

    @property
    def n_series(self) -> int:
        """The number of series, those without a row included."""
        return len(self.offsets) - 1

    def filter(self, mask: Bools) -> SortedRows:
        """Only the rows where ``mask`` [R] is true."""
        if mask.all():
            return self
        codes = self.codes[mask]
        return SortedRows(
            self.table_rows[mask],
            codes,
            self.time[mask],
            self.values[mask],
            _series_offsets(codes, self.n_series),
            None if self.available_after is None else self.available_after[mask],
        )


def sort_table(table: Table) -> tuple[SortedRows, Ints]:
    """The table's rows by series and time, equal timestamps in file order.

    The second result [S] counts the rows that stand in the file before an earlier row of their
    series. Costs one pass where the rows are in order already.
    """
    codes, time, size = table.codes, table.time, len(table.keys)
    values = _stack_columns(table)
    back = (codes[1:] == codes[:-1]) & (time[1:] < time[:-1])
    if not back.any() and not (codes[1:] < codes[:-1]).any():
        none = np.zeros(size, dtype=np.int64)
        return SortedRows(
            np.arange(len(codes)), codes, time, values, _series_offsets(codes, size)
        ), none
    del back
    order = _sort_order(codes, time)
    codes = codes[order]
    late = (order[1:] < order[:-1]) & (codes[1:] == codes[:-1])
    rows = SortedRows(order, codes, time[order], values[order], _series_offsets(codes, size))
    return rows, np.bincount(codes[1:][late], minlength=size)


def _sort_order(codes: Ints, time: Timestamps) -> Ints:
    """The rows by series and time, equal ones in file order.

    One key of both sorts in half the time of two; where it would overflow there are two.
    """
    ticks = to_ticks(time)
    first = int(ticks.min())
    span = int(ticks.max()) - first + 1
    if (int(codes.max()) + 1) * span < 1 << 63:
        key = codes * np.int64(span)
        key += ticks
        key -= first
        order = np.argsort(key, kind="stable")
    else:
        order = np.lexsort((ticks, codes))
    small = len(order) < 1 << 31
    return order.astype(np.int32) if small else order


def _stack_columns(table: Table) -> npt.NDArray[np.float64]:
    """[R, C + K] the targets, then the covariates; the table's own array where it has none."""
    if not table.covariates:
        return table.values
    columns = [column.to_floats() for column in table.covariates.values()]
    return np.column_stack([table.values, *columns])


def find_duplicates(rows: SortedRows) -> Bools:
    """[R] whether the row before is of the same series and has the same timestamp."""
    again = np.zeros(len(rows.codes), dtype=np.bool_)
    again[1:] = (rows.codes[1:] == rows.codes[:-1]) & (rows.time[1:] == rows.time[:-1])
    return again


def combine_duplicates(
    rows: SortedRows, duplicate_mask: Bools, aggregations: Sequence[str]
) -> SortedRows:
    """One row a series and timestamp; the rules, one a column, are ``first`` or ``last`` in file order,
    ``mean`` or ``sum``.

    ``again`` [R] is :func:`repeated`. Mean and sum take the observed values only; a column that
    none of the rows has a value of stays missing.
    """
    if not duplicate_mask.any():
        return rows
    heads = np.flatnonzero(~duplicate_mask)
    kept = rows.filter(~duplicate_mask)
    values = kept.values.copy()
    for rule in set(aggregations) - {"first"}:
        column = [c for c, name in enumerate(aggregations) if name == rule]
        values[:, column] = _aggregate_duplicates(rows.values[:, column], heads, rule)
    return replace(kept, values=values)


def _aggregate_duplicates(
    values: npt.NDArray[np.float64], group_starts: Ints, aggregation: str
) -> npt.NDArray[np.float64]:
    """The rows from each head to the next as one, `[heads, X]`."""
    if aggregation == "last":
        return np.asarray(values[np.r_[group_starts[1:], len(values)] - 1], dtype=np.float64)
    counted = ~np.isnan(values)
    total = np.add.reduceat(np.where(counted, values, 0.0), group_starts, axis=0)
    number = np.add.reduceat(counted, group_starts, axis=0, dtype=np.int64)
    if aggregation == "mean":
        total /= np.maximum(number, 1)
    total[number == 0] = np.nan
    return np.asarray(total, dtype=np.float64)


def observed_range(rows: SortedRows, n_targets: int) -> tuple[Ints, Ints]:
    """[S], [S]: each series' first row with a value of one of the targets (the first columns), and
    the one after its last.

    A series without any observed value has an empty span at its end.
    """
    first, stop = rows.offsets[1:].copy(), rows.offsets[1:].copy()
    known = ~np.isnan(rows.values[:, :n_targets]).all(axis=1)
    if known.all():  # the usual case
        return rows.offsets[:-1].copy(), stop
    seen = np.flatnonzero(known)
    series, head = np.unique(rows.codes[seen], return_index=True)
    first[series] = seen[head]
    stop[series] = seen[np.r_[head[1:], len(seen)][: len(series)] - 1] + 1
    return first, stop


def _series_offsets(codes: Ints, n_series: int) -> Ints:
    offsets = np.zeros(n_series + 1, dtype=np.int64)
    np.cumsum(np.bincount(codes, minlength=n_series), out=offsets[1:])
    return offsets
