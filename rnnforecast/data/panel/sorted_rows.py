"""Rows sorted by series and time, with repeated timestamps combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from rnnforecast.data.io.table import Table
from rnnforecast.data.time.frequency import to_ticks
from rnnforecast.types import Bools, Floats, Ints, Timestamps


@dataclass(frozen=True)
class SortedRows:
    """R rows sorted by series and time; S series of the table, X columns (targets, covariates)."""

    table_rows: Ints  # [R] the row of the table, of combined rows the first
    codes: Ints  # [R] the series
    time: Timestamps  # [R]
    values: Floats
    """[R, X] original units, NaN where missing; categories as codes."""
    offsets: Ints  # [S + 1] the row at which each series begins, and R
    available_after: Ints | None = None
    """[R, X] the ordinal of the step that must have passed before a value is known, see
    `InterpolatedRows`; None where no value is interpolated."""

    @property
    def n_series(self) -> int:
        """S, including series without rows."""
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

    def sort_by_time(self) -> SortedRows:
        """The rows in the order of time, where it was changed."""
        order = np.lexsort((to_ticks(self.time), self.codes))
        return replace(
            self,
            table_rows=self.table_rows[order],
            time=self.time[order],
            values=self.values[order],
        )


def sort_table(table: Table) -> tuple[SortedRows, Ints]:
    """The table's rows sorted by series and time, equal timestamps in the order of the files.

    The second result [S] counts the rows that come before an earlier row of their series.
    """
    codes, time, size = table.codes, table.time, len(table.keys)
    values = _stack_columns(table)
    decreasing = (codes[1:] == codes[:-1]) & (time[1:] < time[:-1])
    if not decreasing.any() and not (codes[1:] < codes[:-1]).any():
        none = np.zeros(size, dtype=np.int64)
        return SortedRows(
            np.arange(len(codes)), codes, time, values, _series_offsets(codes, size)
        ), none
    del decreasing
    order = _sort_order(codes, time)
    codes = codes[order]
    late = (order[1:] < order[:-1]) & (codes[1:] == codes[:-1])
    rows = SortedRows(order, codes, time[order], values[order], _series_offsets(codes, size))
    return rows, np.bincount(codes[1:][late], minlength=size)


def _sort_order(codes: Ints, time: Timestamps) -> Ints:
    """[R] the permutation that sorts rows by series and time; stable.

    Sorting by one combined key takes half the time, but large keys would overflow.
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
    return order.astype(np.int32) if len(order) < 1 << 31 else order


def _stack_columns(table: Table) -> Floats:
    """[R, X] the targets, then the covariates; the table's own array if it has no covariates."""
    if not table.covariates:
        return table.values
    columns = [column.to_floats() for column in table.covariates.values()]
    return np.column_stack([table.values, *columns])


def find_duplicates(rows: SortedRows) -> Bools:
    """[R] whether the row before has the same series and timestamp."""
    again = np.zeros(len(rows.codes), dtype=np.bool_)
    again[1:] = (rows.codes[1:] == rows.codes[:-1]) & (rows.time[1:] == rows.time[:-1])
    return again


def combine_duplicates(
    rows: SortedRows, duplicate_mask: Bools, aggregations: Sequence[str]
) -> SortedRows:
    """One row for each series and timestamp, each column by its own of `aggregations`: ``first`` or
    ``last`` in the order of the files, ``mean`` or ``sum``.

    `duplicate_mask` [R] is that of `find_duplicates`. Mean and sum are of the observed values, NaN
    without any.
    """
    if not duplicate_mask.any():
        return rows
    kept = rows.filter(~duplicate_mask)
    values = kept.values.copy()
    group = np.cumsum(~duplicate_mask) - 1  # [R] the row of `kept`
    sizes = np.bincount(group)
    repeated = sizes > 1
    sizes, in_repeated = sizes[repeated], repeated[group]
    ends = np.cumsum(sizes)
    for rule in set(aggregations) - {"first"}:
        columns = np.flatnonzero([name == rule for name in aggregations])
        raw = rows.values[np.ix_(in_repeated, columns)]
        values[np.ix_(repeated, columns)] = (
            raw[ends - 1] if rule == "last" else aggregate_groups(raw, ends - sizes, rule)
        )
    return replace(kept, values=values)


def aggregate_groups(values: Floats, group_starts: Ints, aggregation: str) -> Floats:
    """[groups, X] the aggregate of the observed values of each group, NaN without any.

    Groups are consecutive rows of `values` [R, X] and begin at `group_starts` [groups].
    `aggregation` is a method of pandas' ``groupby``: sum, mean, median, min, max, first or last.
    """
    sizes = np.diff(group_starts, append=len(values))
    groups = pd.DataFrame(values).groupby(np.repeat(np.arange(len(sizes)), sizes), sort=False)
    frame = groups.sum(min_count=1) if aggregation == "sum" else getattr(groups, aggregation)()
    return np.asarray(frame, dtype=np.float64)


def observed_range(rows: SortedRows, n_targets: int) -> tuple[Ints, Ints]:
    """[S] the first row of each series with a value in the first `n_targets` columns, and [S] the
    row after its last; both are the end of the series if it has no value."""
    first, stop = rows.offsets[1:].copy(), rows.offsets[1:].copy()
    known = ~np.isnan(rows.values[:, :n_targets]).all(axis=1)
    if known.all():  # the usual case
        return rows.offsets[:-1].copy(), stop
    observed = np.flatnonzero(known)
    series, head = np.unique(rows.codes[observed], return_index=True)
    first[series] = observed[head]
    stop[series] = observed[np.r_[head[1:], len(observed)][: len(series)] - 1] + 1
    return first, stop


def _series_offsets(codes: Ints, n_series: int) -> Ints:
    offsets = np.zeros(n_series + 1, dtype=np.int64)
    np.cumsum(np.bincount(codes, minlength=n_series), out=offsets[1:])
    return offsets
