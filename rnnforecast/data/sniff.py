"""Which files are read, and how each is written: compression, separator, header, decimals.

Everything that can be wrong before the first row is looked at is found here, for all files at
once: nothing there, nothing in it, an unknown kind of file, a broken header.
"""

from __future__ import annotations

import csv
import glob
import gzip
import io
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rnnforecast.errors import DataError, Problem

ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet")
_SEPARATORS = ("\t", ";", "|", ",")  # of two that fit alike, the comma may be a decimal comma
BROKEN_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)


@dataclass(frozen=True)
class File:
    """One input file, opened once to see how it is written."""

    name: str
    """As it is called in messages."""
    path: Path | None
    """None: standard input, kept in `content`."""
    content: bytes = field(repr=False)
    separator: str
    """Empty for parquet."""
    header: tuple[str, ...]
    """Column names as written, those of the partition last."""
    encoding: str = "utf-8"
    partition: tuple[tuple[str, str], ...] = ()
    """Columns that the names of folders hold: ``store=1/part.parquet``."""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Column names without the blanks around them; empty where a column has no name."""
        return tuple(name.strip() for name in self.header)

    @property
    def is_parquet(self) -> bool:
        return not self.separator

    @cached_property
    def raw(self) -> dict[str, str]:
        """Each column's name as the file writes it."""
        return dict(zip(self.columns, self.header, strict=True))

    @property
    def width(self) -> int:
        """Cells of a row in the file itself."""
        return len(self.header) - len(self.partition)

    def open(self) -> BinaryIO:
        """The bytes, decompressed."""
        return _open(self.path, self.content)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Line number (the first is 1) and cells of every row below the header that is not blank.
        Bytes that are not UTF-8 come as lone surrogates. A parquet row counts as a line."""
        more = [value for _, value in self.partition]
        if not self.is_parquet:
            for line, cells in islice(_records(self), 1, None):
                yield line, cells + more if len(cells) == self.width else cells
            return
        line = 0
        try:
            with pq.ParquetFile(self.path) as parquet:
                for batch in parquet.iter_batches(batch_size=4096):
                    columns = (as_text(column).to_pylist() for column in batch.columns)
                    for cells in zip(*columns, strict=True):
                        line += 1
                        yield line, [*(cell or "" for cell in cells), *more]
        except (pa.ArrowException, OSError) as error:
            found = f"damaged after row {line} ({str(error).splitlines()[0]})"
            raise DataError(Problem(self.name, found, "copy or write it again")) from None


class Lines:
    """Where a row of the table stands in the files; looked up only when it is asked for."""

    def __init__(self, files: Sequence[File], counts: Sequence[int]) -> None:
        self._files = tuple(files)
        self._ends = np.cumsum(counts)
        self._numbers: dict[int, np.ndarray] = {}
        self._rows: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Lines:
        """The lines of a table of these rows alone."""
        fewer = Lines(self._files, np.diff(self._ends, prepend=0).tolist())
        fewer._rows = rows if self._rows is None else self._rows[rows]
        return fewer

    def where(self, row: int, column: str | None = None) -> str:
        """The place of a row (the first of the table is 0): ``sales.csv, line 7, column 'y'``."""
        row = row if self._rows is None else int(self._rows[row])
        index = int(np.searchsorted(self._ends, row, side="right"))
        file = self._files[index]
        inside = int(row) - (int(self._ends[index - 1]) if index else 0)
        if file.is_parquet:
            return place(file, inside + 1, column)
        if index not in self._numbers:
            lines = (line for line, _ in file.records())
            self._numbers[index] = np.fromiter(lines, dtype=np.int64)
        return place(file, int(self._numbers[index][inside]), column)


def place(file: File, line: int, column: str | None = None) -> str:
    """``sales.csv, line 7, column 'y'``."""
    text = f"{file.name}, {'row' if file.is_parquet else 'line'} {line}"
    return text if column is None else f"{text}, column {column!r}"


def find(
    source: Sequence[str], *, separator: str = "auto", encoding: str = "auto"
) -> tuple[File, ...]:
    """All files that the source names (files, folders, globs, "-" for standard input), looked at.

    Folders are searched to the bottom; where their names are like ``store=1``, that is a column.
    Raises DataError with everything that is wrong with any of them.
    """
    problems: list[Problem] = []
    paths: dict[Path | None, tuple[tuple[str, str], ...]] = {}
    for item in source:
        try:
            for path in _paths(item):
                paths.setdefault(path, _partition(item, path))
        except DataError as error:
            problems += error.problems
    doubled = Counter(path.name for path in paths if path)
    files = []
    for path, partition in paths.items():
        name = "stdin" if path is None else path.name if doubled[path.name] == 1 else str(path)
        try:
            files.append(_look(name, path, separator, encoding, partition))
        except DataError as error:
            problems += error.problems
    if problems or not files:
        raise DataError(*problems or [Problem("data.path", "names no file", "name at least one")])
    return tuple(files)


def sample(file: File, rows: int) -> list[list[str]]:
    """The first rows' cells, without rows that are cut short or too long, and with a mark in the
    place of bytes that are not UTF-8. Raises DataError where no row is as wide as the header."""
    first = list(islice(file.records(), rows))
    whole = [cells for _, cells in first if len(cells) == len(file.header)]
    if not whole:
        raise DataError(*(ragged(file, line, cells) for line, cells in first[:1]))
    return [[cell.encode(errors="replace").decode() for cell in cells] for cells in whole]


def ragged(file: File, line: int, cells: Sequence[str]) -> Problem:
    """The problem of a row that is not as wide as the header."""
    found = f"{len(cells)} cells, but the header has {file.width}"
    cure = "add or take out separators, and quote cells that hold one"
    if any("\n" in cell for cell in cells):
        cure = "close the quote that is opened in this line"
    return Problem(place(file, line), found, cure)


def as_text(column: pa.Array[Any]) -> pa.Array[Any]:
    """The cells of a parquet column as a CSV would have them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array(map(str, column.to_pylist()), pa.string())  # lists and the like: not used


