"""The time format of a text column: parsing its timestamps, and writing timestamps in messages.

All cells of a column must have one format. Timestamps stay local, and their UTC offset, such as
``+02:00``, must be the same in all. They are parsed to UTC only where offsets may differ, and for
counts since 1970.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.time.frequency import DAY, MINUTE, SECOND
from rnnforecast.data.time.numeric_formats import (
    EPOCH_UNITS,
    NUMBER_PATTERN,
    NUMERIC_FORMATS,
    YearSteps,
    infer_year_steps,
    parse_numbers,
    unparsable_numbers,
)
from rnnforecast.data.time.patterns import check_pattern, parse_pattern, pattern_example
from rnnforecast.errors import DataError, Problem

ISO = "iso"
"""The format of ISO 8601: dates, or dates with hours, minutes, seconds and decimals of them."""
ISO_PATTERN = r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}(?::\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?)?"
_MIDNIGHT_PATTERN = r"[ T]24(?::00(?::00(?:\.0+)?)?)?$"  # 24:00, the end of a day
_ISO_CLOCKS = ("%H", "%H:%M", "%H:%M:%S", "%H:%M:%S.%f")
_ISO_PATTERNS = (
    "%Y-%m-%d",
    *(f"%Y-%m-%d{between}{clock}" for between in " T" for clock in _ISO_CLOCKS),
)
RANGE_MARKS = (" - ", " – ", " — ", " to ", " bis ", " / ", "/", "–", " -- ", " until ", " à ", "-")
"""What stands between the beginning and the end of a range of times."""

_OFFSET_PATTERN = re.compile(r"(?<=\d)( ?(?:Z|UTC|[+-]\d{2}:?\d{2}))$")
_GIVEN_OFFSET_PATTERN = re.compile(r" ?(?:Z|[+-]\d{2}:?\d{2})$")  # at the %z of a given format
# Hours alone ("+02") are an offset only after a time of day: "2024-01-05" ends in "-05", too.
_HOUR_OFFSET_PATTERN = re.compile(r"(?:(?<=:\d{2})|(?<=\.\d{3})|(?<=\.\d{6}))( ?[+-]\d{2})$")
# A timestamp with its own offset, in a syntax that both pandas and Arrow accept.
_MIXED_OFFSET_PATTERN = (
    r"^(?P<bare>.*:\d{2}(?:\.\d+)?) ?"
    r"(?:Z|UTC|(?P<sign>[+-])(?P<hours>0\d|1[0-5]):?(?P<minutes>[0-5]\d)?)$"
)
_ALLOWED_YEARS = (1800, 2200)


@dataclass(frozen=True)
class TimeFormat:
    """How the timestamps of a column are written."""

    pattern: str
    """`ISO`, one of `NUMERIC_FORMATS`, or a strptime pattern that may have the directives %q (a
    quarter), %J (a half-year) and %K (an hour from 1 to 24, of which 1 begins at 00:00)."""
    offset: str = ""
    """The offset after every timestamp, as written; empty if there is none."""
    has_mixed_offsets: bool = False
    """Whether offsets differ (`offset` is the most common) and timestamps are parsed to UTC."""
    range_mark: str = ""
    """What ends a timestamp where cells hold ranges of times; empty if they do not."""
    year_range: tuple[int, int] = _ALLOWED_YEARS
    """Years that counts since 1970 may lie in, the last one excluded."""
    year_steps: YearSteps = field(default_factory=YearSteps)
    """The steps of decimal years."""

    @property
    def is_numeric(self) -> bool:
        """Whether any number might be a time in this format."""
        return self.pattern in NUMERIC_FORMATS

    @property
    def parsed_offset(self) -> str:
        """The offset of parsed timestamps: "Z" if they are parsed to UTC, else `offset`."""
        return "Z" if self.has_mixed_offsets or self.pattern in EPOCH_UNITS else self.offset

    @property
    def setting(self) -> str:
        """The value of `data.time_format` that means this format."""
        return self.pattern + ("%z" if self.offset else "")

    def __str__(self) -> str:
        if self.pattern in EPOCH_UNITS:
            example = 1704067200 * EPOCH_UNITS[self.pattern]
            first, last = self.year_range
            return f"{self.pattern} such as {example}, of the years {first} to {last - 1}"
        known = {
            ISO: "2024-12-31 or 2024-12-31 23:00:00",
            "integer": "a whole number",
            "excel": "days since 1899-12-30 such as 45292.5",
            "decimal_year": "a year with decimals such as 2024.5, at steps of one length",
        }
        text = (
            known.get(self.pattern) or f"{self.pattern!r} such as {pattern_example(self.pattern)}"
        )
        text += " and an offset such as +02:00" if self.has_mixed_offsets else self.offset
        return text + (f", before {self.range_mark!r}" if self.range_mark else "")


def parse_time_format(time_format: str, samples: Sequence[str]) -> TimeFormat:
    """The format of a value of `data.time_format`; a final ``%z`` stands for the offsets that the
    samples have. Samples that are ranges of times are cut."""
    if time_format in NUMERIC_FORMATS:
        return with_year_steps(TimeFormat(time_format), samples)
    zone, bare, offsets = "", time_format, False
    if time_format.endswith("%z"):
        bare = time_format.removesuffix("%z").rstrip()
        beginnings = [text for sample in samples for text in (sample, *range_parts(sample)[:1])]
        ends = (_GIVEN_OFFSET_PATTERN.search(text.strip()) for text in beginnings)
        zones = Counter(end.group(0) for end in ends if end)
        zone, offsets = max(zones, key=lambda item: zones[item], default="%z"), len(zones) > 1
    elif time_format.endswith("Z") and not time_format.endswith("%Z"):
        zone, bare = "Z", time_format.removesuffix("Z").rstrip()
    if "%z" in bare or "%Z" in bare:
        cure = "put %z at the end of the format, and write offsets as +02:00 instead of names"
        found = f"{time_format!r} cannot be used"
        raise DataError(Problem("data.time_format", found, cure))
    try:
        check_pattern(bare)
    except ValueError as error:
        found = f"{time_format!r} cannot be used: {error}"
        cure = "write one date as for strptime, such as '%d.%m.%Y %H:%M'"
        raise DataError(Problem("data.time_format", found, cure)) from None
    return with_range_mark(TimeFormat(bare, offset=zone, has_mixed_offsets=offsets), samples)


def with_year_steps(time_format: TimeFormat, samples: Sequence[str]) -> TimeFormat:
    """The format with the steps that the samples have, if it is that of decimal years."""
    if time_format.pattern != "decimal_year":
        return time_format
    numbers = [text.strip().replace(",", ".") for text in samples]
    numbers = [text for text in numbers if re.fullmatch(NUMBER_PATTERN, text)]
    return replace(time_format, year_steps=infer_year_steps(np.array(numbers, dtype=np.float64)))


def with_clock(time_format: TimeFormat, clock: str) -> TimeFormat:
    """The format of dates followed by a space and a time of day in the pattern `clock`."""
    date = "%Y-%m-%d" if time_format.pattern == ISO else time_format.pattern
    return replace(time_format, pattern=f"{date} {clock}")


def with_range_mark(time_format: TimeFormat, samples: Sequence[str]) -> TimeFormat:
    """The format for ranges of times, of which the beginning is read, if most samples are ranges
    and none is a time itself."""
    if not samples or not unparsable_mask(samples, time_format).all():
        return time_format
    for mark in RANGE_MARKS:
        ends = [text.split(mark, 1)[1].strip() for text in samples if mark in text]
        if len(ends) <= len(samples) / 2:
            continue
        cut = replace(time_format, range_mark=mark)
        is_end = ~unparsable_mask(ends, time_format)
        is_end |= [bool(re.match(r"\d{1,2}:\d{2}|P", text)) for text in ends]
        if is_end.mean() > 0.5 and np.mean(unparsable_mask(samples, cut)) < 0.5:
            return cut
    return time_format


def range_parts(text: str) -> list[str]:
    """The beginning and the end of a range of times, split at the first mark; [] for no range."""
    mark = next((mark for mark in RANGE_MARKS if mark in text), "")
    return text.split(mark, 1) if mark else []


def offset_suffix(text: str) -> str:
    """The UTC offset at the end of a timestamp, as written ("+02:00", "Z", " UTC"), or ""."""
    found = _OFFSET_PATTERN.search(text) if ":" in text else None
    found = found or _HOUR_OFFSET_PATTERN.search(text)
    return found.group(1) if found else ""


def parse_timestamps(texts: pa.Array[Any], time_format: TimeFormat) -> np.ndarray:
    """Timestamps [R] of texts [R]: datetime64[us] at the offset `parsed_offset`, or int64.
    ValueError if any text is not in this format, see `unparsable_mask`."""
    texts = _cut_ranges(pc.utf8_trim_whitespace(texts), time_format)
    if time_format.has_mixed_offsets:
        bare, ahead = _split_offsets(texts)
        local_format = replace(time_format, offset="", has_mixed_offsets=False, range_mark="")
        return np.asarray(parse_timestamps(bare, local_format) - ahead)
    texts = _strip_fixed_offset(texts, time_format.offset)
    if time_format.is_numeric:
        years, steps = time_format.year_range, time_format.year_steps
        return parse_numbers(texts, time_format.pattern, years, steps)
    if time_format.pattern == ISO:
        return _parse_iso(texts)
    times = parse_pattern(texts, time_format.pattern)
    if np.isnat(times).any():
        raise ValueError("not every timestamp is in the format")
    return times


def unparsable_mask(texts: Sequence[str], time_format: TimeFormat) -> np.ndarray:
    """[R] whether each text is not in this format."""
    column = pc.utf8_trim_whitespace(pa.array(list(texts), pa.string()))
    column = strip_offsets(_cut_ranges(column, time_format), time_format)
    if time_format.is_numeric:
        years, steps = time_format.year_range, time_format.year_steps
        return unparsable_numbers(column, time_format.pattern, years, steps)
    if time_format.pattern != ISO:
        return np.isnat(parse_pattern(column, time_format.pattern))
    bad = ~_to_numpy(pc.match_substring_regex(column, f"^{ISO_PATTERN}$"))
    is_parsed = [~np.isnat(parse_pattern(column, pattern)) for pattern in _ISO_PATTERNS]
    return np.asarray(bad | ~np.any(is_parsed, axis=0))


def format_timestamp(timestamp: Any, timezone: str = "") -> str:
    """A timestamp in its shortest form: ``2024-01-06``, ``2024-01-06 13:30``, ``17``; "" for NaT.

    With a `timezone` the timestamp is UTC, and is written in local time with its offset.
    """
    if not isinstance(timestamp, np.datetime64):
        return str(timestamp)
    if np.isnat(timestamp):
        return ""
    if timezone:
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            microseconds=int(timestamp.astype("datetime64[us]").astype(np.int64))
        )
        local = instant.astimezone(ZoneInfo(timezone))
        bare = np.datetime64(local.replace(tzinfo=None), "us")
        clock = "" if " " in format_timestamp(bare) else " 00:00"
        return f"{format_timestamp(bare)}{clock}{local.isoformat()[-6:]}"
    ticks = int(timestamp.astype("datetime64[us]").astype(np.int64))
    shortest = ((DAY, "D"), (MINUTE, "m"), (SECOND, "s"), (1, "us"))
    unit = next(unit for size, unit in shortest if ticks % size == 0)
    return str(timestamp.astype(f"datetime64[{unit}]")).replace("T", " ")


def strip_offsets(texts: pa.Array[Any], time_format: TimeFormat) -> pa.Array[Any]:
    """The texts without their offset; "" where it is not an offset of the format."""
    if time_format.has_mixed_offsets:
        parts = pc.extract_regex(texts, _MIXED_OFFSET_PATTERN)
        return pc.coalesce(pc.struct_field(parts, "bare"), pa.scalar(""))
    offset = time_format.offset
    if not offset:
        return texts
    bare = pc.utf8_slice_codeunits(texts, 0, -len(offset))
    return pc.if_else(pc.ends_with(texts, pattern=offset), bare, pa.scalar(""))


def _cut_ranges(texts: pa.Array[Any], time_format: TimeFormat) -> pa.Array[Any]:
    """The beginnings of ranges of times; "" where a text is no range, as it should be."""
    mark = time_format.range_mark
    if not mark:
        return texts
    beginnings = pc.list_element(pc.split_pattern(texts, pattern=mark, max_splits=1), 0)
    is_range = pc.match_substring(texts, pattern=mark)
    return pc.if_else(is_range, pc.utf8_rtrim_whitespace(beginnings), pa.scalar(""))


def _split_offsets(texts: pa.Array[Any]) -> tuple[pa.Array[Any], np.ndarray]:
    """The texts [R] without their offsets, and the offsets [R], timedelta64[m]."""
    parts = pc.extract_regex(texts, _MIXED_OFFSET_PATTERN)
    if parts.null_count:
        raise ValueError("not every timestamp has an offset")
    signs, hours, minutes = (pc.struct_field(parts, name) for name in ("sign", "hours", "minutes"))
    ahead = 60 * _to_integers(hours) + _to_integers(minutes)
    ahead[_to_numpy(pc.equal(signs, "-"))] *= -1
    return pc.struct_field(parts, "bare"), ahead.astype("timedelta64[m]")


def _to_integers(texts: pa.Array[Any]) -> np.ndarray:
    return _to_numpy(pc.cast(pc.if_else(pc.equal(texts, ""), "0", texts), pa.int64())).copy()


def _parse_iso(texts: pa.Array[Any]) -> np.ndarray:
    """Timestamps [R] of texts in ISO 8601; ArrowInvalid if one is not."""
    try:
        return _to_numpy(pc.cast(texts, pa.timestamp("us")))
    except pa.ArrowInvalid:
        midnight = pc.match_substring_regex(texts, _MIDNIGHT_PATTERN)
        if pc.any(midnight).as_py():
            dates = pc.replace_substring_regex(texts, pattern=_MIDNIGHT_PATTERN, replacement="")
            times = _parse_iso(pc.if_else(midnight, dates, texts))
            return np.asarray(times + _to_numpy(midnight).astype("timedelta64[D]"))
        # Arrow parses seven to nine decimals of a second only as nanoseconds.
        nanoseconds = pc.cast(texts, pa.timestamp("ns"))
        return _to_numpy(pc.cast(nanoseconds, pa.timestamp("us"), safe=False))


def _strip_fixed_offset(texts: pa.Array[Any], offset: str) -> pa.Array[Any]:
    if not offset:
        return texts
    if not pc.all(pc.ends_with(texts, pattern=offset)).as_py():
        raise ValueError(f"not every timestamp ends in {offset!r}")
    return pc.utf8_slice_codeunits(texts, 0, -len(offset))


def _to_numpy(column: pa.Array[Any]) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False))
