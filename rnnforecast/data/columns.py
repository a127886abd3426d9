"""The fast path from files to arrays: ids as codes, times as integers, targets as floats.

Every file is streamed through Arrow's CSV or parquet reader a piece at a time and only numbers
are kept, so that the memory needed is little more than the result. Nothing is explained here: a
cell that does not fit is an ArrowException or a ValueError, and `diagnose` finds out which.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from rnnforecast.data import stamps
from rnnforecast.data.roles import MISSING, Roles
from rnnforecast.data.sniff import File, as_text
from rnnforecast.data.written import Marks, Writing
from rnnforecast.errors import DataError, Problem

_BLOCK = 1 << 22  # bytes of a CSV in memory at a time
_BATCH = 1 << 18  # rows of a parquet file in memory at a time
_TEXT = pa.dictionary(pa.int32(), pa.string())
PLAIN = Marks()

Batch = dict[str, Any]


@dataclass(frozen=True)
class Numbers:
    """A covariate of numbers."""

    values: np.ndarray
    """[R] float64, NaN where blank."""
    is_words = False

    def numbers(self) -> np.ndarray:
        """[R] float64, NaN where blank."""
        return self.values

    def take(self, rows: np.ndarray) -> Numbers:
        """Of the rows with these numbers alone."""
        return Numbers(self.values[rows])


@dataclass(frozen=True)
class Words:
    """A covariate of categories or free text."""

    codes: np.ndarray
    """[R] int32, -1 where blank."""
    vocabulary: tuple[str, ...]
    """What the codes stand for, sorted."""
    is_words = True

    def numbers(self) -> np.ndarray:
        """[R] float64 the codes, NaN where blank."""
        return np.where(self.codes < 0, np.nan, self.codes)

    def take(self, rows: np.ndarray) -> Words:
        """Of the rows with these numbers alone."""
        return Words(self.codes[rows], self.vocabulary)


class Columns(NamedTuple):
    """The columns in use, rows in the order of the files."""

    keys: pd.DataFrame
    """[S, number of series columns] text, sorted."""
    codes: np.ndarray
    """[R] int64, the row of `keys`."""
    time: np.ndarray
    """[R] datetime64[us] or int64."""
    timezone: str
    values: np.ndarray
    """[R, C] float64, NaN where missing or infinite."""
    infinite: int
    counts: list[int]
    """Rows of each file."""
    covariates: dict[str, Numbers | Words]


class _Ids:
    """One column of ids or words as it grows: a vocabulary, and codes into it."""

    def __init__(self, *, blanks: bool = False) -> None:
        self._blanks = blanks
        self._vocabulary: Any = pa.array([], pa.string())
        self._codes: list[np.ndarray] = []

    def add(self, column: Any) -> None:
        """Take in a dictionary-encoded piece [r]; ValueError at a blank id."""
        words = pc.utf8_trim_whitespace(column.dictionary)
        if not self._blanks and (column.null_count or pc.any(pc.equal(words, "")).as_py()):
            raise ValueError("a blank id")
        found = pc.index_in(words, value_set=self._vocabulary)
        if found.null_count:
            new = pc.unique(words.filter(pc.is_null(found)))
            self._vocabulary = pa.concat_arrays([self._vocabulary, new])
            found = pc.index_in(words, value_set=self._vocabulary)
        codes = found.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
        if column.null_count:
            indices = pc.fill_null(column.indices, len(codes)).to_numpy()
            codes = np.r_[codes, np.int32(self._blank())]
        else:
            indices = column.indices.to_numpy()
        self._codes.append(codes[indices])

    def _blank(self) -> int:
        """The code of the empty text, which stands for no word."""
        place = pc.index(self._vocabulary, "").as_py()
        if place < 0:
            place = len(self._vocabulary)
            self._vocabulary = pa.concat_arrays([self._vocabulary, pa.array([""], pa.string())])
        return int(place)

    def words(self) -> Words:
        """The words sorted, blank ones apart."""
        vocabulary, codes = self.sorted()
        texts = vocabulary.to_pylist()
        if texts and texts[0] == "":  # the empty text sorts first
            return Words(codes - 1, tuple(texts[1:]))
        return Words(codes, tuple(texts))

    def sorted(self) -> tuple[Any, np.ndarray]:
        """The vocabulary in order, and the codes [R] int32 into it."""
        order = pc.sort_indices(self._vocabulary)
        rank = np.empty(len(order), dtype=np.int32)
        rank[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
        return self._vocabulary.take(order), rank[join(self._codes)]


def load(files: Sequence[File], roles: Roles, writing: Writing) -> Columns:
    """The columns that the roles name. Raises DataError where files differ in the kind of time,
    ArrowException or ValueError where a cell is not what it should be."""
    ids = [_Ids() for _ in roles.series]
    words = {name: _Ids(blanks=True) for name in roles.words}
    amounts = [name for name in roles.covariates if name not in words]
    numeric = (*roles.targets, *amounts)
    times: list[np.ndarray] = []
    values: list[np.ndarray] = []
    counts: list[int] = []
    written: dict[tuple[str, str], str] = {}  # (zone, kind of time) -> the first such file
    for file in files:
        counts.append(0)
        texts = (*roles.series, *roles.words)
        for batch in batches(file, roles.time, texts, numeric, writing.marks):
            where = f"{file.name}, column {roles.time!r}"
            time, zone = _times(batch[roles.time], writing.form, where)
            written.setdefault((zone, time.dtype.kind), file.name)
            for column, name in zip(ids, roles.series, strict=True):
                column.add(_encoded(batch[name]))
            for name, column in words.items():
                column.add(_encoded(batch[name]))
            times.append(time)
            values.append(_values([batch.get(name) for name in numeric], len(time), writing.marks))
            counts[-1] += len(time)
    _check_alike(written)
    keys, codes = _keys(roles.series, ids, sum(counts))
    numbers = join(values)
    infinite = np.isinf(numbers)
    numbers[infinite] = np.nan
    timezone = next(iter(written))[0].strip()
    targets = len(roles.targets)
    covariates: dict[str, Numbers | Words] = {
        name: words[name].words()
        if name in words
        else Numbers(numbers[:, targets + amounts.index(name)])
        for name in roles.covariates
    }
    return Columns(
        keys,
        codes,
        join(times),
        timezone,
        numbers[:, :targets] if amounts else numbers,
        int(infinite[:, :targets].sum()),
        counts,
        covariates,
    )


def batches(
    file: File,
    time: str,
    ids: Sequence[str],
    numbers: Sequence[str] = (),
    marks: Marks = PLAIN,
) -> Iterator[Batch]:
    """The named columns a piece at a time; those of a CSV are typed, text as dictionaries.

    Numbers that the file does not have are left out: a file of what is known ahead has no targets.
    """
    apart = dict(file.partition)
    here = [name for name in (time, *ids, *numbers) if name in file.raw and name not in apart]
    raw = {name: file.raw[name] for name in here}
    for batch in _read(file, raw, [name for name in numbers if name in raw], marks):
        rows = len(batch[time])
        for name in set(apart) & {*ids, *numbers}:
            indices = pa.array(np.zeros(rows, dtype=np.int32))
            batch[name] = pa.DictionaryArray.from_arrays(indices, pa.array([apart[name]]))
        yield batch


def _read(file: File, raw: dict[str, str], numbers: Sequence[str], marks: Marks) -> Iterator[Batch]:
    if file.is_parquet:
        with pq.ParquetFile(file.path) as parquet:
            for batch in parquet.iter_batches(_BATCH, columns=list(raw.values())):
                yield {name: batch.column(raw[name]) for name in raw}
        return
    # Arrow knows no thousands separators: such numbers come as text
    as_number = _TEXT if marks.thousands else pa.float64()
    types = {raw[name]: as_number if name in numbers else _TEXT for name in raw}
    reader = arrow_csv.open_csv(
        _stream(file),
        read_options=arrow_csv.ReadOptions(block_size=_BLOCK),
        parse_options=arrow_csv.ParseOptions(delimiter=file.separator, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=list(MISSING),
            strings_can_be_null=False,  # a series may be called NA
            decimal_point=marks.decimal,
        ),
    )
    for batch in reader:
        yield {name: batch.column(raw[name]) for name in raw}


def join(parts: list[np.ndarray]) -> np.ndarray:
    """The parts one behind the other. The list is emptied on the way: each part is let go once it
    is copied, so that not everything is in memory twice."""
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), dtype=parts[0].dtype)
    end = len(whole)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole


def _stream(file: File) -> Any:
    if file.path is None:
        stream = pa.BufferReader(file.content)
    else:
        packed = file.path.name.lower().endswith(".gz")
        stream = pa.input_stream(str(file.path), compression="gzip" if packed else None)
    return (
        stream
        if file.encoding == "utf-8"
        else pa.transcoding_input_stream(stream, file.encoding, "utf-8")
    )


def _encoded(column: Any) -> Any:
    """Any column as a dictionary of texts in which every text is used."""
    if pa.types.is_dictionary(column.type):
        if column.type == _TEXT:
            return column
        column = column.dictionary_decode()
    column = column.dictionary_encode()
    return pa.DictionaryArray.from_arrays(column.indices, as_text(column.dictionary))


def _times(column: Any, form: stamps.Form, where: str) -> tuple[np.ndarray, str]:
    """Times [r] and the offset they are local to, as written; "Z" for instants."""
    if column.null_count:
        raise ValueError("a blank time")
    if not pa.types.is_temporal(column.type):
        encoded = _encoded(column)
        return stamps.parse(encoded.dictionary, form)[encoded.indices.to_numpy()], form.timezone
    zone = getattr(column.type, "tz", None) or ""
    if zone and zone.upper() not in ("UTC", "+00:00", "Z") and not form.offsets:
        found = f"the times are in the zone {zone!r}"
        cure = "convert the column to UTC, or set data.timezone, such as Europe/Berlin"
        raise DataError(Problem(where, found, cure))
    column = column.cast(pa.timestamp("us", zone or None), safe=False)
    return np.asarray(column.cast(pa.int64()).to_numpy()).view("datetime64[us]"), "Z" * bool(zone)


def _values(columns: list[Any], rows: int, marks: Marks) -> np.ndarray:
    """Numbers [r, X] float64; NaN where the file has no such column."""
    out = np.full((rows, len(columns)), np.nan)
    for index, column in enumerate(columns):
        if column is None:
            continue
        if not pa.types.is_primitive(column.type):  # text, whatever Arrow calls it
            column = as_text(column)
            column = pc.if_else(pc.is_in(column, pa.array(MISSING)), None, column)
            if marks.thousands:
                column = _plain(column, marks)
        # Not safe: beyond 2^53 whole numbers are rounded, as they are in a CSV.
        out[:, index] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return out


def _plain(column: Any, marks: Marks) -> Any:
    """Numbers with thousands separators as Arrow reads them; ValueError where one is none."""
    encoded = pc.utf8_trim_whitespace(column).dictionary_encode()
    fits = re.compile(marks.pattern(), re.IGNORECASE | re.ASCII)
    texts = encoded.dictionary.to_pylist()
    if not all(fits.fullmatch(text) for text in texts):
        raise ValueError("not a number")
    plain = pa.array([marks.plain(text) for text in texts], pa.string())
    return pa.DictionaryArray.from_arrays(encoded.indices, plain).dictionary_decode()


def _check_alike(written: dict[tuple[str, str], str]) -> None:
    names = {"i": "whole numbers", "M": "dates"}
    if len(written) > 1:
        found = "; ".join(
            f"{file} has {names[kind]}" + (f" with the offset {zone.strip()}" if zone else "")
            for (zone, kind), file in written.items()
        )
        cure = "write the time in one way and one time zone in all files"
        raise DataError(Problem("", f"the files differ in their times: {found}", cure))


def _keys(names: Sequence[str], ids: list[_Ids], rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    """The distinct ids, sorted by the first column, then the second …, and the codes [R]."""
    if not names:
        return pd.DataFrame(index=range(1)), np.zeros(rows, dtype=np.int64)
    words, codes = ids[0].sorted()
    columns, codes = [words], codes.astype(np.int64)
    for column in ids[1:]:
        words, more = column.sorted()
        codes *= len(words)
        codes += more
        codes, pairs = pd.factorize(codes)
        order = np.argsort(pairs)
        np.take(np.argsort(order), codes, out=codes, mode="clip")  # in place: codes are long
        pairs = pairs[order]
        columns = [known.take(pa.array(pairs // len(words))) for known in columns]
        columns.append(words.take(pa.array(pairs % len(words))))
    frame = {name: words.to_pandas() for name, words in zip(names, columns, strict=True)}
    return pd.DataFrame(frame).astype("str"), codes
