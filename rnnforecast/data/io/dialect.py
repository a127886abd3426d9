"""The files that are read, and how each is written: compression, encoding, separator, header.

Everything that can be wrong before the first row is looked at is found here, for all files at
once: nothing there, nothing in it, an unknown kind of file, a broken header.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rnnforecast.data.io import encoding as encodings
from rnnforecast.data.io import find_files as folders
from rnnforecast.errors import DataError, Problem

_SEPARATORS = ("\t", ";", "|", ",")  # of two that fit alike, the comma may be a decimal comma
BROKEN_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)


@dataclass(frozen=True)
class InputFile:
    """One input file, opened once to see how it is written."""

    name: str
    """As it is called in messages."""
    path: Path | None
    """None: standard input, kept in `content`."""
    content: bytes = field(repr=False)
    separator: str
    """Empty for parquet."""
    header: tuple[str, ...]
    """Column names as written."""
    codec: str = "utf-8"
    """The encoding of its text."""
    partition_values: Mapping[str, str] = field(default_factory=dict)
    """What the names of its folders say: ``store=1/part.parquet``."""
    numeric_columns: frozenset[str] = frozenset()
    """Columns of a parquet file that hold numbers, so that none is written wrongly."""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Column names without the blanks around them, those of folders last; empty where a column
        has no name."""
        return (*(name.strip() for name in self.header), *self.partition_columns)

    @cached_property
    def partition_columns(self) -> dict[str, str]:
        """The columns of folders, each with its one value; a column in the file goes before."""
        return {
            name: text for name, text in self.partition_values.items() if name not in self.raw_names
        }

    @property
    def is_parquet(self) -> bool:
        return not self.separator

    @property
    def is_gzip(self) -> bool:
        return _is_gzip(self.path, self.content)

    @cached_property
    def raw_names(self) -> dict[str, str]:
        """Each column of the file itself, with its name as the file writes it."""
        return {name.strip(): name for name in self.header}

    def open(self) -> BinaryIO:
        """The bytes, decompressed."""
        return _open_bytes(self.path, self.content)

    def open_parquet(self) -> pq.ParquetFile:
        """The parquet file, open."""
        return _open_parquet(self.path, self.content)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Line number (the first is 1) and cells of every row below the header that is not blank,
        without those of folders.
        Bytes that are no text come as lone surrogates. A parquet row counts as a line."""
        if not self.is_parquet:
            yield from islice(_read_records(self), 1, None)
            return
        line = 0
        try:
            with self.open_parquet() as parquet:
                for batch in parquet.iter_batches(batch_size=4096):
                    columns = (to_text(column).to_pylist() for column in batch.columns)
                    for row in zip(*columns, strict=True):
                        line += 1
                        yield line, [cell or "" for cell in row]
        except (pa.ArrowException, OSError) as error:
            found = f"damaged after row {line} ({str(error).splitlines()[0]})"
            raise DataError(Problem(self.name, found, "copy or write it again")) from None


class LineIndex:
    """Where a row of the table stands in the files; looked up only when it is asked for."""

    def __init__(self, files: Sequence[InputFile], row_counts: Sequence[int]) -> None:
        self._files = tuple(files)
        self._row_ends = np.cumsum(row_counts)
        self._line_numbers: dict[int, np.ndarray] = {}
        self._rows: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> LineIndex:
        """The lines of a table of these rows alone."""
        fewer = LineIndex(self._files, np.diff(self._row_ends, prepend=0).tolist())
        fewer._rows = rows if self._rows is None else self._rows[rows]
        return fewer

    def location(self, row: int, column: str | None = None) -> str:
        """The place of a row (the first of the table is 0): ``sales.csv, line 7, column 'y'``."""
        row = row if self._rows is None else int(self._rows[row])
        index = int(np.searchsorted(self._row_ends, row, side="right"))
        file = self._files[index]
        inside = int(row) - (int(self._row_ends[index - 1]) if index else 0)
        if file.is_parquet:
            return format_location(file, inside + 1, column)
        if index not in self._line_numbers:
            lines = (line for line, _ in file.records())
            self._line_numbers[index] = np.fromiter(lines, dtype=np.int64)
        return format_location(file, int(self._line_numbers[index][inside]), column)


def format_location(file: InputFile, line: int, column: str | None = None) -> str:
    """``sales.csv, line 7, column 'y'``."""
    text = f"{file.name}, {'row' if file.is_parquet else 'line'} {line}"
    return text if column is None else f"{text}, column {column!r}"


def scan_files(
    source: Sequence[str], *, separator: str = "auto", encoding: str = "auto"
) -> tuple[InputFile, ...]:
    """All files that the source names (files, folders, globs, "-" for standard input), looked at.

    Raises DataError with everything that is wrong with any of them.
    """
    encodings.check_encoding(encoding)
    problems: list[Problem] = []
    paths: dict[Path | None, dict[str, str]] = {}  # each once
    for item in source:
        try:
            paths |= folders.find_paths(item)
        except DataError as error:
            problems += error.problems
    doubled = Counter(path.name for path in paths if path)
    files = []
    for path, above in paths.items():
        name = "stdin" if path is None else path.name if doubled[path.name] == 1 else str(path)
        try:
            files.append(
                replace(_detect_dialect(name, path, separator, encoding), partition_values=above)
            )
        except DataError as error:
            problems += error.problems
    if problems or not files:
        raise DataError(*problems or [Problem("data.path", "names no file", "name at least one")])
    return tuple(files)


def sample_rows(file: InputFile, max_rows: int) -> list[list[str]]:
    """The first rows' cells, without rows that are cut short or too long, and with a mark in the
    place of bytes that are no text. Raises DataError where no row is as wide as the header."""
    first = list(islice(file.records(), max_rows))
    whole = [cells for _, cells in first if len(cells) == len(file.header)]
    if not whole:
        raise DataError(*(ragged_row_problem(file, line, cells) for line, cells in first[:1]))
    more = file.partition_columns.values()
    return [
        [cell if cell.isascii() else _replace_undecodable(cell) for cell in (*row, *more)]
        for row in whole
    ]


def _replace_undecodable(cell: str) -> str:
    return cell.encode(errors="replace").decode()


def ragged_row_problem(file: InputFile, line: int, cells: Sequence[str]) -> Problem:
    """The problem of a row that is not as wide as the header."""
    found = f"{len(cells)} cells, but the header has {len(file.header)}"
    cure = "add or take out separators, and quote cells that hold one"
    if any("\n" in cell for cell in cells):
        cure = "close the quote that is opened in this line"
    return Problem(format_location(file, line), found, cure)


def is_numeric_type(dtype: pa.DataType) -> bool:
    """Whether an Arrow type is one of numbers."""
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return any(test(dtype) for test in tests)


def to_text(column: pa.Array[Any]) -> pa.Array[Any]:
    """The cells of a parquet column as a CSV would have them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array(map(str, column.to_pylist()), pa.string())  # lists and the like: not used


