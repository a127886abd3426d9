"""Inference of the time: one column of dates, or several columns that make a date together."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from rnnforecast.data.io.column_words import is_named_like_id, split_name
from rnnforecast.data.io.time_parts import (
    TimePart,
    combine_clock_parts,
    combine_date_parts,
    find_time_part,
    lacks_leading_zeros,
)
from rnnforecast.data.time.format import (
    ISO,
    TimeFormat,
    parse_time_format,
    parse_timestamps,
    unparsable_mask,
    with_year_steps,
)
from rnnforecast.data.time.format_inference import infer_time_format, is_date_format
from rnnforecast.data.time.matching_formats import gap_share
from rnnforecast.data.time.numeric_formats import NUMBER_PATTERN
from rnnforecast.errors import DataError, Problem
from rnnforecast.spec.data import DataSpec
from rnnforecast.wording import join_names, quote_text

# In order of preference.
_TIME_NAMES = (
    *("ds", "timestamp", "ts", "datetime", "date_time", "date", "time", "datum", "zeit", "period"),
    *("month", "quarter", "week", "day", "hour", "year", "yearmonth", "yearweek", "yearquarter"),
    *("fecha", "data", "jour", "tag", "monat", "woche", "quartal", "jahr", "mois", "dt"),
)
_STEP_NAMES = (*_TIME_NAMES, "t", "step", "time_idx", "time_index", "index", "idx", "tick")
_MIN_STEPS = 10  # from which a column without a telling name may be a time by its gaplessness
_TWO_YEARS = r"\d{4}\s?[/-]\s?(?:\d{4}|\d{2})"


@dataclass(frozen=True)
class TimeColumns:
    """The columns that hold the time."""

    columns: tuple[str, ...]
    reason: str
    time_format: str | None = None
    """The format of the cells joined by a space; None if it is inferred from them."""
    clock_pattern: str = ""
    """The format of hours and minutes in columns behind a date; "" if there are none."""
    doubt: str = ""
    """Why the column may not be the time; empty if that is sure."""


def find_time_columns(
    head: pd.DataFrame, candidates: list[str], data: DataSpec, source_name: str
) -> TimeColumns:
    """The columns of the time, as given or inferred from the candidates, and why.

    Raises DataError if no column or several could be the time.
    """
    if data.time_columns:
        return _given_columns(head, data)
    if data.time_format is not None:
        return _columns_by_format(head, candidates, data.time_format, source_name)
    formats = {column: infer_column_format(head[column], column) for column in candidates}
    dates = [column for column, found in formats.items() if is_date_format(found)]
    parts = [part for column in candidates if column not in dates
             if (part := find_time_part(column, head[column]))]  # fmt: skip
    _check_clocks(head, candidates, dates, parts, source_name)
    if len(dates) == 1:
        return _with_clock(head, dates[0], formats, parts, "the only column of dates")
    if named := _named(dates, _TIME_NAMES):
        return _with_clock(head, named, formats, parts, "dates, and named like a time")
    if likely := _likeliest_date(dates):
        return _with_clock(head, likely, formats, parts, "dates, and named most like a time")
    if dates:
        found = f"columns {', '.join(map(repr, dates))} all hold dates"
        raise DataError(Problem(source_name, found, "set data.time to one of them"))
    if date_parts := combine_date_parts(head, parts):
        used = [*date_parts, *_finer_parts(head, [part.column for part in date_parts], parts)]
        columns = tuple(part.column for part in used)
        pattern = " ".join(part.pattern for part in used)
        return TimeColumns(columns, "they make a date together", pattern)
    if (year := next((part for part in parts if part.kind == "Y"), None)) and (
        day := next((column for column in candidates if _lacks_year(head[column])), "")
    ):
        return TimeColumns((year.column, day), "a year and a day")
    numbers = [column for column, found in formats.items() if found]
    if named := _named(numbers, _STEP_NAMES):
        return TimeColumns((named,), f"{_content(formats[named])}, and named like a time")
    if unnamed := _gapless_column(head, formats):
        doubt = f"no column is named like a time, and {unnamed!r} has no gaps"
        return TimeColumns((unnamed,), "numbers that are dates without gaps", doubt=doubt)
    if "" in head and is_date_column(head[""]):
        cure = "give it a name in the header, such as ds"
        raise DataError(Problem(source_name, "the column of dates has no name", cure))
    raise DataError(_no_time_problem(head, candidates, parts, source_name))


def _check_clocks(
    head: pd.DataFrame,
    candidates: list[str],
    dates: list[str],
    parts: list[TimePart],
    source_name: str,
) -> None:
    """DataError for hours and minutes without leading zeros that tell rows of one date apart."""
    days = dates or [part.column for part in combine_date_parts(head, parts)]
    for column in candidates:
        if not days or column in days or not lacks_leading_zeros(column, head[column]):
            continue
        if head.duplicated(days).mean() > head.duplicated([*days, column]).mean():
            short = max((text for text in head[column] if len(text) < 4), key=len)
            found = f"column {column!r} holds times of day such as {short!r} without leading zeros"
            cure = f"write them with four digits, such as {short:0>4}, or with a colon"
            named = days[0] if len(days) == 1 else f"[{', '.join(days)}]"
            cure += f"; or set data.time to {named} if they are no times of day"
            raise DataError(Problem(source_name, found, cure))


def is_date_column(cells: pd.Series[str]) -> bool:
    """Whether the cells of a column are dates rather than numbers."""
    return is_date_format(infer_column_format(cells))


def infer_column_format(cells: pd.Series[str], name: str = "") -> TimeFormat | None:
    """The time format of about a hundred cells, to save time in tables with many columns."""
    filled = cells[cells != ""]
    return infer_time_format(filled.iloc[:: len(filled) // 100 + 1].tolist(), name)


def _no_time_problem(
    head: pd.DataFrame, candidates: list[str], parts: list[TimePart], source_name: str
) -> Problem:
    """The problem of a table without a time that can be recognized, with examples of its cells."""
    if clock := next((part.column for part in parts if part.kind == "clock"), ""):
        found = (
            f"column {clock!r} holds times of day such as {_example(head[clock])} without a date"
        )
        return Problem(source_name, found, "add the date to its cells, or a column with the date")
    for column in candidates:
        if _lacks_year(head[column]):
            found = f"column {column!r} holds days such as {_example(head[column])} without a year"
            return Problem(source_name, found, "add the year to its cells, or a column named year")
        if head[column].str.fullmatch(_TWO_YEARS).mean() > 0.5:
            found = f"column {column!r} holds years such as {_example(head[column])}"
            return Problem(source_name, found, "write one year in each cell, such as 2000")
    if len(candidates) == 1 and _has_columns_of_blanks(head[candidates[0]]):
        found = f"the only column holds several values, such as {_example(head[candidates[0]])}"
        cure = "write commas in place of the blanks between the values, in the header, too"
        return Problem(source_name, found, cure)
    shown = join_names([f"{name!r} ({_example(head[name])})" for name in candidates])
    found = f"no column holds dates that can be recognized; the columns are {shown}"
    cure = "set data.time to a column of dates, and data.time_format, or to a number of steps"
    return Problem(source_name, found, cure)


def _has_columns_of_blanks(cells: pd.Series[str]) -> bool:
    """Whether most cells hold equally many values with blanks between them."""
    counts = Counter(len(text.split()) for text in cells if text)
    usual, times = counts.most_common(1)[0] if counts else (0, 0)
    return usual > 1 and 2 * times > counts.total()


def _lacks_year(cells: pd.Series[str]) -> bool:
    """Whether cells are days without a year, such as Mar 01 or 24.12."""
    texts = [text for text in dict.fromkeys(cells) if text][:50]
    if not texts or not all(re.search(r"[ ./-]", text) for text in texts):
        return False
    if any(re.fullmatch(NUMBER_PATTERN, text) for text in texts):
        return False
    if infer_time_format(texts) is not None:
        return False
    formats = (infer_time_format([f"{text}{between}2020" for text in texts]) for between in " ./-")
    return any(found is not None and "%d" in found.pattern for found in formats)


def _given_columns(head: pd.DataFrame, data: DataSpec) -> TimeColumns:
    columns = data.time_columns
    if len(columns) == 1 or data.time_format is not None:
        return TimeColumns(columns, "given", data.time_format)
    parts = [find_time_part(column, head[column]) for column in columns]
    known = [part for part in parts if part is not None]
    if len(known) == len(columns):
        return TimeColumns(columns, "given", " ".join(part.pattern for part in known))
    clock = combine_clock_parts(known)
    if parts[0] is None and [part.column for part in clock] == list(columns[1:]):
        return TimeColumns(columns, "given", clock_pattern=_number_pattern(clock))
    return TimeColumns(columns, "given")


def _columns_by_format(
    head: pd.DataFrame, candidates: list[str], time_format: str, source_name: str
) -> TimeColumns:
    """The column most of whose cells are in a given format."""
    found = []
    for column in candidates:
        texts = [text for text in dict.fromkeys(head[column]) if text][:200]
        wrong = unparsable_mask(texts, parse_time_format(time_format, texts))
        if texts and wrong.mean() < 0.5:
            found.append(column)
    if len(found) == 1:
        return TimeColumns((found[0],), "the only column in data.time_format", time_format)
    if named := _named(found, _STEP_NAMES):
        return TimeColumns((named,), "in data.time_format, and named like a time", time_format)
    if found:
        text = f"columns {', '.join(map(repr, found))} all are in the format {time_format!r}"
        raise DataError(Problem(source_name, text, "set data.time to one of them"))
    shown = join_names([f"{column!r} ({_example(head[column])})" for column in candidates])
    text = (
        f"no column is in the format {time_format!r} of data.time_format; the columns are {shown}"
    )
    cure = "correct data.time_format, or set it to null to infer the format"
    raise DataError(Problem(source_name, text, cure))


def _with_clock(
    head: pd.DataFrame,
    date: str,
    formats: dict[str, TimeFormat | None],
    parts: list[TimePart],
    reason: str,
) -> TimeColumns:
    """A column of dates, with the columns of the time of day if the dates have none."""
    found = formats[date]
    clock = (
        [] if found is None or _has_clock(head[date], found) else _finer_parts(head, [date], parts)
    )
    if not clock:
        return TimeColumns((date,), reason)
    columns = (date, *(part.column for part in clock))
    return TimeColumns(columns, "a date and a time of day", clock_pattern=_number_pattern(clock))


def _number_pattern(clock: list[TimePart]) -> str:
    """The pattern of hours and minutes in columns of their own; "" for a time of day in one."""
    return "" if clock[0].kind == "clock" else " ".join(part.pattern for part in clock)


def _finer_parts(head: pd.DataFrame, dates: list[str], parts: list[TimePart]) -> list[TimePart]:
    """The columns of the time of day, if they tell rows of one date apart."""
    clock = combine_clock_parts(parts)
    both = [*dates, *(part.column for part in clock)]
    if not clock or len(head[both].drop_duplicates()) <= len(head[dates].drop_duplicates()):
        return []
    return clock


def _has_clock(cells: pd.Series[str], time_format: TimeFormat) -> bool:
    """Whether timestamps of a column have a time of day, other than midnight in all of them."""
    if time_format.pattern != ISO:
        return any(directive in time_format.pattern for directive in ("%H", "%I"))
    return bool(cells.str.strip().str.contains(r"[T ](?!00:00(?::00)?(?:\.0+)?$)").any())


def _named(columns: list[str], known: tuple[str, ...]) -> str:
    """The column with the most preferred of the known names; "" if none has one."""
    named = [column for column in columns if column.lower() in known]
    return min(named, key=lambda column: known.index(column.lower()), default="")


def _likeliest_date(dates: list[str]) -> str:
    """The only column of dates that is not named like an id, or else the only one of these with a
    word for a time in its name, such as sale_date; "" if none or several are."""
    columns = [column for column in dates if not is_named_like_id(column)]
    named = [column for column in columns if set(split_name(column)) & set(_TIME_NAMES)]
    for found in (columns, named):
        if len(found) == 1:
            return found[0]
    return ""


def _gapless_column(head: pd.DataFrame, formats: dict[str, TimeFormat | None]) -> str:
    """The only column of numbers that are dates of rising order without gaps, though none is named
    like a time; "" if there is none or several. Whole numbers that count are not dates."""
    found = []
    for column, time_format in formats.items():
        if time_format is None or time_format.pattern == "integer":
            continue
        texts = head[column][head[column] != ""].tolist()
        time_format = with_year_steps(time_format, texts)
        if unparsable_mask(texts, time_format).any():
            continue
        time = parse_timestamps(pa.array(texts, pa.string()), time_format)
        is_rising = len(time) > _MIN_STEPS and bool((np.diff(time) > np.timedelta64(0)).all())
        if is_rising and gap_share(time) == 0:
            found.append(column)
    return found[0] if len(found) == 1 else ""


def _content(time_format: TimeFormat | None) -> str:
    if time_format is None or time_format.pattern == "integer":
        return "whole numbers"
    return f"numbers in the format {time_format.setting}"


def _example(cells: pd.Series[str]) -> str:
    return quote_text(next((cell for cell in cells if cell), "blank"), 30)
