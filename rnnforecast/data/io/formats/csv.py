"""Delimited text such as CSV and TSV, plain or compressed by gzip."""

from __future__ import annotations

import csv
import gzip
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from rnnforecast.data.io.arrow_types import TEXT_DICTIONARY
from rnnforecast.data.io.encoding import detect_encoding, open_text, transcode_to_utf8
from rnnforecast.data.io.number_format import DEFAULT_MISSING_VALUES, NumberFormat
from rnnforecast.data.io.table_reader import FileSource, check_header
from rnnforecast.errors import DataError, Problem

TRAITS = ("text",)
LABEL = "CSV"
EXTENSIONS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")

_SEPARATORS = ("\t", ";", "|", ",")  # of two that fit equally well, the comma may be a decimal mark
_BROKEN_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)
_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class CsvReader:
    """Reader of a delimited text file."""

    source: FileSource
    encoding: str
    separator: str
    header: tuple[str, ...] = ()
    numeric_columns: frozenset[str] = frozenset()
    is_typed: bool = False
    row_noun: str = "line"

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Line number (the first is 1) and cells of every row below the header that is not blank.

        Undecodable bytes become lone surrogates.
        """
        yield from islice(_read_records(self), 1, None)

    def line_numbers(self) -> Sequence[int]:
        """The line number of every row; reads the whole file."""
        return array("q", (line for line, _ in self.records()))

    def batches(
        self,
        text_columns: Sequence[str],
        numeric_columns: Sequence[str],
        number_format: NumberFormat,
    ) -> Iterator[Any]:
        """Arrow record batches of the columns: texts as dictionaries, numbers as floats, or as text
        if Arrow cannot parse their format."""
        types = dict.fromkeys(text_columns, TEXT_DICTIONARY) | {
            name: pa.string() if number_format.needs_text_parsing(name) else pa.float64()
            for name in numeric_columns
        }
        yield from arrow_csv.open_csv(
            self._arrow_stream(),
            read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
            parse_options=arrow_csv.ParseOptions(delimiter=self.separator, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=list(DEFAULT_MISSING_VALUES),
                strings_can_be_null=False,  # a series may be called NA
                decimal_point=number_format.decimal,
            ),
        )

    def _arrow_stream(self) -> Any:
        source = self.source
        file = pa.BufferReader(source.content) if source.path is None else str(source.path)
        stream = pa.input_stream(file, compression="gzip" if source.is_gzip else None)
        return transcode_to_utf8(stream, self.encoding)


def open_table(source: FileSource, *, separator: str, encoding: str) -> CsvReader:
    """The reader of a file; separator and encoding are detected if "auto".

    DataError if the file is empty, its header is faulty or its compression is broken.
    """
    try:
        with source.open() as stream:
            start = stream.read(1 << 16)
    except _BROKEN_GZIP as error:
        raise _broken_gzip_error(source, error) from None
    encoding = detect_encoding(start, encoding, source.name)
    if not start.decode(encoding, errors="replace").strip("\ufeff \t\r\n"):
        raise DataError(Problem(source.name, "the file is empty", "expected a header and rows"))
    reader = CsvReader(source, encoding, separator)
    if separator == "auto":
        candidates = (replace(reader, separator=mark) for mark in _SEPARATORS)
        reader = max(candidates, key=_separator_score)
    (line, header), *rows = islice(_read_records(reader), 2)
    reader = replace(reader, header=tuple(header))
    check_header(reader, f"{source.name}, line {line}", has_rows=bool(rows))
    return reader


def _separator_score(reader: CsvReader) -> tuple[float, int]:
    """The share of the first rows with as many cells as the header, and that number of cells."""
    try:
        widths = [len(cells) for _, cells in islice(_read_records(reader), 50)]
    except DataError:  # a cell is too long: this separator does not split the row
        return 0.0, 0
    if widths[0] == 1:
        return 0.0, int(reader.separator == ",")
    return sum(width == widths[0] for width in widths) / len(widths), widths[0]


def _read_records(reader: CsvReader) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of each record that is not blank, including the header."""
    name, line = reader.source.name, 1
    with open_text(reader.source.open(), reader.encoding) as text:
        rows = csv.reader(text, delimiter=reader.separator)
        try:
            for cells in rows:
                if cells:
                    yield line, cells
                line = rows.line_num + 1
        except csv.Error:
            found = "a cell that goes on for more than 100,000 characters"
            cure = "close the quote that is opened here"
            raise DataError(Problem(f"{name}, line {line}", found, cure)) from None
        except _BROKEN_GZIP as error:
            raise _broken_gzip_error(reader.source, error) from None


def _broken_gzip_error(source: FileSource, error: Exception) -> DataError:
    return DataError(Problem(source.name, f"not a complete gzip file ({error})", "copy it again"))
