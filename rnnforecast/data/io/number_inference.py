"""Inference of the number format: decimal mark and thousands separator, from shapes of cells.

A mark with three digits behind it, as in 1.074, can be a decimal mark or a thousands separator. It
is decided by a number of the file that has one reading only, or by the magnitude of the other
numbers of its column; otherwise the file is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from rnnforecast.data.io.cell_shapes import CellShape, ColumnShapes
from rnnforecast.data.io.number_cells import THOUSANDS_PATTERNS
from rnnforecast.data.io.number_format import NumberFormat
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.errors import DataError, Problem

WIDE_GAP = 10.0
"""A reading whose numbers leave a gap of this factor between those with and without a mark is not
plausible …"""
NARROW_GAP = 3.0
"""… if the other reading leaves a gap of less than this factor."""
MIN_CELLS = 3
"""Magnitudes of fewer numbers decide nothing."""

Reading = Literal["decimal", "thousands"]
_AMBIGUOUS = re.compile(r"[1-9][0-9]{0,2}([.,])[0-9]{3}")
_READINGS: tuple[Reading, ...] = ("decimal", "thousands")


@dataclass
class _Column:
    """The numbers of a column by what they show of the number format."""

    name: str
    bodies: list[tuple[str, int]] = field(default_factory=list)
    """Digits with their marks, and the number of cells of this shape."""
    ambiguous: dict[str, list[CellShape]] = field(default_factory=dict)
    """Mark -> the shapes such as 1.074."""
    integers: list[CellShape] = field(default_factory=list)

    def has_other_numbers_with(self, mark: str) -> bool:
        """Whether the column has numbers with the mark that have one reading only."""
        return any(mark in body and not _AMBIGUOUS.fullmatch(body) for body, _ in self.bodies)

    def has_zero_before(self, mark: str) -> bool:
        """Whether the column has numbers such as 0.123, where no thousands can end."""
        return any(re.fullmatch(rf"0{re.escape(mark)}[0-9]{{3}}", body) for body, _ in self.bodies)

    def verdict(self, mark: str) -> tuple[Reading | None, bool]:
        """The reading of `mark` that puts numbers with and without it in one range, if the other
        reading does not; and whether there are enough numbers to rely on it."""
        with_mark, without = self.ambiguous[mark], [one for one in self.integers if one.high > 0]
        if not without:
            return None, False
        low, high = min(one.low for one in with_mark), max(one.high for one in with_mark)
        # zero is in every range
        others = (max(1.0, min(one.low for one in without)), max(one.high for one in without))
        gaps = {
            "thousands": _gap((low, high), others),
            "decimal": _gap((low / 1000, high / 1000), others),
        }
        is_sure = min(_count(with_mark), _count(without)) >= MIN_CELLS
        is_consistent = others[1] < 1000  # with thousands separators, 1500 would be 1.500
        if gaps["thousands"] < NARROW_GAP and gaps["decimal"] >= WIDE_GAP and is_consistent:
            return "thousands", is_sure
        if gaps["decimal"] < NARROW_GAP and gaps["thousands"] >= WIDE_GAP:
            return "decimal", is_sure
        return None, False


def _gap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """The factor between two ranges; 1 if they overlap."""
    lower, upper = sorted((first, second))
    return max(1.0, upper[0] / lower[1])


def _count(shapes: Sequence[CellShape]) -> int:
    return sum(shape.count for shape in shapes)


def infer_number_format(
    columns: Mapping[str, ColumnShapes],
    decimal: str,
    thousands: str,
    location: Callable[[str, str], str],
    *,
    is_point_decimal: bool = False,
    known_marks: tuple[str, str] | None = None,
) -> tuple[NumberFormat, list[ReadingNote]]:
    """The number format of the numbers of the columns, and notes on what was decided.

    `decimal` and `thousands` other than "auto" are kept. With `is_point_decimal`, as in files whose
    columns are separated by commas, a point is the decimal mark unless magnitudes are against it.
    `known_marks`, the decimal mark and the thousands separator of earlier files, decide in doubt.
    `location` is that of a cell, given its column and text. Raises DataError if numbers can be read
    in two ways, and if both marks are equal.
    """
    if decimal == thousands != "auto":
        found = f"{decimal!r} cannot be both data.decimal and data.thousands"
        raise DataError(Problem("data.thousands", found, "give each its own mark"))
    found_columns = [_examine(name, column) for name, column in columns.items()]
    formats = _best_formats(found_columns, decimal, thousands)
    notes: list[ReadingNote] = []
    for mark in ".,":
        ambiguous = [column for column in found_columns if mark in column.ambiguous]
        possible = _possible_readings(formats, mark)
        if not ambiguous or not possible:
            continue
        is_given = decimal != "auto" or thousands != "auto"
        is_default = is_point_decimal and mark == "."
        known = _reads_as(NumberFormat(*known_marks), mark) if known_marks else None
        if known in possible and not is_given:
            formats = [one for one in formats if _reads_as(one, mark) == known]
            continue
        reading, why = _decide(ambiguous, mark, possible, location, is_given, is_default)
        formats = [one for one in formats if _reads_as(one, mark) == reading]
        if why and not is_given:
            notes.append(_ambiguity_note(location, ambiguous[0], mark, reading, why))
    number_format = formats[0]
    if number_format.thousands and thousands == "auto" and not notes:
        column, example = _grouped_example(columns, number_format)
        found = f"{example!r}: numbers are read with {number_format}"
        cure = "set data.decimal and data.thousands to read them otherwise"
        notes.append(ReadingNote(Problem(location(column, example), found, cure)))
    return number_format, notes


def _examine(name: str, shapes: ColumnShapes) -> _Column:
    column = _Column(name)
    for shape in shapes.of_kind("plain", "marked"):
        if (parts := shape.parts) is None:
            continue
        column.bodies.append((parts.body, shape.count))
        if ambiguous := _AMBIGUOUS.fullmatch(parts.body):
            column.ambiguous.setdefault(ambiguous[1], []).append(shape)
        elif parts.body.isdecimal():
            column.integers.append(shape)
    return column


def _best_formats(columns: Sequence[_Column], decimal: str, thousands: str) -> list[NumberFormat]:
    """The formats with the fewest numbers that do not fit, the simplest first."""
    bodies: dict[str, int] = {}
    for column in columns:
        for body, count in column.bodies:
            bodies[body] = bodies.get(body, 0) + count
    marks = ["", *THOUSANDS_PATTERNS] if thousands == "auto" else [thousands.replace("none", "")]
    candidates = [
        NumberFormat(point, mark)
        for mark in marks
        for point in ((".", ",") if decimal == "auto" else (decimal,))
        if point != mark
    ]
    misfits = [
        sum(count for body, count in bodies.items() if not one.is_number(body))
        for one in candidates
    ]
    return [one for one, count in zip(candidates, misfits, strict=True) if count == min(misfits)]


def _reads_as(number_format: NumberFormat, mark: str) -> Reading | None:
    if number_format.decimal == mark:
        return "decimal"
    return "thousands" if number_format.thousands == mark else None


def _possible_readings(formats: Sequence[NumberFormat], mark: str) -> list[Reading]:
    readings = {_reads_as(one, mark) for one in formats}
    return [reading for reading in _READINGS if reading in readings]


def _decide(
    columns: Sequence[_Column],
    mark: str,
    possible: Sequence[Reading],
    location: Callable[[str, str], str],
    is_given: bool,
    is_default: bool,
) -> tuple[Reading, str]:
    """The reading of a mark in all columns, and why; DataError if it is not decided."""
    if is_given and len(possible) == 1:
        return possible[0], ""
    if len(possible) > 1 and any(column.has_zero_before(mark) for column in columns):
        return "decimal", "" if is_default else f"other numbers of the column begin with '0{mark}'"
    verdicts = {column.name: column.verdict(mark) for column in columns}
    if len(possible) == 1:
        against = [
            column
            for column in columns
            if verdicts[column.name][0] not in (None, possible[0])
            and verdicts[column.name][1]
            and not column.has_other_numbers_with(mark)
        ]
        if against:
            raise DataError(*_refusals(against, mark, location, True))
        is_usual = possible[0] == "decimal" and is_default
        return possible[0], "" if is_usual else "other numbers of the file have no other reading"
    readings = {name: _settle(verdict, is_default) for name, verdict in verdicts.items()}
    distinct = set(readings.values())
    if len(distinct) > 1 or None in distinct:
        open_reading = None if None in distinct else "thousands"
        unsettled = [column for column in columns if readings[column.name] == open_reading]
        raise DataError(*_refusals(unsettled, mark, location, False))
    reading: Reading = "decimal" if "decimal" in distinct else "thousands"
    is_magnitude = any(verdict[0] for verdict in verdicts.values())
    return reading, "the numbers with and without it are of one magnitude" if is_magnitude else ""


def _settle(verdict: tuple[Reading | None, bool], is_default: bool) -> Reading | None:
    """The reading of a column's verdict; of the default if there is none."""
    reading, is_sure = verdict
    if reading is None and is_default:
        return "decimal"
    return reading if is_sure or (reading == "decimal" and is_default) else None