def _paths(item: str) -> list[Path | None]:
    path = Path(item).expanduser()
    if item == "-":
        return [None]
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.name.lower().endswith(ENDINGS))
        hidden = (any(part[0] in "._" for part in p.relative_to(path).parts) for p in inside)
        found = [p for p, away in zip(inside, hidden, strict=True) if p.is_file() and not away]
        if found:
            return list(found)
        raise DataError(Problem(item, "no CSV or parquet file in this folder", _endings()))
    if path.is_file():
        if path.name.lower().endswith(ENDINGS):
            return [path]
        raise DataError(Problem(item, "not a kind of file that can be read", _endings()))
    if glob.has_magic(item):
        matches = (Path(match) for match in glob.glob(str(path), recursive=True))
        if hits := sorted(p for p in matches if p.name.lower().endswith(ENDINGS) and p.is_file()):
            return list(hits)
        raise DataError(Problem(item, "no CSV or parquet file matches this pattern", _endings()))
    cure = "check the path; in a spec a relative one counts from the folder of the spec"
    raise DataError(Problem(item, "there is no such file or folder", cure))


def _partition(item: str, path: Path | None) -> tuple[tuple[str, str], ...]:
    """The columns that the folders between the item and the file name, hive's way."""
    if path is None:
        return ()
    folder = Path(item).expanduser()
    inside = path.relative_to(folder).parts[:-1] if folder.is_dir() else path.parts[:-1]
    pairs = (part.split("=", 1) for part in inside if "=" in part)
    return tuple((name, unquote(value)) for name, value in pairs)


def _endings() -> str:
    return f"give files that end in {', '.join(ENDINGS)}"


def _open(path: Path | None, content: bytes) -> BinaryIO:
    if path is None:
        return io.BytesIO(content)
    packed = path.name.lower().endswith(".gz")
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")