def _is_gzip(path: Path | None, content: bytes) -> bool:
    return content[:2] == b"\x1f\x8b" if path is None else path.name.lower().endswith(".gz")


def _open_bytes(path: Path | None, content: bytes) -> BinaryIO:
    if _is_gzip(path, content):
        return cast(BinaryIO, gzip.open(io.BytesIO(content) if path is None else path, "rb"))
    return io.BytesIO(content) if path is None else path.open("rb")


def _open_parquet(path: Path | None, content: bytes) -> pq.ParquetFile:
    return pq.ParquetFile(pa.BufferReader(content) if path is None else path)


def _detect_dialect(name: str, path: Path | None, separator: str, encoding: str) -> InputFile:
    try:
        content = sys.stdin.buffer.read() if path is None else b""
        if content[:4] == b"PAR1" if path is None else path.suffix.lower() == ".parquet":
            return _detect_parquet(name, path, content)
        with _open_bytes(path, content) as stream:
            start = stream.read(1 << 16)
    except BROKEN_GZIP as error:
        found = f"not a whole gzip file ({error})"
        raise DataError(Problem(name, found, "copy it again")) from None
    except OSError as error:
        cure = "check that the file is there and that you may read it"
        raise DataError(Problem(name, f"cannot be read ({error.strerror})", cure)) from None
    codec = encodings.detect_encoding(start, encoding, name)
    if not start.decode(codec, errors="replace").strip("\ufeff \t\r\n"):
        raise DataError(Problem(name, "the file is empty", "expected a header and rows"))
    file = InputFile(name, path, content, separator, (), codec)
    if separator == "auto":
        file = max((replace(file, separator=mark) for mark in _SEPARATORS), key=_separator_score)
    (line, header), *rows = islice(_read_records(file), 2)
    file = replace(file, header=tuple(header))
    _check_header(file, f"{name}, line {line}", has_rows=bool(rows))
    return file


def _detect_parquet(name: str, path: Path | None, content: bytes) -> InputFile:
    try:
        with _open_parquet(path, content) as parquet:
            columns, rows = list(parquet.schema_arrow), parquet.metadata.num_rows
    except pa.ArrowInvalid as error:
        text = str(error).splitlines()[0]
        raise DataError(Problem(name, f"not a parquet file ({text})", "write it again")) from None
    file = InputFile(
        name,
        path,
        content,
        separator="",
        header=tuple(column.name for column in columns),
        numeric_columns=frozenset(
            column.name.strip() for column in columns if is_numeric_type(column.type)
        ),
    )
    _check_header(file, name, has_rows=rows > 0)
    return file


def _separator_score(file: InputFile) -> tuple[float, int]:
    """How well the separator fits: the share of the first rows that it cuts into as many cells as
    the header has, and how many that are."""
    try:
        rows = islice(_read_records(file), 50)
        widths = [len(cells) for _, cells in rows]
    except DataError:  # a wide row that it does not cut at all
        return 0.0, 0
    if widths[0] == 1:
        return 0.0, int(file.separator == ",")
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]


def _check_header(file: InputFile, location: str, *, has_rows: bool) -> None:
    problems = []
    if encodings.has_undecodable_bytes("".join(file.header)):
        problems.append(encodings.encoding_problem(location, file.codec))
    names = Counter(name.strip() for name in file.header if name.strip())
    if twice := [name for name, count in names.items() if count > 1]:
        found = f"the header names {', '.join(map(repr, twice))} more than once"
        problems.append(Problem(location, found, "give every column its own name"))
    if not has_rows:
        found = "the file has a header but no rows"
        problems.append(Problem(file.name, found, "expected at least one row below the header"))
    if problems:
        raise DataError(*problems)


def _read_records(file: InputFile) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of each record that is not blank, the header included."""
    line = 1
    with encodings.open_text(file.open(), file.codec) as text:
        reader = csv.reader(text, delimiter=file.separator)
        try:
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error:
            found = "a cell that goes on for more than 100,000 characters"
            cure = "close the quote that is opened here"
            raise DataError(Problem(f"{file.name}, line {line}", found, cure)) from None
        except BROKEN_GZIP as error:
            found = f"not a whole gzip file ({error})"
            raise DataError(Problem(file.name, found, "copy it again")) from None
