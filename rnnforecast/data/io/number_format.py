"""The format of numbers: decimal mark, thousands separator, missing values, marks by column."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.io.number_cells import EXPONENT, INDIAN_GROUPS, THOUSANDS_PATTERNS
from rnnforecast.data.io.number_marks import BARE_NUMBERS, ColumnMarks
from rnnforecast.data.time.format import TimeFormat

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


@dataclass(frozen=True)
class ColumnFormat:
    """How the cells of one column differ from bare numbers."""

    marks: ColumnMarks = BARE_NUMBERS
    placeholders: tuple[str, ...] = ()
    """Texts that are taken as missing."""


PLAIN_COLUMN = ColumnFormat()


@dataclass(frozen=True)
class NumberFormat:
    """The decimal mark and thousands separator of numbers, the texts of missing values, and the
    columns with marks around their numbers."""

    decimal: str = "."
    thousands: str = ""
    """One of `THOUSANDS_PATTERNS`; "" for none."""
    missing_values: tuple[str, ...] = ()
    """Missing values besides `DEFAULT_MISSING_VALUES`, stripped."""
    columns: Mapping[str, ColumnFormat] = field(default_factory=dict)
    """Columns with other cells than bare numbers, by stripped name."""
    is_parsed_later: bool = False
    """Whether readers of text leave all numbers as text, for rows to be chosen first."""

    def __str__(self) -> str:
        groups = f" and {self.thousands!r} between thousands" if self.thousands else ""
        return f"the decimal mark {self.decimal!r}{groups}"

    def needs_text_parsing(self, column: str) -> bool:
        """Whether Arrow's CSV reader cannot parse this column."""
        is_plain = not (self.thousands or self.missing_values or column.strip() in self.columns)
        return self.is_parsed_later or not is_plain

    @cached_property
    def missing_numbers(self) -> list[float]:
        """Missing values that are numbers, such as -999."""
        numbers = [text for text in self.missing_values if self.is_number(text)]
        plain = replace(self, missing_values=())
        found: list[float] = plain.parse_floats(pa.array(numbers, pa.string())).to_pylist()
        return found

    def is_missing(self, cell: str, column: str = "") -> bool:
        """Whether the cell has no value."""
        bare = cell.strip()
        return bare in (
            *DEFAULT_MISSING_VALUES,
            *self.missing_values,
            *self._format_of(column).placeholders,
        )

    def is_number(self, cell: str, column: str = "") -> bool:
        """Whether the cell is a number, with or without blanks around it."""
        return re.fullmatch(self._pattern(column), cell.strip(), re.ASCII) is not None

    def parse_floats(self, texts: pa.Array[Any], column: str = "") -> pa.Array[Any]:
        """Floats [r] of texts [r], null where missing; ValueError if a text is not a number."""
        floats, invalid = self.parse_valid_floats(texts, column)
        if pc.any(invalid, min_count=0).as_py():
            raise ValueError("not every cell is a number")
        return floats

    def parse_valid_floats(
        self, texts: pa.Array[Any], column: str = ""
    ) -> tuple[pa.Array[Any], pa.Array[Any]]:
        """Floats [r] of texts [r], null where missing or invalid, and whether each is invalid."""
        known = (*DEFAULT_MISSING_VALUES, *self.missing_values)
        known += self._format_of(column).placeholders
        texts = pc.utf8_trim_whitespace(texts)
        texts = pc.if_else(pc.is_in(texts, value_set=pa.array(known)), None, texts)
        parts = pc.extract_regex(texts, f"^{self._pattern(column, named=True)}$")
        invalid = pc.and_(pc.is_valid(texts), pc.is_null(parts))
        before, number, after = (pc.struct_field(parts, name) for name in ("b", "n", "a"))
        if self.thousands:
            number = pc.replace_substring_regex(number, THOUSANDS_PATTERNS[self.thousands], "")
        if self.decimal != ".":
            number = pc.replace_substring(number, self.decimal, ".")
        marks = self._format_of(column).marks
        signs, exponents = dict(marks.before), {text: end for text, _, end in marks.after}
        minus = pc.equal(_look_up(before, signs), "-")
        if trailing := [text for text, sign, _ in marks.after if sign]:
            masked = pc.replace_substring_regex(after, "[0-9]", "9")
            behind = pc.is_in(masked, value_set=pa.array(trailing))
            # a dash behind a decimal mark stands for no cents: 5,-
            minus = pc.or_(minus, pc.and_not(behind, pc.ends_with(number, ".")))
        if any(exponents.values()):
            number = pc.binary_join_element_wise(number, _look_up(after, exponents), "")
        number = pc.binary_join_element_wise(pc.if_else(minus, "-", ""), number, "")
        return number.cast(pa.float64()), invalid

    def _format_of(self, column: str) -> ColumnFormat:
        return self.columns.get(column, PLAIN_COLUMN)

    def _pattern(self, column: str, *, named: bool = False) -> str:
        """A stripped number, in a syntax that both Python and Arrow accept."""
        decimal, integer = re.escape(self.decimal), "[0-9]+"
        if self.thousands:
            group = THOUSANDS_PATTERNS[self.thousands]
            integer = rf"(?:[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]+)"
        if self.thousands == ",":
            integer = f"(?:{INDIAN_GROUPS}|{integer})"
        digits = rf"(?:{integer}(?:{decimal}[0-9]*)?|{decimal}[0-9]+){EXPONENT}"
        marks = self._format_of(column).marks
        before = "|".join(_escape(text) for text in _longest_first(dict(marks.before)))
        after = "|".join(_escape(text) for text in _longest_first({a[0]: "" for a in marks.after}))
        b, n, a = ("?P<b>", "?P<n>", "?P<a>") if named else ("?:", "?:", "?:")
        return f"({b}{before})({n}{digits}|(?i:inf|infinity|nan))({a}{after})"


@dataclass(frozen=True)
class CellFormat:
    """The time and number formats of a table."""

    time_format: TimeFormat
    number_format: NumberFormat = NumberFormat()


def _longest_first(texts: Mapping[str, str]) -> list[str]:
    return sorted(texts, key=len, reverse=True)


def _escape(text: str) -> str:
    """The text, with 9 for any digit, as a pattern for both Python and RE2."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text).replace("9", "[0-9]")


def _look_up(keys: pa.Array[Any], values: Mapping[str, str]) -> pa.Array[Any]:
    """The value [r] of each key [r], whose digits count as 9."""
    keys = pc.replace_substring_regex(keys, "[0-9]", "9")
    index = pc.index_in(keys, value_set=pa.array(list(values), pa.string()))
    return pa.array(list(values.values()), pa.string()).take(index)
