"""Patterns of timestamps: the directives of strptime, and some of our own.

These are %q (quarter), %J (half-year) and %K (hour from 1 to 24). ISO weeks need no day. A pattern
becomes a regular expression of its fields; dates are computed from the fields of all texts at once.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.time.frequency import DAY, HOUR, MINUTE, SECOND
from rnnforecast.data.time.names import MONTH_NUMBERS, WEEKDAY_NUMBERS
from rnnforecast.types import Bools, Ints, Timestamps

_EXPANSIONS = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "h": "%b"}
_WORD = r"\p{L}+\.?"
# directive -> (regular expression, the same next to another number without a separator)
_EXPRESSIONS = {
    "Y": (r"\d{4}", r"\d{4}"), "G": (r"\d{4}", r"\d{4}"), "y": (r"\d{2}", r"\d{2}"),
    "m": (r"\d{1,2}", r"\d{2}"), "d": (r"\d{1,2}", r"\d{2}"), "j": (r"\d{1,3}", r"\d{3}"),
    "q": (r"[1-4]", r"[1-4]"), "J": (r"[12]", r"[12]"),
    "V": (r"\d{1,2}", r"\d{2}"), "W": (r"\d{1,2}", r"\d{2}"),
    "U": (r"\d{1,2}", r"\d{2}"), "u": (r"[1-7]", r"[1-7]"), "w": (r"[0-6]", r"[0-6]"),
    "H": (r"\d{1,2}", r"\d{2}"), "I": (r"\d{1,2}", r"\d{2}"), "K": (r"\d{1,2}", r"\d{2}"),
    "M": (r"\d{1,2}", r"\d{2}"), "S": (r"\d{1,2}", r"\d{2}"), "f": (r"\d{1,9}", r"\d{1,9}"),
    "b": (_WORD, _WORD), "B": (_WORD, _WORD), "a": (_WORD, _WORD), "A": (_WORD, _WORD),
    "p": (r"[ap]\.?m\.?", r"[ap]\.?m\.?"),
}  # fmt: skip
_NUMBERS = frozenset("YGymdjqJVWUuwHIKMSf")
# Directives of one field exclude each other.
_FIELDS = {
    "year": "YGy", "month": "mbBqJ", "day": "dj", "week": "VWU", "weekday": "aAuw",
    "hour": "HIK", "minute": "M", "second": "S", "fraction of a second": "f",
    "half of the day": "p",
}  # fmt: skip
_FIELD_OF = {letter: field for field, letters in _FIELDS.items() for letter in letters}
_ORDINAL_END = r"(?:st|nd|rd|th)?"


def check_pattern(pattern: str) -> None:
    """ValueError, in words for the user, if a pattern cannot give a date."""
    directives = [item[1:] for item in _items(pattern) if item[0] == "%" and item != "%%"]
    if unknown := [item for item in directives if item not in _EXPRESSIONS]:
        raise ValueError(f"%{unknown[0]} is not a directive")
    found = [_FIELD_OF[item] for item in directives]
    if repeated := [field for field in dict.fromkeys(found) if found.count(field) > 1]:
        both = " and ".join(f"%{item}" for item in directives if _FIELD_OF[item] == repeated[0])
        raise ValueError(
            f"it names the {repeated[0]} twice ({both}); of a range of times only the beginning is"
            " described"
        )
    if "year" not in found:
        raise ValueError("it lacks the year (%Y, or %y with two digits)")
    if "d" in directives and "month" not in found:
        raise ValueError("it names a day, but no month (%m, or %b for a name)")
    if "d" in directives and ("q" in directives or "J" in directives):
        raise ValueError("it names a day of a quarter or half-year; expected a month (%m)")
    if "half of the day" in found and "I" not in directives:
        raise ValueError("it names AM or PM (%p), which needs the hour as %I")
    for field, needed in itertools.pairwise(("fraction of a second", "second", "minute", "hour")):
        if field in found and needed not in found:
            raise ValueError(f"it names the {field}, but no {needed}")


def pattern_example(pattern: str) -> str:
    """The evening of 24 December 2024 in a pattern."""
    own = {"%q": "4", "%J": "2", "%K": "24"}
    text = "".join(own.get(item, item) for item in _items(pattern))
    return datetime(2024, 12, 24, 23, tzinfo=UTC).strftime(text)


@lru_cache(maxsize=512)
def pattern_regex(pattern: str) -> str:
    """The regular expression (RE2) of a pattern, with a group for each field."""
    items = list(_items(pattern))
    parts = []
    for position, item in enumerate(items):
        if item[0] != "%" or item == "%%":
            literal = item[-1] if item == "%%" else item
            parts.append(r"\s+" if item.isspace() else re.escape(literal))
            continue
        letter = item[1]
        neighbors = items[max(position - 1, 0) : position + 2]
        is_joined = sum(part[0] == "%" and part[1:] in _NUMBERS for part in neighbors) > 1
        name = {"B": "b", "A": "a"}.get(letter, letter)
        parts.append(f"(?P<{name}>{_EXPRESSIONS[letter][is_joined]})")
        if letter == "d" and not is_joined:
            parts.append(_ORDINAL_END)
    return "(?i)^" + "".join(parts) + "$"


def parse_pattern(texts: pa.Array[Any], pattern: str) -> Timestamps:
    """Timestamps [R] of texts [R], datetime64[us]; NaT where a text does not fit the pattern.

    24:00 is the midnight that ends the day; a week without a day is its first day, a quarter its
    first month.
    """
    result = np.full(len(texts), np.datetime64("NaT", "us"))
    parts = pc.extract_regex(texts, pattern_regex(pattern))
    rows = np.flatnonzero(np.asarray(parts.is_valid()))
    if not len(rows):
        return result
    if parts.null_count:
        parts = parts.filter(parts.is_valid())
    fields = {field.name: _field_values(field.name, part)
              for field, part in zip(parts.type, parts.flatten(), strict=True)}  # fmt: skip
    days, is_date = _days(fields)
    clock, is_clock = _clock(fields)
    is_valid = is_date & is_clock & np.all([values >= 0 for values in fields.values()], axis=0)
    result[rows[is_valid]] = (days * DAY + clock)[is_valid].view("datetime64[us]")
    return result


def _items(pattern: str) -> Iterator[str]:
    """The directives, white spaces and other characters of a pattern, in order."""
    pattern = re.sub("%[-#]", "%", pattern)  # numbers without leading zeros are read anyway
    pattern = re.sub("%([FTRDh])", lambda found: _EXPANSIONS[found[1]], pattern)
    for item in re.findall(r"%.?|\s+|[^%\s]", pattern):
        yield item if item != "%" else "%?"


def _field_values(name: str, texts: pa.Array[Any]) -> Ints:
    """The numbers [R] of one field; -1 for a name that is not known."""
    if name in "ab":
        numbers = MONTH_NUMBERS if name == "b" else WEEKDAY_NUMBERS
        words = pc.utf8_rtrim(pc.utf8_lower(texts), characters=".")
        places = pc.index_in(words, value_set=pa.array(list(numbers)))
        values: Ints = np.r_[list(numbers.values()), -1]
        return np.asarray(values[places.fill_null(-1).to_numpy()])
    if name == "p":
        return np.asarray(pc.starts_with(pc.utf8_lower(texts), "p")).astype(np.int64)
    if name == "f":
        texts = pc.utf8_slice_codeunits(pc.utf8_rpad(texts, width=6, padding="0"), 0, 6)
    return np.asarray(pc.cast(texts, pa.int64()).to_numpy(zero_copy_only=False))


def _days(fields: dict[str, Ints]) -> tuple[Ints, Bools]:
    """Days since 1970 [R], and whether there is such a day."""
    year = fields.get("Y", fields.get("G"))
    if year is None:
        year = fields["y"] + np.where(fields["y"] < 69, 2000, 1900)  # as in POSIX
    if "V" in fields:
        return _days_of_iso_weeks(year, fields["V"], fields.get("u", fields.get("a")))
    if "W" in fields or "U" in fields:
        return _days_of_weeks(year, fields)
    if "j" in fields:
        days = _first_days(year) + fields["j"] - 1
        return days, (fields["j"] > 0) & (days < _first_days(year + 1))
    month = fields.get("m", fields.get("b"))
    if month is None:
        month = np.ones_like(year)
        if "q" in fields:
            month = fields["q"] * 3 - 2
        elif "J" in fields:
            month = fields["J"] * 6 - 5
    day = fields.get("d", np.ones_like(year))
    days, ends = _first_days(year, month) + day - 1, _first_days(year, month + 1)
    return days, (month > 0) & (month < 13) & (day > 0) & (days < ends)


def _days_of_iso_weeks(year: Ints, week: Ints, weekday: Ints | None) -> tuple[Ints, Bools]:
    def first_monday(of: Ints) -> Ints:
        fourth = _first_days(of) + 3  # the 4th of January is in week 1
        return fourth - (fourth + 3) % 7

    start = first_monday(year) + 7 * (week - 1)
    days = start if weekday is None else start + weekday - 1
    return days, (week > 0) & (start < first_monday(year + 1))


def _days_of_weeks(year: Ints, fields: dict[str, Ints]) -> tuple[Ints, Bools]:
    """Weeks counted from the first Monday (%W) or Sunday (%U) of the year."""
    sunday_first = int("U" in fields)
    week = fields["U" if sunday_first else "W"]
    first = _first_days(year)
    start = first - (first + 3 + sunday_first) % 7  # of the week of the 1st of January
    starts_with_year = start == first
    weekday = fields.get("u", fields.get("a", fields.get("w")))
    days = start + 7 * (week - starts_with_year)
    if weekday is not None:
        days = days + (weekday % 7 if sunday_first else (weekday + 6) % 7)
    return days, (week <= 53) & (days >= first) & (days < _first_days(year + 1))


def _first_days(year: Ints, month: Ints | None = None) -> Ints:
    """The first day [days since 1970] of years, or of their months."""
    months = (year - 1970) * 12 + (0 if month is None else month - 1)
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _clock(fields: dict[str, Ints]) -> tuple[Ints, Bools]:
    """Microseconds since midnight [R], and whether there is such a time."""
    zero = np.zeros_like(next(iter(fields.values())))
    minute, second, fraction = (fields.get(name, zero) for name in ("M", "S", "f"))
    hour = fields.get("H", zero)
    is_valid = (hour < 24) | ((hour == 24) & (minute == 0) & (second == 0) & (fraction == 0))
    if "K" in fields:
        hour, is_valid = fields["K"] - 1, (fields["K"] > 0) & (fields["K"] < 25)
    if "I" in fields:
        hour = fields["I"] % 12 + 12 * fields.get("p", zero)
        is_valid = (fields["I"] > 0) & (fields["I"] < 13)
    is_valid &= (minute < 60) & (second < 60)
    return hour * HOUR + minute * MINUTE + second * SECOND + fraction, is_valid
