"""The format of numbers and its inference: decimal mark, thousands separator, missing values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.time.format import TimeFormat
from rnnforecast.errors import DataError, Problem

DEFAULT_MISSING_VALUES = (
    "",
    " ",
    "  ",
    "NA",
    "N/A",
    "n/a",
    "na",
    "NaN",
    "nan",
    "NAN",
    "null",
    "NULL",
    "None",
)
"""Missing values in numeric columns; in text columns, NA may be the name of a series."""

THOUSANDS_PATTERNS = {",": ",", ".": r"\.", "'": "['\u2019]", " ": "[ \u00a0\u2009\u202f]"}
"""Thousands separators and their patterns, which include typographic blanks and apostrophes."""
_ANY_SEPARATOR = "(?:" + "|".join(THOUSANDS_PATTERNS.values()) + ")"
_EXPONENT = "(?:e[+-]?[0-9]+)?"

NUMBER_PATTERN = re.compile(
    rf"[+-]?(?:(?:[0-9]{{1,3}}(?:{_ANY_SEPARATOR}[0-9]{{3}})+(?:[.,][0-9]*)?"
    rf"|[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+){_EXPONENT}|inf(?:inity)?)",
    re.IGNORECASE | re.ASCII,
)
"""A number in any number format."""
_SEPARATED_NUMBER = re.compile(rf"[+-]?{_ANY_SEPARATOR}*[0-9](?:[0-9]|{_ANY_SEPARATOR})*")


@dataclass(frozen=True)
class NumberFormat:
    """The decimal mark and thousands separator of numbers, and the texts of missing values."""

    decimal: str = "."
    thousands: str = ""
    """One of `THOUSANDS_PATTERNS`; "" for none."""
    missing_values: tuple[str, ...] = ()
    """Missing values besides `DEFAULT_MISSING_VALUES`, stripped."""

    def __str__(self) -> str:
        groups = f" and {self.thousands!r} between thousands" if self.thousands else ""
        return f"the decimal mark {self.decimal!r}{groups}"

    @property
    def needs_text_parsing(self) -> bool:
        """Whether Arrow's CSV reader cannot parse this format."""
        return bool(self.thousands or self.missing_values)

    @cached_property
    def missing_numbers(self) -> list[float]:
        """Missing values that are numbers, such as -999."""
        numbers = [text for text in self.missing_values if self.is_number(text)]
        plain = replace(self, missing_values=())
        found: list[float] = plain.parse_floats(pa.array(numbers, pa.string())).to_pylist()
        return found

    def is_missing(self, cell: str) -> bool:
        """Whether the cell has no value."""
        return cell in DEFAULT_MISSING_VALUES or (
            bool(self.missing_values) and cell.strip(" \t") in self.missing_values
        )

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """A stripped number, in a syntax that both Python and Arrow accept."""
        decimal, integer = re.escape(self.decimal), "[0-9]+"
        if self.thousands:
            integer = rf"(?:[0-9]{{1,3}}(?:{THOUSANDS_PATTERNS[self.thousands]}[0-9]{{3}})+|[0-9]+)"
        digits = rf"(?:{integer}(?:{decimal}[0-9]*)?|{decimal}[0-9]+){_EXPONENT}"
        return re.compile(rf"[+-]?(?:{digits}|inf|infinity|nan)", re.IGNORECASE | re.ASCII)

    def is_number(self, cell: str) -> bool:
        """Whether the cell is a number, with or without spaces and tabs around it.

        Other blanks, as in numbers copied from a web page, are not accepted.
        """
        return self._pattern.fullmatch(cell.strip(" \t")) is not None

    def parse_floats(self, texts: pa.Array[Any]) -> pa.Array[Any]:
        """Floats [r] of texts [r], null where missing; ValueError if a text is not a number."""
        texts = pc.if_else(pc.is_in(texts, value_set=pa.array(DEFAULT_MISSING_VALUES)), None, texts)
        texts = pc.utf8_trim(texts, " \t")
        if self.missing_values:
            texts = pc.if_else(
                pc.is_in(texts, value_set=pa.array(self.missing_values)), None, texts
            )
        matches = pc.match_substring_regex(
            texts, f"^(?:{self._pattern.pattern})$", ignore_case=True
        )
        if not pc.all(matches, min_count=0).as_py():
            raise ValueError("not every cell is a number")
        if self.thousands:
            texts = pc.replace_substring_regex(texts, THOUSANDS_PATTERNS[self.thousands], "")
        if self.decimal != ".":
            texts = pc.replace_substring(texts, self.decimal, ".")
        return texts.cast(pa.float64())


