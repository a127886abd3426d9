"""The interface of a file format: the source of the bytes, and the reader of a file."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import pyarrow as pa

from rnnforecast.data.io.arrow_types import is_numeric_type, to_text
from rnnforecast.data.io.encoding import encoding_problem, has_undecodable_bytes
from rnnforecast.data.io.number_format import NumberFormat
from rnnforecast.errors import DataError, Problem

_RECORD_BATCH_ROWS = 4096
_COLUMN_BATCH_ROWS = 1 << 17


@dataclass(frozen=True)
class FileSource:
    """A file, or standard input."""

    name: str
    """The name in messages."""
    path: Path | None
    """None for standard input, whose bytes are in `content`."""
    content: bytes = field(default=b"", repr=False)

    @property
    def is_gzip(self) -> bool:
        """Whether the bytes are compressed: by file name for a path, by content for stdin."""
        if self.path is None:
            return self.content[:2] == b"\x1f\x8b"
        return self.path.name.lower().endswith(".gz")

    def open(self) -> BinaryIO:
        """A stream of the decompressed bytes."""
        if self.is_gzip:
            raw = io.BytesIO(self.content) if self.path is None else self.path
            return cast(BinaryIO, gzip.open(raw, "rb"))
        return io.BytesIO(self.content) if self.path is None else self.path.open("rb")


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

    @property
    def is_typed(self) -> bool:
        """Whether columns have types."""

    @property
    def row_noun(self) -> str:
        """What a row is called in messages: ``line`` or ``row``."""

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and cells, as text, of every row below the header."""

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
    """(columns, max_rows) -> batches; columns None means all."""
    encoding: str = "utf-8"
    is_typed: bool = True
    row_noun: str = "row"

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
        """Row number (the first is 1) and cells, as text, of every row."""
        row = 0
        try:
            for batch in self.open_batches(None, _RECORD_BATCH_ROWS):
                columns = (to_text(column).to_pylist() for column in batch.columns)
                for cells in zip(*columns, strict=True):
                    row += 1
                    yield row, [cell or "" for cell in cells]
        except (pa.ArrowException, OSError) as error:
            found = f"damaged after row {row} ({str(error).splitlines()[0]})"
            cure = "copy or write it again"
            raise DataError(Problem(self.source.name, found, cure)) from None

    def line_numbers(self) -> Sequence[int]:
        """1, 2, …"""
        return range(1, self.n_rows + 1)

    def batches(
        self,
        text_columns: Sequence[str],
        numeric_columns: Sequence[str],
        number_format: NumberFormat,
    ) -> Iterator[Any]:
        """Arrow record batches of the columns, with the types of the file."""
        yield from self.open_batches([*text_columns, *numeric_columns], _COLUMN_BATCH_ROWS)


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
