"""Delimited text such as CSV and TSV, plain, compressed by gzip or in a zip archive."""

from __future__ import annotations

import csv
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from rnnforecast.data.io.arrow_types import TEXT_DICTIONARY, filter_batch
from rnnforecast.data.io.encoding import (
    detect_encoding,
    encoding_problem,
    open_text,
    transcode_to_utf8,
)
from rnnforecast.data.io.file_source import (
    DECOMPRESSION_ERRORS,
    FileSource,
    check_is_text,
    decompression_error,
    unreadable_file_error,
)
from rnnforecast.data.io.header import SAMPLE_RECORDS, Record, find_header, is_blank
from rnnforecast.data.io.number_format import DEFAULT_MISSING_VALUES, NumberFormat
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.io.rows_without_data import RowsWithoutData, find_rows_without_data
from rnnforecast.data.io.table_reader import check_header, row_location
from rnnforecast.errors import DataError, Problem
from rnnforecast.spec.data import DataSpec

TRAITS = ("text",)
LABEL = "CSV"
EXTENSIONS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".zip")

_SEPARATORS = ("\t", ";", "|", ",")  # of two that fit equally well, the comma may be a decimal mark
_BLOCK_BYTES = 1 << 22
_SAMPLE_BYTES = 1 << 20
_MAX_LINE = 1 << 26  # characters; a longer line is no table, and would not fit into memory