@dataclass(frozen=True)
class CellFormat:
    """The time and number formats of a table."""

    time_format: TimeFormat
    number_format: NumberFormat = NumberFormat()


def infer_number_format(
    columns: Mapping[str, Sequence[str]], decimal: str, thousands: str, source_name: str
) -> NumberFormat:
    """The number format of a sample of cells of each column; `decimal` and `thousands` other than
    "auto" are kept.

    A thousands separator is inferred only if some number has no other reading and all numbers fit.
    Raises DataError if the numbers could have a decimal comma or a thousands separator, such as
    1,234, and if both marks are equal.
    """
    if decimal == thousands != "auto":
        found = f"{decimal!r} cannot be both data.decimal and data.thousands"
        raise DataError(Problem("data.thousands", found, "give each its own mark"))
    separated = {name: list(_separated_numbers(cells)) for name, cells in columns.items()}
    cells = [cell for column in separated.values() for cell in column]
    if thousands == "auto" and (grouped := _infer_grouped_format(cells, decimal)):
        return grouped
    mark = "" if thousands in ("auto", "none") else thousands
    if decimal != "auto":
        return NumberFormat(decimal, mark)
    if mark in (",", "."):
        return NumberFormat("," if mark == "." else ".", mark)
    if mark:
        cells = [re.sub(THOUSANDS_PATTERNS[mark], "", cell) for cell in cells]
    commas = [cell for cell in cells if re.fullmatch(r"[+-]?[0-9]*,[0-9]+", cell)]
    if not commas or any(re.fullmatch(r"[+-]?[0-9]*\.[0-9]+", cell) for cell in cells):
        return NumberFormat(".", mark)
    if thousands == "auto" and all(map(_is_ambiguous_thousands, commas)):
        column = next(name for name, numbers in separated.items() if commas[0] in numbers)
        found = f"{commas[0]!r} can be read with a decimal comma or a thousands separator"
        cure = "set data.decimal to ',' or data.thousands to ',', whichever it is"
        raise DataError(Problem(f"{source_name}, column {column!r}", found, cure))
    return NumberFormat(",", mark)


def _separated_numbers(cells: Sequence[str]) -> Iterator[str]:
    """The stripped cells of digits and marks: only these show the format."""
    for cell in cells:
        bare = cell.strip(" \t")
        if not bare.isdecimal() and _SEPARATED_NUMBER.fullmatch(bare):
            yield bare


def _is_ambiguous_thousands(cell: str) -> bool:
    return re.fullmatch(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}", cell) is not None


def _infer_grouped_format(cells: Sequence[str], decimal: str) -> NumberFormat | None:
    """The number format with a thousands separator that all cells fit and one cell proves."""
    for mark, group in THOUSANDS_PATTERNS.items():
        for point in (".", ",") if decimal == "auto" else (decimal,):
            if point == mark:
                continue
            # A single comma or point can be a decimal mark: a second mark is needed.
            digits = rf"[+-]?[0-9]{{1,3}}(?:{group}[0-9]{{3}})"
            fraction = rf"{re.escape(point)}[0-9]"
            evidence = f"{digits}+{fraction}+|{digits}{{2,}}(?:{fraction}*)?"
            if mark in (" ", "'"):
                evidence += f"|{digits}"
            number_format = NumberFormat(point, mark)
            if any(map(re.compile(evidence).fullmatch, cells)) and all(
                map(number_format.is_number, cells)
            ):
                return number_format
    return None