def _refusals(
    columns: Sequence[_Column], mark: str, location: Callable[[str, str], str], is_against: bool
) -> Iterator[Problem]:
    """The problems of columns whose mark has two readings."""
    for column in columns:
        body, example = _example(column, mark)
        found = (
            f"{example!r} can be read as {body.replace(mark, '.')} with a decimal"
            f" {'comma' if mark == ',' else 'point'}, or as {body.replace(mark, '')} with a"
            " thousands separator"
        )
        if is_against:
            found += ": the magnitudes of its column are against the reading by other numbers"
        cure = f"set data.thousands to '{mark}' or data.decimal to '{mark}', whichever it is"
        yield Problem(location(column.name, example), found, cure)


def _example(column: _Column, mark: str) -> tuple[str, str]:
    """The digits of an ambiguous cell of the column, and the cell."""
    shape = max(column.ambiguous[mark], key=lambda shape: shape.count)
    parts = shape.parts
    return (parts.body if parts else shape.example), shape.example


def _ambiguity_note(
    location: Callable[[str, str], str], column: _Column, mark: str, reading: Reading, why: str
) -> ReadingNote:
    body, example = _example(column, mark)
    number = body.replace(mark, "." if reading == "decimal" else "")
    other = "data.thousands" if reading == "decimal" else "data.decimal"
    found = f"{example!r} is read as {number}: {why}"
    cure = f"set {other} to '{mark}' for the other reading"
    return ReadingNote(Problem(location(column.name, example), found, cure))


