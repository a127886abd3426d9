"""How cells are written: the marks of numbers, and telling them from a sample."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rnnforecast.data.stamps import Form
from rnnforecast.errors import DataError, Problem

_WIDE_BLANKS = "\u00a0\u202f\u2009"
"""Blanks that spreadsheets put between groups of digits."""


@dataclass(frozen=True)
class Marks:
    """The marks inside numbers."""

    decimal: str = "."
    thousands: str = ""
    """Between groups of three digits; "" for none."""

    def pattern(self) -> str:
        """A regular expression that a whole number cell fits, blanks around it left out."""
        point, group = re.escape(self.decimal), self._group()
        whole = rf"(?:\d{{1,3}}(?:{group}\d{{3}})+|\d+)" if group else r"\d+"
        digits = rf"(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"
        return rf"[+-]?(?:{digits}|inf|infinity|nan)"

    def plain(self, cell: str) -> str:
        """The cell of a number as a computer writes it."""
        group = self._group()
        bare = re.sub(group, "", cell) if group else cell
        return bare.replace(self.decimal, ".")

    def _group(self) -> str:
        return f"[ {_WIDE_BLANKS}]" if self.thousands == " " else re.escape(self.thousands)


@dataclass(frozen=True)
class Writing:
    """How the cells of a table are written."""

    form: Form
    marks: Marks = Marks()


def marks_of(cells: Sequence[str], decimal: str, thousands: str, where: str) -> Marks:
    """The marks of the numbers among the cells, as far as `decimal` and `thousands` leave it open.

    Raises DataError where 1,234 could be a thousand as well as a bit more than one, and where both
    marks are given alike.
    """
    if decimal == thousands != "auto":
        cure = "give each its own mark"
        found = f"{decimal!r} cannot be both data.decimal and data.thousands"
        raise DataError(Problem("data.thousands", found, cure))
    if thousands not in ("auto", "none"):
        other = {",": ".", ".": ","}.get(thousands)
        if decimal == "auto":
            decimal = other or ("," if any("," in cell for cell in cells) else ".")
        return Marks(decimal, thousands)
    texts = [cell.strip() for cell in cells]
    grouped = _grouped(texts) if thousands == "auto" else None
    if grouped is not None and decimal in ("auto", grouped.decimal):
        return grouped
    if decimal != "auto":
        return Marks(decimal)
    return Marks(_decimal(texts, where))


def _grouped(texts: Sequence[str]) -> Marks | None:
    """The marks where a cell can only have groups of digits: 1,234.5 or 1,234,567; else None."""
    marked = [text for text in texts if any(mark in text for mark in f",.'{_WIDE_BLANKS}")]
    for group, point in ((",", "."), (".", ","), ("'", "."), (" ", "."), (" ", ",")):
        inside = f"[{_WIDE_BLANKS}]" if group == " " else re.escape(group)
        fraction = rf"{re.escape(point)}\d+"
        if group in "' ":  # no decimal mark: one group is enough
            fraction = f"(?:{fraction})?"
        once, twice = (
            rf"(?:{inside}\d{{3}})+{fraction}",
            rf"(?:{inside}\d{{3}}){{2,}}(?:{fraction})?",
        )
        sure = re.compile(rf"[+-]?\d{{1,3}}(?:{once}|{twice})")
        marks = Marks(point, group)
        fits = re.compile(marks.pattern(), re.IGNORECASE | re.ASCII)
        numbers = [text for text in marked if any(letter.isdigit() for letter in text)]
        if any(map(sure.fullmatch, numbers)) and all(map(fits.fullmatch, numbers)):
            return marks
    return None


def _decimal(cells: Sequence[str], where: str) -> str:
    marked = [cell.strip() for cell in cells if "," in cell]  # few, mostly: a table may be wide
    commas = [cell for cell in marked if re.fullmatch(r"[+-]?\d*,\d+", cell)]
    if not commas or any(re.fullmatch(r"[+-]?\d*\.\d+", cell.strip()) for cell in cells):
        return "."
    if all(re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", cell) for cell in commas):
        found = f"{commas[0]!r} can be read with a decimal comma or a thousands separator"
        cure = "set data.decimal to ',' or data.thousands to ','"
        raise DataError(Problem(where, found, cure))
    return ","
