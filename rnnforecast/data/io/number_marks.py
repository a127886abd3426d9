"""Marks around the numbers of a column: those left out, those that scale, those refused.

A currency or unit that stands at all numbers changes no value and is left out. Multipliers such as
k and M scale their numbers. Different units, or a percent sign at some numbers only, are refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rnnforecast.data.io.cell_shapes import CellShape
from rnnforecast.data.io.number_cells import CURRENCY, NumberParts, is_flag

MAX_UNITS = 3
"""Cells with more different words behind their digits are texts, such as addresses."""

_MULTIPLIERS = {
    **dict.fromkeys(("k", "K", "tsd", "thousand", "tausend"), 3),
    **dict.fromkeys(("M", "mn", "mio", "mln", "million", "millions", "millionen"), 6),
    **dict.fromkeys(("bn", "mrd", "mlrd", "billion", "billions", "milliarden"), 9),
    **dict.fromkeys(("tn", "trillion", "trillions"), 12),
}
_DOUBTFUL_MULTIPLIERS = {"m": 6, "b": 9, "B": 9, "T": 12, "t": 3}
"""Letters that are multipliers only beside another multiplier in the column."""


@dataclass(frozen=True)
class ColumnMarks:
    """How the marks around the digits of a column's numbers are read."""

    before: tuple[tuple[str, str], ...] = (("", ""), ("+", ""), ("-", "-"))
    """Texts before the digits, with 9 for each digit of a footnote or unit, and the sign that each
    means: "" or "-"."""
    after: tuple[tuple[str, str, str], ...] = (("", "", ""),)
    """Texts behind the digits, each with its sign and the exponent that it means, such as e3."""


BARE_NUMBERS = ColumnMarks()


@dataclass(frozen=True)
class MarksReading:
    """The reading of the marks of a column."""

    kind: Literal["accepted", "refused", "text"]
    """"text" if the cells are no numbers, but words such as addresses."""
    marks: ColumnMarks = BARE_NUMBERS
    """If refused, those of most numbers."""
    found: str = ""
    """Clauses on what was found and how it is read; empty if there are no marks."""
    is_doubtful: bool = False
    has_units: bool = False
    """Whether a unit stands at all numbers; currencies and percent signs are none."""
    example: str = ""
    """A cell with a mark that is refused."""


@dataclass(frozen=True)
class _Cells:
    """The cells of one shape, with the multiplier and the unit behind their digits."""

    shape: CellShape
    parts: NumberParts
    exponent: int
    unit: str

    @property
    def count(self) -> int:
        return self.shape.count

    @property
    def currency(self) -> str:
        """The currency before or after the digits, "" without one."""
        marks = (self.parts.before_mark, self.unit)
        return next((mark for mark in marks if mark and CURRENCY.fullmatch(mark)), "")


def mask_digits(text: str) -> str:
    """The text with 9 for every digit."""
    return re.sub("[0-9]", "9", text)


def read_marks(shapes: Sequence[CellShape]) -> MarksReading:
    """The reading of the marks of a column, from the shapes of its numbers."""
    cells = _split_cells(shapes)
    units = Counter[str]()
    for group in cells:
        if group.unit and group.unit != group.currency:
            units[group.unit] += group.count
    if len(units) > MAX_UNITS and not (all(map(is_flag, units)) and _has_plain_majority(cells)):
        return MarksReading("text")
    if refusal := _refusal(cells, units):
        marked = [one.shape.example for one in cells if one.unit or one.parts.before_mark]
        usual = max(cells, key=lambda one: one.count)
        alike = [one for one in cells if (one.currency, one.unit) == (usual.currency, usual.unit)]
        return MarksReading("refused", _column_marks(alike), refusal, example=marked[0])
    clauses = list(_describe(cells, units))
    return MarksReading(
        "accepted",
        _column_marks(cells),
        found="; ".join(clause for clause, _ in clauses),
        is_doubtful=any(doubtful for _, doubtful in clauses),
        has_units=all(one.unit not in ("", "%", "\u2030", one.currency) for one in cells),
    )


def _column_marks(cells: Sequence[_Cells]) -> ColumnMarks:
    """The marks of these cells, and those of bare numbers."""
    before = [(mask_digits(one.parts.before), _sign_before(one.parts)) for one in cells]
    after = [_reading_after(one) for one in cells]
    return ColumnMarks(
        tuple(dict.fromkeys((*BARE_NUMBERS.before, *before))),
        tuple(dict.fromkeys((*BARE_NUMBERS.after, *after))),
    )