def _grouped_example(
    columns: Mapping[str, ColumnShapes], number_format: NumberFormat
) -> tuple[str, str]:
    """A column and its cell with a thousands separator."""
    ungrouped = NumberFormat(number_format.decimal)
    for name, shapes in columns.items():
        for shape in shapes.of_kind("plain", "marked"):
            if shape.parts and not ungrouped.is_number(shape.parts.body):
                return name, shape.example
    raise ValueError("no number has a thousands separator")


def has_decimal_mark(shapes: ColumnShapes) -> bool:
    """Whether a number of the column can only have a decimal mark, such as 12.5 or 0.123."""
    numbers = [shape.parts for shape in shapes.of_kind("plain", "marked")]
    return any(
        parts is not None
        and re.fullmatch(r"[0-9]*[.,][0-9]*", parts.body)
        and not _AMBIGUOUS.fullmatch(parts.body)
        for parts in numbers
    )


def may_hold_thousands(values: np.ndarray, *, is_point_decimal: bool) -> bool:
    """Whether numbers [R] that were read with decimal points could have thousands separators.

    True only if all fractions have three digits or less, as 1.074 has, and lie between 1 and 1000;
    with `is_point_decimal` only if magnitudes are for thousands, too.
    """
    if np.array_equal(values, np.rint(values)):
        return False  # whole numbers: the usual case, and quick
    sizes = np.abs(values[np.isfinite(values)])
    has_fraction = sizes != np.floor(sizes)
    if not has_fraction.any():
        return False
    marked, bare = sizes[has_fraction], sizes[~has_fraction & (sizes > 0)]
    thousands = marked * 1000
    if (
        marked.min() < 1
        or marked.max() >= 1000
        or np.abs(thousands - thousands.round()).max() > 1e-6
    ):
        return False
    if not is_point_decimal:
        return True
    return bool(len(bare)) and bare.max() < 1000 and bare.min() / marked.max() >= WIDE_GAP
