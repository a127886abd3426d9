"""What a cell seems to hold, to tell a header from rows: nothing, a number, a date or text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from rnnforecast.data.io.number_cells import cell_kind
from rnnforecast.data.io.number_format import DEFAULT_MISSING_VALUES

CellContent = Literal["", "number", "date", "text"]

MIN_DATE_COLUMNS = 3
"""Fewer column names that are dates may be anything."""
MIN_STEP_COLUMNS = 20
"""Fewer columns such as d_1, d_2 … may be different targets."""

MONTH_PATTERN = (
    r"(?:jan|feb|mar|mär|maerz|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-zäé]{0,6}\.?"
)
"""The name of a month in English or German, in full or cut off."""
_DATE = "|".join(
    (
        r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}",
        r"\d{4}[-/.]\d{1,2}|\d{1,2}[-/.]\d{4}",
        r"\d{4}[- /]?(?:q|w|kw|h|m|t)-?\d{1,2}(?:-\d)?|(?:q|t|kw|w|week)-?\d{1,2}[- /.]*\d{2,4}",
        r"\d[-/]\d{4}|\d\.? ?(?:quartal|trimestre|quarter) \d{4}",
        rf"\d{{1,2}}(?:st|nd|rd|th)?[-. /]*{MONTH_PATTERN}[-. ,/]*\d{{2,4}}",
        rf"{MONTH_PATTERN}[-. ,/]*(?:\d{{1,2}}(?:st|nd|rd|th)?,?[- ]+)?\d{{2,4}}",
        rf"\d{{2,4}}[-. /]*{MONTH_PATTERN}(?:[-. /]*\d{{1,2}})?",
    )
)
_CLOCK = r"\d{1,2}[:h.]\d{2}(?:[:.]\d{2})?[\d.,]*"
_TIME = re.compile(
    rf"(?i)(?:[a-zä]{{2,9}}\.?,? )?(?:{_DATE})"
    rf"(?:[T ,]+{_CLOCK}.{{0,40}}|Z|\s*(?:-|–|to|bis|/)\s*\d.*)?"
    rf"|{_CLOCK}(?: ?[ap]m)?(?:\s*(?:-|–|to|bis)\s*\d.*)?"
)
_GROUPED = re.compile(r"\d+[.,]\d+|\d{1,3}(?:[.,]\d{3})+")
"""Numbers that also look like dates: 12.2024 and 1.234.567."""
_MAX_LENGTH = 60
_NUMBERED = re.compile(r"(\D*)(\d{1,6})")
_STEP_PREFIX = re.compile(
    r"(?i)(d|day|t|time|w|wk|week|m|month|q|quarter|h|hour|p|period|step)[ _.-]?"
)
_YEARS = (1500, 2200)
_YEAR_MARKS = re.compile(r"^[XY]?(\d{4}(?:\.\d{1,2}\.\d{1,2})?)(?: \[YR\d{4}\])?$")
"""Years as the World Bank (1960 [YR1960]), FAOSTAT (Y1961) and R (X2020.01.22) write them."""


@lru_cache(maxsize=4096)
def cell_content(cell: str) -> CellContent:
    """ "" for a blank or a text for no value, else number, date or text."""
    text = cell.strip()
    if not text or text in DEFAULT_MISSING_VALUES:
        return ""
    if len(text) > _MAX_LENGTH:
        return "text"
    if _TIME.fullmatch(text) and not _GROUPED.fullmatch(text):
        return "date"
    kind = cell_kind(text)
    return "" if kind == "placeholder" else "text" if kind == "text" else "number"


def date_columns(names: Sequence[str], *, any_prefix: bool = False) -> dict[int, str]:
    """The columns whose names are dates, years in equal steps, or many numbered steps such as d_1,
    d_2 …, each with the date, year or number; empty if there are too few of one kind.

    With `any_prefix` numbered steps may begin with any text, and two are enough.
    """
    texts = [_YEAR_MARKS.sub(r"\1", name.strip()) for name in names]
    enough = 2 if any_prefix else MIN_DATE_COLUMNS
    dates = {column: text for column, text in enumerate(texts) if cell_content(text) == "date"}
    if len(dates) >= enough:
        return dates
    runs: dict[str, dict[int, int]] = {}  # text before the number -> column -> number
    for column, text in enumerate(texts):
        if found := _NUMBERED.fullmatch(text):
            runs.setdefault(found[1], {})[column] = int(found[2])
    for prefix, numbers in sorted(runs.items(), key=lambda item: -len(item[1])):
        values = list(numbers.values())
        steps = {after - before for before, after in pairwise(values)}
        are_years = not prefix and all(_YEARS[0] <= value < _YEARS[1] for value in values)
        is_step = bool(_STEP_PREFIX.fullmatch(prefix)) and len(values) >= MIN_STEP_COLUMNS
        are_times = are_years or is_step or (prefix and any_prefix)
        if are_times and len(steps) == 1 and 0 not in steps and len(values) >= enough:
            return {column: str(number) for column, number in numbers.items()}
    return {}


def has_dates_in_header(cells: Sequence[str], kinds: Sequence[CellContent | None]) -> bool:
    """Whether a line names columns by dates: the cells are dates where the rows, of these kinds,
    have none."""
    columns = [at for at in date_columns(cells) if at >= len(kinds) or kinds[at] != "date"]
    return len(columns) >= MIN_DATE_COLUMNS
