"""Builders of the columns of a table, batch by batch: text as codes, numbers, time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.io.arrow_types import dictionary_encode, is_numeric_type, to_text
from rnnforecast.data.io.input_files import ColumnBatch, InputFile
from rnnforecast.data.io.number_format import NumberFormat
from rnnforecast.data.time.format import TimeFormat, parse_timestamps, unparsable_mask
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Floats, Ints32

_SMALLEST = float(np.finfo(np.float64).tiny)
MAX_INVALID_CELLS = 10_000
"""Most cells of a batch of a column that cannot be parsed before the file is refused."""
MIN_WAITING_TEXTS = 1 << 16
"""Texts of batches that wait at least before they are added to a vocabulary."""
_CHUNK_ROWS = 1 << 20  # codes are mapped in chunks: as an index they become int64


class InvalidCell(NamedTuple):
    """A cell that cannot be parsed."""

    row: int
    column: str
    text: str


class _ArrayBuilder:
    """An array [R, ...] that is resized in place rather than concatenated, to save memory."""

    def __init__(self, dtype: npt.DTypeLike, *width: int) -> None:
        self._buffer = np.empty((0, *width), dtype)
        self.size = 0
        """Rows so far."""

    def append(self, values: npt.NDArray[Any]) -> None:
        end = self.size + len(values)
        if end > len(self._buffer):
            self._resize(max(end, len(self._buffer) * 5 // 4))
        self._buffer[self.size : end] = values
        self.size = end

    def view(self) -> npt.NDArray[Any]:
        """[R, ...] a view, which must be gone when more is appended."""
        return self._buffer[: self.size]

    def to_array(self) -> npt.NDArray[Any]:
        """[R, ...]; nothing may be appended afterwards."""
        self._resize(self.size)
        return self._buffer

    def _resize(self, rows: int) -> None:
        self._buffer.resize((rows, *self._buffer.shape[1:]), refcheck=False)


class TextColumnBuilder:
    """Builder of a text column: a vocabulary, and codes into it.

    The dictionaries of batches wait until they hold as many texts as the vocabulary: a text is
    hashed a few times at most, however many batches there are.
    """

    def __init__(self, *, blank: Literal["error", "missing", "text"]) -> None:
        """`blank` says what a blank cell is: an error, missing, or a text of its own."""
        self._blank = blank
        self._vocabulary: Any = pa.array([], pa.string())
        self._codes = _ArrayBuilder(np.int32)
        self._waiting: list[_WaitingDictionary] = []
        self._n_waiting = 0

    def append(self, column: Any) -> None:
        """Appends a dictionary-encoded batch [r]; ValueError at a blank id."""
        texts = pc.utf8_trim_whitespace(column.dictionary)
        if self._blank != "text":
            texts = pc.if_else(pc.equal(texts, ""), None, texts)
        if self._blank == "error" and (column.null_count or texts.null_count):
            raise ValueError("a blank id")
        codes = column.indices.fill_null(-1).to_numpy()
        if texts.null_count:
            known = pc.is_valid(texts).to_numpy(zero_copy_only=False)
            place = np.where(known, np.cumsum(known) - 1, -1)
            codes, texts = _with_blank(place)[codes], texts.drop_null()
        first = self._codes.size
        self._codes.append(codes)
        self._waiting.append(_WaitingDictionary(first, self._codes.size, texts))
        self._n_waiting += len(texts)
        if self._n_waiting > max(len(self._vocabulary), MIN_WAITING_TEXTS):
            self._unify()

    def sorted_vocabulary(self) -> tuple[Any, Ints32]:
        """The sorted vocabulary, and the codes [R] into it, -1 where blank."""
        self._unify()
        order = pc.sort_indices(self._vocabulary)
        rank = np.empty(len(order), dtype=np.int32)
        rank[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
        codes = self._codes.to_array()
        _replace_codes(codes, rank)
        return self._vocabulary.take(order), codes

    def _unify(self) -> None:
        """Adds the texts of the waiting dictionaries to the vocabulary."""
        dictionaries = [self._vocabulary, *(each.texts for each in self._waiting)]
        chunks = [
            pa.DictionaryArray.from_arrays(np.arange(len(texts), dtype=np.int32), texts)
            for texts in dictionaries
        ]
        _, *unified = pa.chunked_array(chunks).unify_dictionaries().chunks
        codes = self._codes.view()
        for waiting, chunk in zip(self._waiting, unified, strict=True):
            self._vocabulary = chunk.dictionary
            _replace_codes(codes[waiting.first : waiting.stop], chunk.indices.to_numpy())
        self._waiting, self._n_waiting = [], 0


class _WaitingDictionary(NamedTuple):
    """The dictionary of a batch whose texts are not in the vocabulary yet."""

    first: int
    stop: int
    """Its rows, whose codes are those of this dictionary."""
    texts: Any


def _with_blank(codes: npt.NDArray[Any]) -> Ints32:
    """New codes by the old ones; the code -1 of blanks, the last place, stays -1."""
    return np.append(codes, -1).astype(np.int32)


def _replace_codes(codes: Ints32, new_codes: npt.NDArray[Any]) -> None:
    """Replaces `codes` [R] in place by `new_codes` of each; blanks stay -1."""
    table = _with_blank(new_codes)
    for start in range(0, len(codes), _CHUNK_ROWS):
        codes[start : start + _CHUNK_ROWS] = table[codes[start : start + _CHUNK_ROWS]]


class FloatColumnsBuilder:
    """Builder of numeric columns, with infinite values counted and replaced by NaN."""

    def __init__(
        self, names: Sequence[str], number_format: NumberFormat, *, allow_invalid: bool
    ) -> None:
        self._names = names
        self._number_format = number_format
        self._allow_invalid = allow_invalid
        self._values = _ArrayBuilder(np.float64, len(names))
        self._n_rows = 0
        self.infinite_count = 0
        self.tiny_count = 0
        self.invalid_cells: list[InvalidCell] = []

    def append(self, batch: ColumnBatch, n_rows: int) -> None:
        """Appends the columns of a batch [r]; NaN for those that the file lacks."""
        values = np.full((n_rows, len(self._names)), np.nan)
        for position, name in enumerate(self._names):
            if name in batch:
                floats, invalid = _parse_floats(batch[name], self._number_format, name)
                values[:, position] = floats
                if invalid is not None:
                    if not self._allow_invalid:
                        raise ValueError("not every cell is a number")
                    self.invalid_cells += _list_cells(batch[name], name, invalid, self._n_rows)
        sizes = np.abs(values)
        tiny = (sizes < _SMALLEST) & (sizes > 0)
        values[tiny] = 0.0
        self.tiny_count += int(tiny.sum())
        infinite = np.isinf(sizes)
        values[infinite] = np.nan
        self.infinite_count += int(infinite.sum())
        self._values.append(values)
        self._n_rows += n_rows

    def to_array(self) -> Floats:
        """[R, number of columns]."""
        return self._values.to_array()


class TimeColumnBuilder:
    """Builder of the time column, which must have the same kind and UTC offset in all files."""

    def __init__(self, column: str, time_format: TimeFormat, *, allow_invalid: bool) -> None:
        self._column = column
        self._time_format = time_format
        self._allow_invalid = allow_invalid
        self._n_rows = 0
        self.invalid_cells: list[InvalidCell] = []
        self._ticks = _ArrayBuilder(np.int64)
        self._first_files: dict[tuple[str, str], str] = {}  # (offset, dtype kind) -> first file

    def append(self, batch: ColumnBatch, file: InputFile) -> int:
        """Appends a batch and returns its number of rows."""
        location = f"{file.name}, column {self._column!r}"
        column = batch[self._column]
        if self._allow_invalid and not pa.types.is_temporal(column.type):
            column, invalid = _replace_invalid_times(column, self._time_format)
            self.invalid_cells += _list_cells(
                batch[self._column], self._column, invalid, self._n_rows
            )
        time, offset = _parse_times(column, self._time_format, location)
        self._n_rows += len(time)
        self._first_files.setdefault((offset, time.dtype.kind), file.name)
        self._ticks.append(time.view(np.int64))
        return len(time)

    def to_array(self) -> tuple[npt.NDArray[Any], str]:
        """[R] the time, and its UTC offset; DataError if files differ in kind or offset."""
        names = {"i": "whole numbers", "M": "dates"}
        if len(self._first_files) > 1:
            found = "; ".join(
                f"{file} has {names[kind]}"
                + (f" with the offset {offset.strip()}" if offset else "")
                for (offset, kind), file in self._first_files.items()
            )
            cure = "write the time in one way and one time zone in all files"
            raise DataError(Problem("", f"the files differ in their times: {found}", cure))
        ((offset, kind),) = self._first_files
        ticks = self._ticks.to_array()
        return ticks.view("datetime64[us]") if kind == "M" else ticks, offset.strip()


def _parse_times(
    column: Any, time_format: TimeFormat, location: str
) -> tuple[npt.NDArray[Any], str]:
    """Timestamps [r] and their UTC offset as written; "Z" if they were parsed to UTC."""
    if column.null_count:
        raise ValueError("a blank time")
    if not pa.types.is_temporal(column.type):
        encoded = dictionary_encode(column)
        distinct = parse_timestamps(encoded.dictionary, time_format)
        return distinct[encoded.indices.to_numpy()], time_format.parsed_offset
    zone = getattr(column.type, "tz", None) or ""
    if zone and zone.upper() not in ("UTC", "+00:00", "Z") and not time_format.has_mixed_offsets:
        found = f"the times are in the zone {zone!r}"
        cure = "convert the column to UTC, or set data.timezone, such as Europe/Berlin"
        raise DataError(Problem(location, found, cure))
    column = column.cast(pa.timestamp("us", zone or None), safe=False)
    return np.asarray(column.cast(pa.int64()).to_numpy()).view("datetime64[us]"), "Z" * bool(zone)


def _replace_invalid_times(
    column: Any, time_format: TimeFormat
) -> tuple[Any, npt.NDArray[np.bool_]]:
    """The column with another time of it in place of those that cannot be parsed, and where [r]."""
    encoded = dictionary_encode(column)
    texts = encoded.dictionary.to_pylist()
    wrong = unparsable_mask(texts, time_format)
    invalid = np.ones(len(encoded), dtype=np.bool_)
    valid_rows = pc.is_valid(encoded.indices).to_numpy(zero_copy_only=False)
    invalid[valid_rows] = wrong[encoded.indices.drop_null().to_numpy()]
    if not invalid.any() or wrong.all():
        return column, np.zeros_like(invalid)
    usable = texts[int(np.flatnonzero(~wrong)[0])]
    texts = [usable if bad else text for text, bad in zip(texts, wrong, strict=True)]
    codes = np.where(invalid, 0, encoded.indices.fill_null(0).to_numpy()).astype(np.int32)
    return pa.DictionaryArray.from_arrays(codes, texts), invalid


def _list_cells(
    column: Any, name: str, mask: npt.NDArray[np.bool_], first_row: int
) -> list[InvalidCell]:
    """The cells of a batch where `mask` [r] is true; its first row is `first_row`."""
    rows = np.flatnonzero(mask)
    if len(rows) > MAX_INVALID_CELLS:
        raise ValueError(f"more than {MAX_INVALID_CELLS:,} cells cannot be parsed")
    texts = to_text(column.take(pa.array(rows))).to_pylist()
    return [
        InvalidCell(first_row + int(row), name, text or "")
        for row, text in zip(rows, texts, strict=True)
    ]


def _parse_floats(
    column: Any, number_format: NumberFormat, name: str
) -> tuple[Floats, npt.NDArray[np.bool_] | None]:
    """[r] the numbers of a column, NaN where blank or invalid; and where they are invalid, None if
    nowhere."""
    invalid = None
    if pa.types.is_primitive(column.type) or is_numeric_type(column.type):
        # safe=False rounds whole numbers beyond 2^53, as parsing a CSV does
        column = column.cast(pa.float64(), safe=False)
    else:
        column, wrong = number_format.parse_valid_floats(to_text(column), name)
        if pc.any(wrong, min_count=0).as_py():
            invalid = wrong.to_numpy(zero_copy_only=False)
    values = np.asarray(column.to_numpy(zero_copy_only=False))
    if number_format.missing_numbers:
        values = np.where(np.isin(values, number_format.missing_numbers), np.nan, values)
    return values, invalid
