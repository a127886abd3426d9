"""The inputs of a spec, files or data frames: columns, and the place of each row of a table."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rnnforecast.data.io.database import read_database
from rnnforecast.data.io.file_source import FileSource, unreadable_file_error
from rnnforecast.data.io.find_files import find_paths, partition_values, table_extensions
from rnnforecast.data.io.frame_source import DataSource, FrameSource, open_frame
from rnnforecast.data.io.joined_columns import clean_time_part, join_texts
from rnnforecast.data.io.number_format import NumberFormat
from rnnforecast.data.io.remote_files import RemoteCopy, RemoteFile, find_remote_files
from rnnforecast.data.io.table_reader import TableReader, ragged_row_problem, row_location
from rnnforecast.errors import DataError, Problem
from rnnforecast.registry import FILE_FORMATS
from rnnforecast.spec.data import DataSpec
from rnnforecast.spec.locations import expand_url, is_database, is_url
from rnnforecast.types import Ints

DEFAULT_NUMBER_FORMAT = NumberFormat()
ColumnBatch = dict[str, Any]


@dataclass(frozen=True)
class InputFile:
    """One input file, or data frame, with its reader."""

    reader: TableReader
    partition_values: Mapping[str, str] = field(default_factory=dict)
    """Columns and values of Hive partitions, from folder names: ``store=1/part.parquet``."""
    joined_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns that are made of others, whose cells are joined by a space."""

    @property
    def name(self) -> str:
        """The name in messages."""
        return self.reader.source.name

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Stripped column names, then those of partitions and joined ones; "" for a column without
        a name."""
        return (*self._own_columns, *self.joined_columns)

    @cached_property
    def _own_columns(self) -> tuple[str, ...]:
        return (*(name.strip() for name in self.reader.header), *self.partition_columns)

    @cached_property
    def partition_columns(self) -> dict[str, str]:
        """Columns of partitions, each with its value; columns of the file take precedence."""
        return {
            name: text for name, text in self.partition_values.items() if name not in self.raw_names
        }

    @cached_property
    def raw_names(self) -> dict[str, str]:
        """Stripped name -> name in the file, for each column of the file itself."""
        return {name.strip(): name for name in self.reader.header}

    def with_joined(self, name: str, columns: tuple[str, ...]) -> InputFile:
        """The file with a column that joins others."""
        return replace(self, joined_columns={**self.joined_columns, name: columns})

    def complete_row(self, cells: Sequence[str]) -> list[str]:
        """The cells of a row of the file in the order of `columns`."""
        row = [*cells, *self.partition_columns.values()]
        for parts in self.joined_columns.values():
            texts = (row[self._own_columns.index(part)] for part in parts)
            row.append(" ".join(map(clean_time_part, texts)).strip())
        return row

    def sample_rows(self, max_rows: int) -> list[list[str]]:
        """The cells of the first `max_rows` rows, without rows that are not as wide as the header.

        Undecodable bytes are replaced. Raises DataError if no row is as wide as the header.
        """
        first = list(islice(self.reader.records(), max_rows))
        complete = [cells for _, cells in first if len(cells) == len(self.reader.header)]
        if not complete:
            raise DataError(
                *(ragged_row_problem(self.reader, line, cells) for line, cells in first[:1])
            )
        return [
            [
                cell if cell.isascii() else _replace_undecodable(cell)
                for cell in self.complete_row(row)
            ]
            for row in complete
        ]

    def without_empty_rows(self) -> InputFile:
        """The file without rows that hold no data; itself if there are none."""
        reader = self.reader.without_empty_rows()
        return self if reader is self.reader else replace(self, reader=reader)

    def batches(
        self,
        text_columns: Sequence[str],
        numeric_columns: Sequence[str] = (),
        number_format: NumberFormat = DEFAULT_NUMBER_FORMAT,
    ) -> Iterator[ColumnBatch]:
        """The named columns in batches of Arrow columns; those that the file lacks are left out.

        Raises ArrowException or ValueError if a cell cannot be parsed.
        """
        parts = [part for name in text_columns for part in self.joined_columns.get(name, ())]
        raw, names = self.raw_names, (*text_columns, *numeric_columns, *parts)
        texts = [raw[name] for name in dict.fromkeys((*text_columns, *parts)) if name in raw]
        numbers = [raw[name] for name in numeric_columns if name in raw]
        for batch in self.reader.batches(texts, numbers, number_format):
            columns = {name: batch.column(raw[name]) for name in names if name in raw}
            for name in names:
                if name in self.partition_columns:
                    codes = pa.array(np.zeros(batch.num_rows, dtype=np.int32))
                    value = [self.partition_columns[name]]
                    columns[name] = pa.DictionaryArray.from_arrays(codes, value)
            for name in text_columns:
                if name in self.joined_columns:
                    columns[name] = join_texts([columns[p] for p in self.joined_columns[name]])
            yield columns


class LineIndex:
    """The file and line of each row of a table; a file is read for its lines on demand."""

    def __init__(self, files: Sequence[InputFile], row_counts: Sequence[int]) -> None:
        self._files = tuple(files)
        self._row_ends = np.cumsum(row_counts)
        self._line_numbers: dict[int, Sequence[int]] = {}
        self._rows: Ints | None = None

    def take(self, rows: Ints) -> LineIndex:
        """The index of a table of `rows` only."""
        fewer = LineIndex(self._files, np.diff(self._row_ends, prepend=0).tolist())
        fewer._rows = rows if self._rows is None else self._rows[rows]
        return fewer

    def file_number(self, row: int) -> int:
        """The place of the file of a row among all files."""
        row = row if self._rows is None else int(self._rows[row])
        return int(np.searchsorted(self._row_ends, row, side="right"))

    def location(self, row: int, column: str | None = None) -> str:
        """The location of a row, counted from 0: ``sales.csv, line 7, column 'y'``."""
        index = self.file_number(row)
        row = row if self._rows is None else int(self._rows[row])
        file = self._files[index]
        row_in_file = int(row) - (int(self._row_ends[index - 1]) if index else 0)
        if index not in self._line_numbers:
            try:
                self._line_numbers[index] = file.reader.line_numbers()
            except (OSError, DataError):  # the file has changed or gone since it was read
                return f"{file.name}, {row_location('row', row_in_file + 1, column)}"
        return format_location(file, self._line_numbers[index][row_in_file], column)


def fetch_urls(source: Sequence[DataSource], data: DataSpec) -> tuple[DataSource, ...]:
    """The source with the content of its URLs: tables of databases, and copies of remote files.

    Raises DataError with the problems of all URLs.
    """
    fetched: list[DataSource] = []
    remote: dict[str, RemoteFile] = {}
    problems: list[Problem] = []
    for item in source:
        if not isinstance(item, str) or not is_url(item):
            fetched.append(item)
            continue
        try:
            url = expand_url(item)
            if is_database(url.text):
                fetched.append(read_database(item, data.query))
            elif url.local_path is not None:
                fetched.append(url.local_path)
            else:
                remote |= {file.key: file for file in find_remote_files(url, table_extensions())}
        except DataError as error:
            problems += error.problems
    for file in remote.values():
        try:
            fetched.append(file.download())
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)
    return tuple(fetched)


def scan_files(source: Sequence[DataSource], data: DataSpec | None = None) -> tuple[InputFile, ...]:
    """All files of the source (files, folders, globs, URLs, "-" for standard input), each once,
    read as `data` says; then its data frames and tables of databases.

    Raises DataError with the problems of all of them; most rows are not read yet.
    """
    names = tuple(item for item in source if isinstance(item, str))
    data = data or DataSpec(path=names)
    source = fetch_urls(source, data)
    problems: list[Problem] = []
    paths: dict[Path | None, dict[str, str]] = {}
    copies: dict[Path | None, RemoteCopy] = {}
    for item in source:
        if isinstance(item, RemoteCopy):
            copies[item.path] = item
            paths[item.path] = partition_values(item.original)
        elif isinstance(item, str):
            try:
                paths |= find_paths(item)
            except DataError as error:
                problems += error.problems
    name_counts = Counter(path.name for path in paths if path)
    files = []
    for path, partitions in paths.items():
        name, copy = "stdin" if path is None else path.name, copies.get(path)
        if path and (name_counts[name] > 1 or not path.is_file()):
            name = str(path) if copy is None else copy.url
        try:
            reader = _open_table(name, path, data, owner=copy)
            files.append(InputFile(reader, partitions))
        except DataError as error:
            problems += error.problems
    for frame in source:
        if isinstance(frame, FrameSource):
            try:
                files.append(InputFile(open_frame(frame)))
            except DataError as error:
                problems += error.problems
    if problems or not files:
        found, cure = "names no file: the data are a data frame", "give it, or files"
        raise DataError(*problems or [Problem("data.path", found, cure)])
    return tuple(files)


def format_location(file: InputFile, line: int, column: str | None = None) -> str:
    """A location in messages: ``sales.csv, line 7, column 'y'``."""
    if column is not None and column in file.joined_columns:
        names = ", ".join(map(repr, file.joined_columns[column]))
        return f"{file.name}, {file.reader.location(line)}, columns {names}"
    return f"{file.name}, {file.reader.location(line, column)}"


def locate_cell(files: Sequence[InputFile], column: str, text: str) -> str:
    """The location of the first cell of a column with this text, blanks around it aside."""
    for file in files:
        if column in file.columns:
            position = file.columns.index(column)
            for line, cells in file.reader.records():
                if position < len(cells) and cells[position].strip() == text:
                    return format_location(file, line, column)
    return f"{files[0].name}, column {column!r}"


def _open_table(
    name: str, path: Path | None, data: DataSpec, owner: RemoteCopy | None
) -> TableReader:
    try:
        if path is None:
            source = FileSource(name, None, _read_stdin())
        elif path.is_file():
            source = FileSource(name, path, owner=owner)
        else:  # a pipe can be read only once
            source = FileSource(name, None, path.read_bytes())
        reader: TableReader = FILE_FORMATS.load(_format_name(source)).open_table(source, data)
    except OSError as error:
        raise unreadable_file_error(name, error) from None
    return reader


def _read_stdin() -> bytes:
    try:
        return sys.stdin.buffer.read()
    except (AttributeError, ValueError):  # None or closed, as in a job without standard input
        found, cure = "standard input is closed", "name a file, or pipe one in"
        raise DataError(Problem("stdin", found, cure)) from None


def _format_name(source: FileSource) -> str:
    """The format of a file by its extension; by its first bytes without a known one, as standard
    input and some URLs have none."""
    formats = FILE_FORMATS.names()
    if source.path is not None:
        lower = source.path.name.lower()
        for name in formats:
            if lower.endswith(FILE_FORMATS.literal(name, "EXTENSIONS")):
                return name
    start = source.raw_start(8)
    for name in formats:
        signature = FILE_FORMATS.literal(name, "SIGNATURE")
        if signature and start.startswith(signature) and not source.is_zip:
            return name
    return FILE_FORMATS.having("text")[0]


def _replace_undecodable(cell: str) -> str:
    return cell.encode(errors="replace").decode()
