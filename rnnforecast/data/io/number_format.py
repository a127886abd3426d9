"""How cells are written: what is said of it, and the marks of numbers, told from a sample."""

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
"""Cells that say "no value" in a column of numbers (a series may well be called NA)."""

THOUSANDS_PATTERNS = {",": ",", ".": r"\.", "'": "['\u2019]", " ": "[ \u00a0\u2009\u202f]"}
"""Marks between groups of three digits, and how each is written: print has blanks and apostrophes
of its own."""
_ANY_SEPARATOR = "(?:" + "|".join(THOUSANDS_PATTERNS.values()) + ")"
_EXPONENT = "(?:e[+-]?[0-9]+)?"

NUMBER_PATTERN = re.compile(
    rf"[+-]?(?:(?:[0-9]{{1,3}}(?:{_ANY_SEPARATOR}[0-9]{{3}})+(?:[.,][0-9]*)?"
    rf"|[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+){_EXPONENT}|inf(?:inity)?)",
    re.IGNORECASE | re.ASCII,
)
"""A number as a cell may write it, with any marks."""
_SEPARATED_NUMBER = re.compile(rf"[+-]?{_ANY_SEPARATOR}*[0-9](?:[0-9]|{_ANY_SEPARATOR})*")


@dataclass(frozen=True)
class NumberFormat:
    """The marks inside numbers, and the texts in place of them."""

    decimal: str = "."
    thousands: str = ""
    """Between groups of three digits, one of `GROUPING`; "" for none."""
    missing_values: tuple[str, ...] = ()
    """Cells that say "no value", besides `USUAL`; blanks around them do not matter."""

    def __str__(self) -> str:
        groups = f" and {self.thousands!r} between thousands" if self.thousands else ""
        return f"the decimal mark {self.decimal!r}{groups}"

    @property
    def needs_text_parsing(self) -> bool:
        """Whether such numbers have to be read as text, as Arrow's own reader cannot."""
        return bool(self.thousands or self.missing_values)

    @cached_property
    def missing_numbers(self) -> list[float]:
        """The numbers that say "no value", such as -999, however they are written."""
        numbers = [text for text in self.missing_values if self.is_number(text)]
        plain = replace(self, missing_values=())
        found: list[float] = plain.parse_floats(pa.array(numbers, pa.string())).to_pylist()
        return found

    def is_missing(self, cell: str) -> bool:
        """Whether the cell says that there is no value."""
        return cell in DEFAULT_MISSING_VALUES or (
            bool(self.missing_values) and cell.strip(" \t") in self.missing_values
        )

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """A number, blanks around it left out; both Python and Arrow understand it."""
        point, whole = re.escape(self.decimal), "[0-9]+"
        if self.thousands:
            whole = rf"(?:[0-9]{{1,3}}(?:{THOUSANDS_PATTERNS[self.thousands]}[0-9]{{3}})+|[0-9]+)"
        digits = rf"(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+){_EXPONENT}"
        return re.compile(rf"[+-]?(?:{digits}|inf|infinity|nan)", re.IGNORECASE | re.ASCII)

    def is_number(self, cell: str) -> bool:
        """Whether the cell is a number.

        Only plain blanks may stand around it: a number copied from a web page has others.
        """
        return self._pattern.fullmatch(cell.strip(" \t")) is not None

    def parse_floats(self, texts: pa.Array[Any]) -> pa.Array[Any]:
        """The numbers [r] of texts [r], null where there is none; ValueError if one is neither."""
        texts = pc.if_else(pc.is_in(texts, value_set=pa.array(DEFAULT_MISSING_VALUES)), None, texts)
        texts = pc.utf8_trim(texts, " \t")
        if self.missing_values:
            texts = pc.if_else(
                pc.is_in(texts, value_set=pa.array(self.missing_values)), None, texts
            )
        right = pc.match_substring_regex(texts, f"^(?:{self._pattern.pattern})$", ignore_case=True)
        if not pc.all(right, min_count=0).as_py():
            raise ValueError("not every cell is a number")
        if self.thousands:
            texts = pc.replace_substring_regex(texts, THOUSANDS_PATTERNS[self.thousands], "")
        if self.decimal != ".":
            texts = pc.replace_substring(texts, self.decimal, ".")
        return texts.cast(pa.float64())


@dataclass(frozen=True)
class CellFormat:
    """How the cells of a table are written."""

    time_format: TimeFormat
    number_format: NumberFormat = NumberFormat()


def infer_number_format(
    columns: Mapping[str, Sequence[str]], decimal: str, thousands: str, source_name: str
) -> NumberFormat:
    """The marks of the numbers in a sample of cells a column, as far as `decimal` and `thousands`
    leave it open.

    Digits are taken to be grouped only where a number cannot be read otherwise and none speaks
    against it. Raises DataError where 1,234 could be a thousand as well as a bit more than one,
    and where both marks are given alike.
    """
    if decimal == thousands != "auto":
        found = f"{decimal!r} cannot be both data.decimal and data.thousands"
        raise DataError(Problem("data.thousands", found, "give each its own mark"))
    marked = {name: list(_separated_numbers(cells)) for name, cells in columns.items()}
    cells = [cell for some in marked.values() for cell in some]
    if thousands == "auto" and (marks := _infer_grouped_format(cells, decimal)):
        return marks
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
        column = next(name for name, some in marked.items() if commas[0] in some)
        found = f"{commas[0]!r} can be read with a decimal comma or a thousands separator"
        cure = "set data.decimal to ',' or data.thousands to ',', whichever it is"
        raise DataError(Problem(f"{source_name}, column {column!r}", found, cure))
    return NumberFormat(",", mark)


def _separated_numbers(cells: Sequence[str]) -> Iterator[str]:
    """The cells of digits and marks: the others tell nothing, and most tables have few of them."""
    for cell in cells:
        bare = cell.strip(" \t")
        if not bare.isdecimal() and _SEPARATED_NUMBER.fullmatch(bare):
            yield bare


def _is_ambiguous_thousands(cell: str) -> bool:
    return re.fullmatch(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}", cell) is not None


def _infer_grouped_format(cells: Sequence[str], decimal: str) -> NumberFormat | None:
    """The marks that all cells agree with, if one of them shows that digits are grouped."""
    for mark, group in THOUSANDS_PATTERNS.items():
        for point in (".", ",") if decimal == "auto" else (decimal,):
            if point == mark:
                continue
            # A comma or a point alone can be a decimal mark: there has to be a second mark.
            digits = rf"[+-]?[0-9]{{1,3}}(?:{group}[0-9]{{3}})"
            fraction = rf"{re.escape(point)}[0-9]"
            enough = f"{digits}+{fraction}+|{digits}{{2,}}(?:{fraction}*)?"
            if mark in (" ", "'"):
                enough += f"|{digits}"
            marks = NumberFormat(point, mark)
            if any(map(re.compile(enough).fullmatch, cells)) and all(map(marks.is_number, cells)):
                return marks
    return None
