"""The interface of a file format: the reader of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import pyarrow as pa

from rnnforecast.data.io.arrow_types import is_numeric_type, to_text
from rnnforecast.data.io.encoding import encoding_problem, has_undecodable_bytes
from rnnforecast.data.io.file_source import FileSource
from rnnforecast.data.io.number_format import NumberFormat
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.errors import DataError, Problem

_RECORD_BATCH_ROWS = 4096
_COLUMN_BATCH_ROWS = 1 << 17


class TableReader(Protocol):
    """The reader of one file."""

    @property
    def source(self) -> FileSource: ...

    @property
    def header(self) -> tuple[str, ...]:
        """Column names as the file has them."""

    @property
    def encoding(self) -> str:
        """The encoding of the text."""

    @property
    def numeric_columns(self) -> frozenset[str]:
        """Stripped names of the columns with a numeric type."""

    def location(self, number: int, column: str | None = None) -> str:
        """The place of a row in messages, ``line 7, column 'y'``, by its number in `records`."""

    @property
    def notes(self) -> tuple[ReadingNote, ...]:
        """How the header was found, and which rows are left out."""

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and cells, as text, of every row below the header."""

    def estimate_rows(self) -> int:
        """About as many rows as the file has, without reading all of it."""

    def without_empty_rows(self) -> Self:
        """The reader that leaves out rows without data; it searches the whole file for them."""

    def line_numbers(self) -> Sequence[int]:
        """The line number of every row."""

    def batches(
        self,
        text_columns: Sequence[str],
        numeric_columns: Sequence[str],
        number_format: NumberFormat,
    ) -> Iterator[Any]:
        """Arrow record batches of these columns, named as in `header`."""


@dataclass(frozen=True)
class TypedTableReader:
    """Reader of a binary file whose columns have Arrow types."""

    source: FileSource
    schema: pa.Schema
    n_rows: int
    open_batches: Callable[[Sequence[str] | None, int], Iterator[Any]]
    """(columns, max_rows) -> batches; columns None means all. It can be pickled, for readers go to
    worker processes."""
    row_numbers: Sequence[int] | None = None
    """The number of each row in messages; None for 1, 2, …"""
    notes: tuple[ReadingNote, ...] = ()
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        check_header(self, self.source.name, has_rows=self.n_rows > 0)

    @cached_property
    def header(self) -> tuple[str, ...]:
        """Column names as the file has them."""
        return tuple(self.schema.names)

    @cached_property
    def numeric_columns(self) -> frozenset[str]:
        """Stripped names of the columns with a numeric type."""
        return frozenset(
            column.name.strip() for column in self.schema if is_numeric_type(column.type)
        )

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Row number and cells, as text, of every row."""
        row, numbers = 0, self.line_numbers()
        try:
            for batch in self.open_batches(None, _RECORD_BATCH_ROWS):
                columns = (to_text(column).to_pylist() for column in batch.columns)
                for cells in zip(*columns, strict=True):
                    row += 1
                    yield numbers[row - 1], [cell or "" for cell in cells]
        except (pa.ArrowException, OSError) as error:
            found = f"damaged after row {row} ({str(error).splitlines()[0]})"
            cure = "copy or write it again"
            raise DataError(Problem(self.source.name, found, cure)) from None

    def location(self, number: int, column: str | None = None) -> str:
        """The place of a row in messages."""
        return row_location("row", number, column)

    def line_numbers(self) -> Sequence[int]:
        """The number of every row: 1, 2, … unless the format has others."""
        return range(1, self.n_rows + 1) if self.row_numbers is None else self.row_numbers

    def estimate_rows(self) -> int:
        """The number of rows."""
        return self.n_rows

    def without_empty_rows(self) -> TypedTableReader:
        """The reader itself: a format with types has no such rows, or left them out."""
        return self

    def batches(
        self,
        text_columns: Sequence[str],
        numeric_columns: Sequence[str],
        number_format: NumberFormat,
    ) -> Iterator[Any]:
        """Arrow record batches of the columns, with the types of the file."""
        yield from self.open_batches([*text_columns, *numeric_columns], _COLUMN_BATCH_ROWS)


def iter_batches(table: pa.Table, columns: Sequence[str] | None, batch_rows: int) -> Iterator[Any]:
    """Batches of the columns of a table in memory, of all if None."""
    chosen = table if columns is None else table.select(list(columns))
    yield from chosen.to_batches(max_chunksize=batch_rows)


def row_location(noun: str, number: int, column: str | None) -> str:
    """The place of a row in messages: ``line 7, column 'y'``."""
    return f"{noun} {number}" + ("" if column is None else f", column {column.strip()!r}")


def ragged_row_problem(reader: TableReader, number: int, cells: Sequence[str]) -> Problem:
    """The problem of a row that is not as wide as the header."""
    found = f"{len(cells)} cells, but the header has {len(reader.header)}"
    cure = "add or remove separators, and quote cells that hold one"
    if len(cells) == len(reader.header) + 1:
        cure = f"name all {len(cells)} columns in the header, or {cure}"
    if any("\n" in cell for cell in cells):
        cure = "close the quote that is opened in this line"
    return Problem(f"{reader.source.name}, {reader.location(number)}", found, cure)


def check_header(reader: TableReader, location: str, *, has_rows: bool) -> None:
    """DataError for repeated names, undecodable names, and a file without rows."""
    problems = []
    if has_undecodable_bytes("".join(reader.header)):
        problems.append(encoding_problem(location, reader.encoding))
    names = Counter(name.strip() for name in reader.header if name.strip())
    if repeated := [name for name, count in names.items() if count > 1]:
        found = f"the header names {', '.join(map(repr, repeated))} more than once"
        problems.append(Problem(location, found, "give every column its own name"))
    if not has_rows:
        found = "the file has no rows; expected at least one"
        cure = "add rows, or leave the file out"
        problems.append(Problem(reader.source.name, found, cure))
    if problems:
        raise DataError(*problems)