def _look(
    name: str,
    path: Path | None,
    separator: str,
    encoding: str,
    partition: tuple[tuple[str, str], ...],
) -> File:
    try:
        content = sys.stdin.buffer.read() if path is None else b""
        if path is not None and path.suffix.lower() == ".parquet":
            return _look_at_parquet(name, path, partition)
        with _open(path, content) as stream:
            start = stream.read(1 << 16)
    except BROKEN_GZIP as error:
        found = f"not a whole gzip file ({error})"
        raise DataError(Problem(name, found, "copy it again")) from None
    except OSError as error:
        cure = "check that the file is there and that you may read it"
        raise DataError(Problem(name, f"cannot be read ({error.strerror})", cure)) from None
    if not start.strip(b"\xef\xbb\xbf \t\r\n"):
        raise DataError(Problem(name, "the file is empty", "expected a header and rows"))
    if encoding == "auto":
        encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    file = File(name, path, content, separator, (), encoding)
    if separator == "auto":
        file = max((replace(file, separator=mark) for mark in _SEPARATORS), key=_score)
    (line, header), *rows = islice(_records(file), 2)
    columns = (*header, *(column for column, _ in partition))
    file = replace(file, header=columns, partition=partition)
    _check_header(file, f"{name}, line {line}", has_rows=bool(rows))
    return file


def _look_at_parquet(name: str, path: Path, partition: tuple[tuple[str, str], ...]) -> File:
    try:
        with pq.ParquetFile(path) as parquet:
            names = (*parquet.schema_arrow.names, *(column for column, _ in partition))
            file = File(name, path, b"", "", names, partition=partition)
            _check_header(file, name, has_rows=parquet.metadata.num_rows > 0)
    except pa.ArrowInvalid as error:
        text = str(error).splitlines()[0]
        raise DataError(Problem(name, f"not a parquet file ({text})", "write it again")) from None
    return file


def _score(file: File) -> tuple[float, int]:
    """How well the separator fits: the share of the first rows that it cuts into as many cells as
    the header has, and how many that are."""
    try:
        rows = islice(_records(file), 50)
        widths = [len(cells) for _, cells in rows]
    except DataError:  # a wide row that it does not cut at all
        return 0.0, 0
    if widths[0] == 1:
        return 0.0, int(file.separator == ",")
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]


def _check_header(file: File, where: str, *, has_rows: bool) -> None:
    problems = []
    if undecodable("".join(file.header)):
        problems.append(not_utf8(where))
    names = Counter(name for name in file.columns if name)
    if twice := [name for name, count in names.items() if count > 1]:
        found = f"the header names {', '.join(map(repr, twice))} more than once"
        problems.append(Problem(where, found, "give every column its own name"))
    if not has_rows:
        found = "the file has a header but no rows"
        problems.append(Problem(file.name, found, "expected at least one row below the header"))
    if problems:
        raise DataError(*problems)


def undecodable(text: str) -> bool:
    """Whether the text came from bytes that are not UTF-8."""
    return any("\udc80" <= letter <= "\udcff" for letter in text)


def not_utf8(where: str) -> Problem:
    """The problem of a cell in another encoding, most often that of older spreadsheets."""
    found = "bytes that are not UTF-8; this looks like latin-1 (Windows-1252)"
    cure = "set data.encoding, such as latin-1 or cp1252, or save the file as UTF-8"
    return Problem(where, found, cure)


def _records(file: File) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of each record that is not blank, the header included."""
    line = 1
    utf8 = file.encoding == "utf-8"
    codec = "utf-8-sig" if utf8 else file.encoding
    # utf-8 bytes that are none become marks, which `undecodable` finds
    errors = "surrogateescape" if utf8 else "strict"
    with io.TextIOWrapper(file.open(), codec, errors=errors, newline="") as text:
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
        except UnicodeDecodeError as error:
            found = f"bytes that are not {file.encoding} ({error.reason})"
            cure = "set data.encoding to the one the file is written in"
            raise DataError(Problem(f"{file.name}, near line {line}", found, cure)) from None
        except BROKEN_GZIP as error:
            found = f"not a whole gzip file ({error})"
            raise DataError(Problem(file.name, found, "copy it again")) from None
