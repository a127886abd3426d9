"""Rows of a table in the order everything after needs: by series, then by time, one a stamp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rnnforecast.data.frequency import Bools, Ints, Times

if TYPE_CHECKING:
    from rnnforecast.data.read import Table


@dataclass(frozen=True)
class Rows:
    """R rows sorted by series and time; S series of the table, C targets, original units."""

    file: Ints  # [R] which row of the table this is (the first of several combined ones)
    codes: Ints  # [R] the series
    time: Times  # [R]
    values: npt.NDArray[np.float64]  # [R, C], NaN where missing
    offsets: Ints  # [S + 1] where each series begins

    @property
    def size(self) -> int:
        """The number of series, those without a row included."""
        return len(self.offsets) - 1

    def take(self, mask: Bools) -> Rows:
        """Only the rows where ``mask`` [R] is true."""
        if mask.all():
            return self
        codes = self.codes[mask]
        return Rows(
            self.file[mask], codes, self.time[mask], self.values[mask], _offsets(codes, self.size)
        )


def sort(table: Table) -> tuple[Rows, Ints]:
    """The table's rows by series and time, equal stamps in file order.

    The second result [S] counts the rows that were earlier than the row of the same series before
    them. Costs one pass where the rows are in order already.
    """
    codes, time, size = table.codes, table.time, len(table.keys)
    file = np.arange(len(codes))
    moved = bool((codes[1:] < codes[:-1]).any())
    if moved:
        # numpy sorts 16-bit keys by radix, four times as fast as wider ones.
        file = np.argsort(codes.astype(np.uint16) if size <= 1 << 16 else codes, kind="stable")
        codes, time = codes[file], time[file]
    back = (codes[1:] == codes[:-1]) & (time[1:] < time[:-1])
    if back.any():
        order = np.lexsort((time, codes))
        file, time, moved = file[order], time[order], True
    values = table.values[file] if moved else table.values
    rows = Rows(file, codes, time, values, _offsets(codes, size))
    return rows, np.bincount(codes[1:][back], minlength=size)


def repeated(rows: Rows) -> Bools:
    """[R] whether the row before is of the same series and has the same stamp."""
    again = np.zeros(len(rows.codes), dtype=np.bool_)
    again[1:] = (rows.codes[1:] == rows.codes[:-1]) & (rows.time[1:] == rows.time[:-1])
    return again


def combine(rows: Rows, again: Bools, rule: str) -> Rows:
    """One row a series and stamp: the ``first`` or ``last`` in file order, the ``mean`` or ``sum``.

    ``again`` [R] is :func:`repeated`. Mean and sum take the observed values only; a target that
    none of the rows has stays missing.
    """
    if not again.any():
        return rows
    heads = np.flatnonzero(~again)
    kept = rows.take(~again)
    if rule == "first":
        return kept
    if rule == "last":
        values = rows.values[np.r_[heads[1:], len(again)] - 1]
    else:
        counted = ~np.isnan(rows.values)
        values = np.add.reduceat(np.where(counted, rows.values, 0.0), heads, axis=0)
        number = np.add.reduceat(counted, heads, axis=0, dtype=np.int64)
        if rule == "mean":
            values /= np.maximum(number, 1)
        values[number == 0] = np.nan
    return Rows(kept.file, kept.codes, kept.time, values, kept.offsets)


def observed_span(rows: Rows) -> tuple[Ints, Ints]:
    """[S], [S]: each series' first row with an observed value, and the one after its last.

    A series without any observed value has an empty span at its end.
    """
    first, stop = rows.offsets[1:].copy(), rows.offsets[1:].copy()
    seen = np.flatnonzero(~np.isnan(rows.values).all(axis=1))
    series, head = np.unique(rows.codes[seen], return_index=True)
    first[series] = seen[head]
    stop[series] = seen[np.r_[head[1:], len(seen)][: len(series)] - 1] + 1
    return first, stop


def _offsets(codes: Ints, size: int) -> Ints:
    offsets = np.zeros(size + 1, dtype=np.int64)
    np.cumsum(np.bincount(codes, minlength=size), out=offsets[1:])
    return offsets
