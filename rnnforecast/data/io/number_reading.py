"""How the numeric columns of files are read: number format, marks, texts for no value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rnnforecast.data.io.arrow_types import dictionary_encode
from rnnforecast.data.io.cell_shapes import ColumnShapes
from rnnforecast.data.io.column_roles import ColumnRoles
from rnnforecast.data.io.input_files import InputFile, locate_cell
from rnnforecast.data.io.number_format import (
    DEFAULT_MISSING_VALUES,
    ColumnFormat,
    NumberFormat,
)
from rnnforecast.data.io.number_inference import (
    has_decimal_mark,
    infer_number_format,
    may_hold_thousands,
)
from rnnforecast.data.io.number_marks import read_marks
from rnnforecast.data.io.number_notes import (
    limit_problems,
    mark_notes,
    merge_notes,
    placeholder_notes,
    refused_mark_problems,
)
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.errors import DataError, Problem
from rnnforecast.spec.data import DataSpec
from rnnforecast.types import Floats, Ints

_BARE = re.compile(r"[+-]?[0-9.,]+(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|infinity|nan)", re.IGNORECASE)
_MAX_SAMPLE_CELLS = 200_000
MAX_EXACT_INTEGER = 2.0**53


@dataclass(frozen=True)
class NumberReading:
    """The format of the numbers of files, and what was decided to find it."""

    number_format: NumberFormat
    notes: tuple[ReadingNote, ...] = ()
    problems: tuple[Problem, ...] = ()
    """What only the user can decide."""
    cell_problems: tuple[Problem, ...] = ()
    """Cells that are no values for sure: limits such as <1, numbers in another unit."""
    is_exact: bool = False
    """Whether all rows were looked at, not only a sample."""
    decided: frozenset[str] = frozenset()
    """Columns with a number that can only have a decimal mark."""

    @property
    def marks(self) -> tuple[str, str] | None:
        """The decimal mark and thousands separator that numbers show; None if none shows any."""
        number_format = self.number_format
        shows_any = self.decided or number_format.thousands
        return (number_format.decimal, number_format.thousands) if shows_any else None

    @property
    def is_plain(self) -> bool:
        """Whether all cells are bare numbers with a decimal point or comma."""
        return not (
            self.problems
            or self.cell_problems
            or self.notes
            or self.number_format.thousands
            or self.number_format.columns
        )


@dataclass(frozen=True)
class NumberReader:
    """The inference of how the numeric columns of files are read."""

    files: tuple[InputFile, ...]
    roles: ColumnRoles
    data: DataSpec
    source_name: str

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of numbers that a file has as text."""
        return tuple(
            name
            for name in self.roles.numeric_columns
            if not all(name in file.reader.numeric_columns for file in self.files)
        )

    def read_sample(self, head: pd.DataFrame) -> NumberReading:
        """The reading of the rows of `head`; of all rows if they are not bare numbers."""
        step = max(1, -(-len(head) * len(self.columns) // _MAX_SAMPLE_CELLS))
        sample = {name: ColumnShapes() for name in self.columns}
        for name, shapes in sample.items():
            cells = head[name].iloc[::step].value_counts()
            self._add(shapes, pa.array(cells.index, pa.string()), np.asarray(cells, dtype=np.int64))
        reading = self._decide(sample, lambda column, _: column)  # only to see if all is plain
        return reading if reading.is_plain else self.read_all()

    def read_all(self) -> NumberReading:
        """The reading of all rows. DataError if numbers can be read in two ways; ArrowException or
        ValueError if the files cannot be parsed as text."""
        columns = {name: ColumnShapes() for name in self.columns}
        for file in self.files:
            texts = [name for name in columns if name not in file.reader.numeric_columns]
            for batch in file.batches(texts):
                for name, column in batch.items():
                    encoded = dictionary_encode(column)
                    counts = np.bincount(
                        encoded.indices.drop_null().to_numpy(), minlength=len(encoded.dictionary)
                    )
                    self._add(columns[name], encoded.dictionary, counts)
        return replace(self._decide(columns, partial(locate_cell, self.files)), is_exact=True)

    def may_differ(self, reading: NumberReading, columns: Mapping[str, Floats]) -> bool:
        """Whether numbers, each column [R], that were read as a sample shows may have thousands
        separators in other rows."""
        if self.data.decimal != "auto" or self.data.thousands != "auto":
            return False
        return any(
            may_hold_thousands(numbers, is_point_decimal=self._is_comma_separated)
            for name, numbers in columns.items()
            if name in self.columns and name not in reading.decided
        )

    @property
    def _is_comma_separated(self) -> bool:
        return all(getattr(file.reader, "separator", "") == "," for file in self.files)

    def _is_point_decimal(self, columns: Mapping[str, ColumnShapes]) -> bool:
        """Whether a point is the decimal mark in doubt: columns are separated by commas, and
        numbers are not quoted."""
        if not self._is_comma_separated:
            return False
        examples = [
            shape.example
            for column in columns.values()
            for shape in column.of_kind("plain", "marked")
            if "." in shape.example
        ][:20]
        start = self.files[0].reader.source.read_start(1 << 18).decode(errors="replace")
        return not any(f'"{example}"' in start for example in examples)

    def _add(self, shapes: ColumnShapes, texts: Any, counts: Ints) -> None:
        ignored = (*DEFAULT_MISSING_VALUES, *self.data.missing_values)
        shapes.add_counted(texts, counts, ignored=ignored)

    def _decide(
        self, columns: Mapping[str, ColumnShapes], location: Callable[[str, str], str]
    ) -> NumberReading:
        problems: list[Problem] = []
        notes: list[ReadingNote] = []
        number_format = NumberFormat()
        try:
            number_format, notes = infer_number_format(
                columns,
                self.data.decimal,
                self.data.thousands,
                location,
                is_point_decimal=self._is_point_decimal(columns),
                known_marks=self.roles.known_marks,
            )
        except DataError as error:
            problems += error.problems
        marks = {
            name: read_marks(shapes.of_kind("plain", "marked")) for name, shapes in columns.items()
        }
        formats = {
            name: ColumnFormat(reading.marks, shapes.texts("placeholder"))
            for (name, shapes), reading in zip(columns.items(), marks.values(), strict=True)
            if not _is_bare(shapes, number_format)
        }
        notes += mark_notes(self.source_name, marks)
        notes += placeholder_notes(self.source_name, columns, self.data.missing_values)
        number_format = replace(
            number_format, missing_values=self.data.missing_values, columns=formats
        )
        cell_problems = [
            *refused_mark_problems(location, marks),
            *limit_problems(location, columns, self.data.missing_values),
        ]
        return NumberReading(
            number_format,
            tuple(notes),
            tuple(problems),
            tuple(cell_problems),
            decided=frozenset(name for name, one in columns.items() if has_decimal_mark(one)),
        )


def _is_bare(shapes: ColumnShapes, number_format: NumberFormat) -> bool:
    """Whether all cells are numbers of this format without anything around them."""
    return not shapes.has_wide_blanks and all(
        _BARE.fullmatch(shape.example) and number_format.is_number(shape.example)
        for shape in shapes
    )


def range_notes(
    source_name: str, columns: Mapping[str, Floats], tiny_count: int
) -> list[ReadingNote]:
    """Notes on numbers that double precision does not hold exactly; `tiny_count` became zero."""
    found: dict[str, str] = {}
    for name, numbers in columns.items():
        if max(np.fmax.reduce(numbers), -np.fmin.reduce(numbers)) >= MAX_EXACT_INTEGER:
            count = int((np.abs(numbers) >= MAX_EXACT_INTEGER).sum())
            found[name] = f"{count:,} numbers of 2**53 or more are rounded to 16 digits"
    notes = merge_notes(source_name, found)
    if tiny_count:
        found_tiny = f"{tiny_count:,} numbers closer to zero than 2.2e-308 are read as 0"
        notes.append(ReadingNote(Problem(source_name, found_tiny, "use another unit"), True))
    return notes
