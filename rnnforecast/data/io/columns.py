"""The fast path from files to arrays: ids as codes, times as integers, targets as floats.

Every file is streamed a piece at a time and only numbers are kept, so that the memory needed is
little more than the result. Nothing is explained here: a cell that does not fit is an
ArrowException or a ValueError, and `diagnose` finds out which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.io.arrow_stream import Piece, encoded, pieces
from rnnforecast.data.io.column_roles import Roles
from rnnforecast.data.io.dialect import File, as_text, holds_numbers
from rnnforecast.data.io.number_format import Marks, Writing
from rnnforecast.data.time import format as stamps
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Floats, Ints32

_STRETCH = 1 << 20  # rows whose codes are changed at a time: as an index they are twice as long


@dataclass(frozen=True)
class Numbers:
    """A covariate of numbers."""

    values: Floats
    """[R] NaN where blank."""
    is_words = False

    def numbers(self) -> Floats:
        """[R] NaN where blank."""
        return self.values

    def take(self, rows: npt.NDArray[np.int64]) -> Numbers:
        """Of the rows with these numbers alone."""
        return Numbers(self.values[rows])


@dataclass(frozen=True)
class Words:
    """A covariate of categories or free text."""

    codes: Ints32
    """[R] -1 where blank."""
    vocabulary: tuple[str, ...]
    """What the codes stand for, sorted."""
    is_words = True

    def numbers(self) -> Floats:
        """[R] the codes, NaN where blank."""
        return np.where(self.codes < 0, np.nan, self.codes)

    def take(self, rows: npt.NDArray[np.int64]) -> Words:
        """Of the rows with these numbers alone."""
        return Words(self.codes[rows], self.vocabulary)


class Columns(NamedTuple):
    """The columns in use, rows in the order of the files."""

    keys: pd.DataFrame
    """[S, number of series columns] text, sorted."""
    codes: Ints32
    """[R] the row of `keys`."""
    time: npt.NDArray[Any]
    """[R] datetime64[us] or int64."""
    timezone: str
    values: Floats
    """[R, C] NaN where missing or infinite."""
    covariates: dict[str, Numbers | Words]
    infinite: int
    """Infinite values in targets and covariates."""
    counts: list[int]
    """Rows of each file."""


class _Growing:
    """An array [R, ...] that grows at the end, where it lies: never in memory twice."""

    def __init__(self, dtype: npt.DTypeLike, *width: int) -> None:
        self._whole = np.empty((0, *width), dtype)
        self._size = 0

    def add(self, part: npt.NDArray[Any]) -> None:
        end = self._size + len(part)
        if end > len(self._whole):
            self._resize(max(end, len(self._whole) * 5 // 4))
        self._whole[self._size : end] = part
        self._size = end

    def whole(self) -> npt.NDArray[Any]:
        """All of it, [R, ...]; nothing may be added afterwards."""
        self._resize(self._size)
        return self._whole

    def _resize(self, rows: int) -> None:
        self._whole.resize((rows, *self._whole.shape[1:]), refcheck=False)


class _Texts:
    """One column of ids or words as it grows: a vocabulary, and codes into it."""

    def __init__(self, *, allow_blank: bool) -> None:
        self._may_be_blank = allow_blank
        self._vocabulary: Any = pa.array([], pa.string())
        self._codes = _Growing(np.int32)

    def add(self, column: Any) -> None:
        """Take in a dictionary-encoded piece [r]; ValueError at a blank id."""
        words = pc.utf8_trim_whitespace(column.dictionary)
        words = pc.if_else(pc.equal(words, ""), None, words)
        if not self._may_be_blank and (column.null_count or words.null_count):
            raise ValueError("a blank id")
        new = pc.unique(words.filter(pc.invert(pc.is_in(words, value_set=self._vocabulary))))
        self._vocabulary = pa.concat_arrays([self._vocabulary, new.drop_null()])
        codes = pc.index_in(words, value_set=self._vocabulary).take(column.indices)
        self._codes.add(codes.fill_null(-1).to_numpy())

    def sorted(self) -> tuple[Any, Ints32]:
        """The vocabulary in order, and the codes [R] into it, -1 where blank."""
        order = pc.sort_indices(self._vocabulary)
        rank = np.full(len(order) + 1, -1, dtype=np.int32)  # the last is the one of blanks
        rank[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
        codes = self._codes.whole()
        for start in range(0, len(codes), _STRETCH):
            codes[start : start + _STRETCH] = rank[codes[start : start + _STRETCH]]
        return self._vocabulary.take(order), codes

    def words(self) -> Words:
        """The column as a covariate."""
        vocabulary, codes = self.sorted()
        return Words(codes, tuple(vocabulary.to_pylist()))


class _Floats:
    """Columns of numbers side by side as they grow, infinite values as NaN and counted."""

    def __init__(self, names: Sequence[str], number_format: Marks) -> None:
        self._names = names
        self._marks = number_format
        self._values = _Growing(np.float64, len(names))
        self.infinite = 0

    def add(self, batch: Piece, n_rows: int) -> None:
        """Take in the columns of a piece [r]; NaN for one that its file does not have."""
        values = np.full((n_rows, len(self._names)), np.nan)
        for at, name in enumerate(self._names):
            if name in batch:
                values[:, at] = _floats(batch[name], self._marks)
        wrong = np.isinf(values)
        values[wrong] = np.nan
        self.infinite += int(wrong.sum())
        self._values.add(values)

    def whole(self) -> Floats:
        """[R, number of columns]."""
        return self._values.whole()


class _Times:
    """The time column as it grows, of one kind in all files."""

    def __init__(self, column: str, time_format: stamps.Form) -> None:
        self._column = column
        self._form = time_format
        self._ticks = _Growing(np.int64)
        self._written: dict[tuple[str, str], str] = {}  # (zone, kind) -> the first such file

    def add(self, batch: Piece, file: File) -> int:
        """Take in a piece; its number of rows."""
        where = f"{file.name}, column {self._column!r}"
        time, zone = _times(batch[self._column], self._form, where)
        self._written.setdefault((zone, time.dtype.kind), file.name)
        self._ticks.add(time.view(np.int64))
        return len(time)

    def whole(self) -> tuple[npt.NDArray[Any], str]:
        """[R] and the offset; DataError where files differ in either."""
        names = {"i": "whole numbers", "M": "dates"}
        if len(self._written) > 1:
            found = "; ".join(
                f"{file} has {names[kind]}" + (f" with the offset {zone.strip()}" if zone else "")
                for (zone, kind), file in self._written.items()
            )
            cure = "write the time in one way and one time zone in all files"
            raise DataError(Problem("", f"the files differ in their times: {found}", cure))
        ((zone, kind),) = self._written
        ticks = self._ticks.whole()
        return ticks.view("datetime64[us]") if kind == "M" else ticks, zone.strip()


def load(files: Sequence[File], roles: Roles, cell_format: Writing) -> Columns:
    """The columns that the roles name; targets are NaN where a file has none.

    Raises DataError where files differ in the kind of time, ArrowException or ValueError where a
    cell is not what it should be.
    """
    marks = cell_format.marks
    amounts = [name for name in roles.covariates if name not in roles.words]
    texts = {name: _Texts(allow_blank=name in roles.words) for name in roles.texts}
    floats = {name: _Floats([name], marks) for name in amounts}
    time, targets = _Times(roles.time, cell_format.form), _Floats(roles.targets, marks)
    counts = []
    for file in files:
        counts.append(0)
        for piece in pieces(file, [roles.time, *texts], [*roles.targets, *amounts], marks):
            rows = time.add(piece, file)
            targets.add(piece, rows)
            for numbers in floats.values():
                numbers.add(piece, rows)
            for name, text in texts.items():
                text.add(encoded(piece[name]) if name in piece else _blank(rows))
            counts[-1] += rows
    ticks, timezone = time.whole()
    keys, codes = _keys(roles.series, [texts[name] for name in roles.series], sum(counts))
    covariates: dict[str, Numbers | Words] = {
        name: texts[name].words() if name in texts else Numbers(floats[name].whole()[:, 0])
        for name in roles.covariates
    }
    infinite = targets.infinite + sum(numbers.infinite for numbers in floats.values())
    values = targets.whole()
    return Columns(keys, codes, ticks, timezone, values, covariates, infinite, counts)


def _blank(n_rows: int) -> Any:
    """A column of words that a file does not have."""
    return pa.DictionaryArray.from_arrays(np.zeros(n_rows, dtype=np.int32), pa.array([""]))


def _times(column: Any, time_format: stamps.Form, location: str) -> tuple[npt.NDArray[Any], str]:
    """Times [r] and the offset they are local to, as written; "Z" for instants."""
    if column.null_count:
        raise ValueError("a blank time")
    if not pa.types.is_temporal(column.type):
        known = encoded(column)
        return stamps.parse(known.dictionary, time_format)[known.indices.to_numpy()], time_format.timezone
    zone = getattr(column.type, "tz", None) or ""
    if zone and zone.upper() not in ("UTC", "+00:00", "Z") and not time_format.offsets:
        found = f"the times are in the zone {zone!r}"
        cure = "convert the column to UTC, or set data.timezone, such as Europe/Berlin"
        raise DataError(Problem(location, found, cure))
    column = column.cast(pa.timestamp("us", zone or None), safe=False)
    return np.asarray(column.cast(pa.int64()).to_numpy()).view("datetime64[us]"), "Z" * bool(zone)


def _floats(column: Any, number_format: Marks) -> Floats:
    """Numbers [r] float64, NaN where blank."""
    if pa.types.is_primitive(column.type) or holds_numbers(column.type):
        # Not safe: beyond 2^53 whole numbers are rounded, as they are in a CSV.
        column = column.cast(pa.float64(), safe=False)
    else:
        column = number_format.floats(as_text(column))
    values = np.asarray(column.to_numpy(zero_copy_only=False))
    if number_format.sentinels:
        values = np.where(np.isin(values, number_format.sentinels), np.nan, values)
    return values


def _keys(names: Sequence[str], ids: Sequence[_Texts], n_rows: int) -> tuple[pd.DataFrame, Ints32]:
    """The distinct ids, sorted by the first column, then the second …, and the codes [R]."""
    if not names:
        return pd.DataFrame(index=range(1)), np.zeros(n_rows, dtype=np.int32)
    words, codes = ids[0].sorted()
    columns = [words]
    for column in ids[1:]:
        words, more = column.sorted()
        both = codes.astype(np.int64)
        both *= len(words)
        both += more
        both, pairs = pd.factorize(both)
        order = np.argsort(pairs)
        codes = np.argsort(order).astype(np.int32)[both]
        pairs = pairs[order]
        columns = [known.take(pa.array(pairs // len(words))) for known in columns]
        columns.append(words.take(pa.array(pairs % len(words))))
    frame = {name: words.to_pandas() for name, words in zip(names, columns, strict=True)}
    return pd.DataFrame(frame).astype("str"), codes