def _split_cells(shapes: Sequence[CellShape]) -> list[_Cells]:
    found = []
    for shape in shapes:
        if parts := shape.parts:
            exponent, unit = _split_multiplier(parts, _MULTIPLIERS)
            found.append(_Cells(shape, parts, exponent, unit))
    if not any(cells.exponent for cells in found):
        return found
    every = {**_MULTIPLIERS, **_DOUBTFUL_MULTIPLIERS}
    return [_Cells(one.shape, one.parts, *_split_multiplier(one.parts, every)) for one in found]


def _split_multiplier(parts: NumberParts, multipliers: dict[str, int]) -> tuple[int, str]:
    """The exponent and the unit of the mark behind the digits: 6 and EUR of Mio. EUR."""
    mark = parts.after_mark
    bare = mark if is_flag(mark) else mark.rstrip("*\u2020\u2021\u00a7 ")
    word, _, rest = bare.partition(" ")
    if rest and not CURRENCY.fullmatch(rest.strip()):
        return 0, bare
    word = word.rstrip(".")
    exponent = multipliers.get(word) or (multipliers.get(word.lower(), 0) if len(word) > 1 else 0)
    is_kelvin = bare == "K" and parts.after.strip("K")
    return (exponent, rest.strip()) if exponent and not is_kelvin else (0, bare)


def _has_plain_majority(cells: Sequence[_Cells]) -> bool:
    return 2 * _count(cells, unit="") >= sum(group.count for group in cells)


def _count(cells: Sequence[_Cells], unit: str) -> int:
    return sum(group.count for group in cells if group.unit == unit)


def _refusal(cells: Sequence[_Cells], units: Counter[str]) -> str:
    """Why the marks cannot be left out; "" if they can."""
    currencies = Counter[str]()
    for group in cells:
        currencies[group.currency] += group.count
    del currencies[""]
    if len(currencies) > 1:
        return f"numbers in different currencies: {_list_counts(currencies)}"
    words = {unit: count for unit, count in units.items() if not is_flag(unit)}
    if len(words) > 1:
        return f"numbers in different units: {_list_counts(words)}"
    total = sum(group.count for group in cells)
    for unit, count in units.items():
        is_share = unit in ("%", "\u2030")
        if count < total and (is_share or unit in _DOUBTFUL_MULTIPLIERS.keys() - {"b"}):
            example = next(group.shape.example for group in cells if group.unit == unit)
            return f"{unit!r} is behind {count:,} of {total:,} numbers only, such as {example!r}"
    return ""


def _describe(cells: Sequence[_Cells], units: Counter[str]) -> Iterator[tuple[str, bool]]:
    """Clauses on the marks, each with whether the reading is doubtful."""
    total = sum(group.count for group in cells)
    marks = Counter[tuple[str, str]]()
    examples: dict[tuple[str, str], str] = {}
    for group in cells:
        for place, mark in (("before", group.parts.before_mark), ("behind", group.unit)):
            if mark:
                marks[place, mark] += group.count
                examples.setdefault((place, mark), group.shape.example)
    for (place, mark), count in marks.items():
        is_currency = CURRENCY.fullmatch(mark) is not None
        doubtful = count < total and not is_currency
        number = "all" if count == total else f"{count:,} of {total:,}"
        text = f"{mark!r} {place} {number} numbers is left out ({examples[place, mark]!r})"
        yield text, doubtful or (place == "before" and not is_currency)
    exponents = Counter[int]()
    for group in cells:
        exponents[group.exponent] += group.count
    for exponent, count in exponents.items():
        if exponent:
            example = next(one.shape.example for one in cells if one.exponent == exponent)
            yield f"{count:,} numbers are scaled by 1e{exponent} ({example!r})", len(exponents) > 1
    for form, found in (
        ("in parentheses", [one for one in cells if "(" in one.parts.before and _is_negative(one)]),
        ("with a minus behind", [one for one in cells if "-" in _reading_after(one)[1]]),
    ):
        if found:
            count = sum(group.count for group in found)
            example = found[0].shape.example
            yield f"{count:,} numbers {form} are read as negative ({example!r})", False


def _is_negative(cells: _Cells) -> bool:
    return cells.parts.is_negative


def _sign_before(parts: NumberParts) -> str:
    return "-" if parts.is_negative and not _has_minus_behind(parts) else ""


def _has_minus_behind(parts: NumberParts) -> bool:
    plain_before = not parts.before.strip() or parts.before.strip() == parts.before_mark
    return parts.is_negative and plain_before


def _reading_after(cells: _Cells) -> tuple[str, str, str]:
    sign = "-" if _has_minus_behind(cells.parts) else ""
    exponent = f"e{cells.exponent}" if cells.exponent else ""
    return mask_digits(cells.parts.after), sign, exponent


def _list_counts(counts: Counter[str] | dict[str, int]) -> str:
    return ", ".join(f"{text!r} ({count:,} cells)" for text, count in counts.items())
