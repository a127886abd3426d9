"""Inference of the time format of a text column: the format of most cells of a sample."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from rnnforecast.data.time.format import (
    EPOCH_PATTERN,
    EPOCH_UNITS,
    ISO_PATTERN,
    QUARTER_YEAR_PATTERN,
    WEEK_PATTERN,
    YEAR_QUARTER_PATTERN,
    TimeFormat,
    count_parsable,
    epoch_limits,
    offset_suffix,
    strip_offsets,
)

_CLOCK_PATTERN = re.compile(r"([ T])(\d{1,2}:\d{2})(:\d{2})?(\.\d{1,6})?( ?[AaPp][Mm])?$")
# In the ambiguous formats, only other cells of the column tell day from month.
_UNAMBIGUOUS_DATE_FORMATS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d.%m.%y", "%Y-%m", "%Y/%m", "%m/%Y"),
    *("%m-%Y", "%b %Y", "%B %Y", "%b-%Y", "%Y-%b", "%d %b %Y", "%d %B %Y", "%d-%b-%Y"),
    *("%d. %B %Y", "%b %d %Y", "%b %d, %Y", "%B %d, %Y", "%Y-%b-%d", "%b-%y", "%d-%b-%y"),
)
_AMBIGUOUS_DATE_FORMATS = (
    ("%d/%m/%Y", "%m/%d/%Y"),
    ("%d-%m-%Y", "%m-%d-%Y"),
    ("%d/%m/%y", "%m/%d/%y", "%y/%m/%d"),
    ("%d-%m-%y", "%m-%d-%y", "%y-%m-%d"),
)
_COMPACT_DATE_FORMATS = {
    6: "%Y%m",
    8: "%Y%m%d",
    10: "%Y%m%d%H",
    12: "%Y%m%d%H%M",
    14: "%Y%m%d%H%M%S",
}
_DECIMAL_PATTERN = r"[+-]?\d*[.,]?\d*(?:[eE][+-]?\d+)?"
_PLAUSIBLE_YEARS = (1990, 2100)
"""Years of numbers that are parsed as counts since 1970, the last one excluded."""
_MAX_CHANCE_SHARE = 0.1
"""Of seconds since 1970 hardly more can be read as %Y%m%d%H, and only from 2033 on."""


def infer_time_format(samples: Sequence[str]) -> TimeFormat | None:
    """The format of most samples; None if half of them or fewer agree on one.

    The kind is "open" where several formats match the samples, see `disambiguate`.
    """
    texts = list(dict.fromkeys(text.strip() for text in samples if text.strip()))
    if not texts:
        return None
    ends = [offset_suffix(text) for text in texts]
    zones = Counter(ends)
    zone = max(zones, key=lambda item: zones[item])
    bare = [text.removesuffix(end) for text, end in zip(texts, ends, strict=True)]
    offsets = bool(zone) and len(zones.keys() - {""}) > 1
    if not zone and (time_format := _infer_numeric_format(texts)):
        return time_format

    def most_match(pattern: str) -> bool:
        return sum(bool(re.fullmatch(pattern, text)) for text in bare) > len(texts) / 2

    if most_match(_DECIMAL_PATTERN):
        return None
    if most_match(ISO_PATTERN):
        return TimeFormat("iso", offset=zone, has_mixed_offsets=offsets)
    if most_match(f"{YEAR_QUARTER_PATTERN}|{QUARTER_YEAR_PATTERN}"):
        return TimeFormat("quarter")
    if most_match(WEEK_PATTERN):
        return TimeFormat("week")
    time_format = _infer_strptime_format(bare)
    return replace(time_format, offset=zone, has_mixed_offsets=offsets) if time_format else None


def disambiguate(time_format: TimeFormat, texts: Sequence[str]) -> TimeFormat:
    """An open format narrowed to the candidates that match the largest number of texts."""
    if time_format.formats[-1] in EPOCH_UNITS:
        return time_format  # dates written as numbers can be counts since 1970, too
    column = pd.Series(list(dict.fromkeys(texts)), dtype=object).str.strip()
    texts = strip_offsets(column, time_format).tolist()
    counts = {item: count_parsable(texts, item) for item in time_format.formats}
    best = tuple(item for item in time_format.formats if counts[item] == max(counts.values()))
    return replace(time_format, kind="format" if len(best) == 1 else "open", formats=best)


def _infer_numeric_format(texts: list[str]) -> TimeFormat | None:
    """The format of most texts if they are numbers: 20240131 and 202401 are dates, 1704067200 and
    1704067200.5 count since 1970, other whole numbers count steps. Else None."""
    enough = len(texts) / 2
    numbers = [text for text in texts if re.fullmatch(EPOCH_PATTERN, text)]
    for length, pattern in _COMPACT_DATE_FORMATS.items():
        digits = [text for text in numbers if len(text) == length and text.isdecimal()]
        likely = [text for text in digits if "1800" <= text[:4] <= "2200"]
        if len(likely) > enough and count_parsable(likely, pattern) > enough:
            return TimeFormat("format", (pattern,))
    values = [float(text.replace(",", ".")) for text in numbers]
    for unit in EPOCH_UNITS:
        time_format = TimeFormat("integer", (unit,), year_range=_PLAUSIBLE_YEARS)
        first, end = epoch_limits(time_format)
        if sum(first <= value < end for value in values) > enough:
            hours = [text for text in numbers if len(text) == 10 and "1990" <= text < "2100"]
            # More dates than by chance, but not a majority: the column is ambiguous.
            dates = count_parsable(hours, "%Y%m%d%H") if unit == "unix_s" else 0
            if dates > _MAX_CHANCE_SHARE * len(texts):
                return TimeFormat("open", ("%Y%m%d%H", unit))
            return time_format
    integers = sum(bool(re.fullmatch(r"[+-]?\d{1,18}", text)) for text in texts)
    return TimeFormat("integer") if integers > enough else None


def _infer_strptime_format(texts: list[str]) -> TimeFormat | None:
    clock = _clock_format(texts[len(texts) // 2])
    enough = len(texts) / 2
    # Nine cells rule out most formats cheaply.
    likely = [
        item + clock
        for item in _UNAMBIGUOUS_DATE_FORMATS
        if count_parsable(texts[:9], item + clock)
    ]
    counts = {item: count_parsable(texts, item) for item in likely}
    if (most := max(counts.values(), default=0)) > enough:
        # Not the first format with a majority: "May" matches %b as well as %B.
        return TimeFormat("format", (next(item for item in likely if counts[item] == most),))
    for readings in _AMBIGUOUS_DATE_FORMATS:
        time_format = disambiguate(
            TimeFormat("open", tuple(item + clock for item in readings)), texts
        )
        if count_parsable(texts, time_format.formats[0]) > enough:
            return time_format
    return None


def _clock_format(text: str) -> str:
    found = _CLOCK_PATTERN.search(text)
    if not found:
        return ""
    between, _, seconds, fraction, half = found.groups()
    hours = "%I:%M" if half else "%H:%M"
    end = (" %p" if half.startswith(" ") else "%p") if half else ""
    return between + hours + (":%S" if seconds else "") + (".%f" if fraction else "") + end