@dataclass(frozen=True)
class CsvReader:
    """Reader of a delimited text file."""

    source: FileSource
    encoding: str
    separator: str
    header: tuple[str, ...] = ()
    first_line: int = 1
    """The line of the first row."""
    longest_line: int = 0
    """Characters of the longest line of the sample."""
    skipped: RowsWithoutData = field(default_factory=RowsWithoutData)
    header_notes: tuple[ReadingNote, ...] = ()
    numeric_columns: frozenset[str] = frozenset()

    @property
    def notes(self) -> tuple[ReadingNote, ...]:
        """How the header was found, and which rows are left out."""
        return (*self.header_notes, *self.skipped.notes(self.source.name))

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Line number (the first is 1) and cells of every row below the header that is not blank.

        Undecodable bytes become lone surrogates.
        """
        notes = {line for line, _ in self.skipped.footer}
        for line, cells in self._all_records():
            if line not in notes and not (is_blank(cells) and len(self.header) > 1):
                yield line, cells

    def location(self, number: int, column: str | None = None) -> str:
        """The place of a row in messages."""
        return row_location("line", number, column)

    def line_numbers(self) -> Sequence[int]:
        """The line number of every row; reads the whole file."""
        return array("q", (line for line, _ in self.records()))

    def estimate_rows(self) -> int:
        """About as many rows as the file has: by its size and the lines at its start."""
        start = self.source.read_start(_SAMPLE_BYTES)
        size = self.source.estimate_size() if len(start) == _SAMPLE_BYTES else len(start)
        return round(max(start.count(b"\n"), 1) * size / len(start))

    def without_empty_rows(self) -> CsvReader:
        """The reader that leaves out rows without data, after a search of the whole file."""
        if self.skipped.is_complete:
            return self
        skipped = find_rows_without_data(self._all_records(), len(self.header))
        return replace(self, skipped=skipped) if skipped.n_blank or skipped.footer else self

    def batches(
        self,
        text_columns: Sequence[str],
        numeric_columns: Sequence[str],
        number_format: NumberFormat,
    ) -> Iterator[Any]:
        """Arrow record batches of the columns: texts as dictionaries, numbers as floats, or as text
        if Arrow cannot parse their format."""
        # Rows that are left out may hold blanks and words that are no numbers.
        as_text = bool(self.skipped.rows)
        types = dict.fromkeys(text_columns, TEXT_DICTIONARY) | {
            name: pa.string() if as_text or number_format.needs_text_parsing(name) else pa.float64()
            for name in numeric_columns
        }
        reader = arrow_csv.open_csv(
            transcode_to_utf8(self.source.open_arrow_stream(), self.encoding),
            read_options=arrow_csv.ReadOptions(
                block_size=max(_BLOCK_BYTES, 8 * self.longest_line),
                skip_rows=self.first_line - 1,
                column_names=[name or f" {position}" for position, name in enumerate(self.header)],
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self.separator,
                newlines_in_values=True,
                invalid_row_handler=_skip_row if self.skipped.can_skip_ragged else None,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=list(DEFAULT_MISSING_VALUES),
                strings_can_be_null=False,  # a series may be called NA
                decimal_point=number_format.decimal,
            ),
        )
        yield from _drop_rows(reader, self.skipped.rows)

    def _all_records(self) -> Iterator[Record]:
        return (record for record in _read_records(self) if record[0] >= self.first_line)


def open_table(source: FileSource, data: DataSpec) -> CsvReader:
    """The reader of a file; separator, encoding and header are detected if "auto".

    DataError if the file is empty, not text or its header is faulty, or its compression is broken.
    """
    start = source.read_start(1 << 16)
    check_is_text(source, start)
    encoding = detect_encoding(start, data.encoding, source.name)
    if not _decode(start, encoding, source).strip("\ufeff \t\r\n"):
        raise DataError(Problem(source.name, "the file is empty", "expected a header and rows"))
    reader = CsvReader(source, encoding, data.separator)
    if data.separator == "auto":
        candidates = (replace(reader, separator=mark) for mark in _SEPARATORS)
        reader = max(candidates, key=_separator_score)
    n_sample = SAMPLE_RECORDS
    if data.header_line != "auto":
        n_sample += data.header_line
    sample = list(islice(_read_records(reader), n_sample))
    header = find_header(sample, data.header_line, source.name)
    has_rows = any(not is_blank(cells) for _, cells in sample[header.first_row :])
    reader = replace(
        reader,
        header=header.names,
        first_line=sample[header.first_row][0] if has_rows else header.line + 1,
        longest_line=max(sum(map(len, cells)) + len(cells) for _, cells in sample),
        header_notes=header.notes,
    )
    check_header(reader, f"{source.name}, line {header.line}", has_rows=has_rows)
    return reader.without_empty_rows() if len(sample) < n_sample else reader


def _decode(start: bytes, encoding: str, source: FileSource) -> str:
    try:
        return start.decode(encoding, errors="replace")
    except UnicodeError:  # encodings of host names such as idna have limits of their own
        raise DataError(encoding_problem(source.name, encoding)) from None


def _separator_score(reader: CsvReader) -> tuple[float, int]:
    """The share of the first lines with the most common number of cells above one, and that number.

    Lines above the header, or notes below the last row, may be of another width.
    """
    widths: list[int] = []
    with suppress(DataError):  # a cell that is too long: perhaps not split by this separator
        widths.extend(len(cells) for _, cells in islice(_read_records(reader), 50))
    counts = Counter(width for width in widths if width > 1)
    if not counts:
        return 0.0, int(reader.separator == "," and bool(widths))
    width = max(counts, key=lambda width: (counts[width], width))
    return counts[width] / len(widths), width


def _read_records(reader: CsvReader) -> Iterator[Record]:
    """First line and cells of each record with any cell, including the header."""
    name, line = reader.source.name, 1
    try:
        with open_text(reader.source.open(), reader.encoding) as text:
            rows = csv.reader(_bounded_lines(text, name), delimiter=reader.separator)
            for cells in rows:
                if cells:
                    yield line, cells
                line = rows.line_num + 1
    except csv.Error:
        found = "a cell that goes on for more than 100,000 characters"
        cure = "close the quote that is opened here, or set data.separator"
        raise DataError(Problem(f"{name}, line {line}", found, cure)) from None
    except DECOMPRESSION_ERRORS as error:
        raise decompression_error(reader.source, error) from None
    except UnicodeError:
        raise DataError(encoding_problem(f"{name}, line {line}", reader.encoding)) from None
    except OSError as error:
        raise unreadable_file_error(name, error) from None


def _bounded_lines(text: TextIO, name: str) -> Iterator[str]:
    """The lines; DataError at one that is too long to be a row."""
    number = 0
    while line := text.readline(_MAX_LINE):
        number += 1
        if len(line) >= _MAX_LINE:
            found = f"a line of more than {_MAX_LINE:,} characters"
            cure = "check that the file is a table with one row a line"
            raise DataError(Problem(f"{name}, line {number}", found, cure))
        yield line


def _skip_row(row: arrow_csv.InvalidRow) -> str:
    """Arrow's answer to a row of another width."""
    return "skip"


def _drop_rows(batches: Iterator[Any], rows: Sequence[int]) -> Iterator[Any]:
    """The batches without the rows at these positions of all batches together."""
    if not rows:
        yield from batches
        return
    dropped, start = np.asarray(rows), 0
    for batch in batches:
        inside = dropped[(dropped >= start) & (dropped < start + batch.num_rows)]
        keep = np.ones(batch.num_rows, dtype=np.bool_)
        keep[inside - start] = False
        start += batch.num_rows
        yield batch if keep.all() else filter_batch(batch, pa.array(keep))
