"""The time format of a text column: parsing its timestamps, and writing timestamps in messages.

All cells of a column must have one format. Timestamps stay local, and their UTC offset, such as
``+02:00``, must be the same in all. They are parsed to UTC only where offsets may differ, and for
counts since 1970.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.data.time.frequency import DAY, MINUTE, SECOND
from rnnforecast.errors import DataError, Problem

ISO_PATTERN = r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}(?::\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?)?"
_OFFSET_PATTERN = re.compile(r"(?<=\d)( ?(?:Z|UTC|[+-]\d{2}:?\d{2}))$")
_GIVEN_OFFSET_PATTERN = re.compile(r" ?(?:Z|[+-]\d{2}:?\d{2})$")  # at the %z of a given format
# Hours alone ("+02") are an offset only after a time of day: "2024-01-05" ends in "-05", too.
_HOUR_OFFSET_PATTERN = re.compile(r"(?:(?<=:\d{2})|(?<=\.\d{3})|(?<=\.\d{6}))( ?[+-]\d{2})$")

EPOCH_PATTERN = (
    r"-?\d+(?:[.,]\d+)?(?:[eE]\+?\d+)?"  # exponents are what Arrow writes of large doubles
)
WEEK_PATTERN = r"(\d{4})-?W(\d{2})(?:-?([1-7]))?"
YEAR_QUARTER_PATTERN = r"(\d{4})[- ]?Q([1-4])"
QUARTER_YEAR_PATTERN = r"(?:Q([1-4])[- ]|([1-4])Q[- ]?)(\d{4})"
_QUARTER_FIRST_MONTH = {"1": "01", "2": "04", "3": "07", "4": "10"}
# A timestamp with its own offset, in a syntax that both pandas and Arrow accept.
_MIXED_OFFSET_PATTERN = (
    r"^(?P<bare>.*:\d{2}(?:\.\d+)?) ?"
    r"(?:Z|UTC|(?P<sign>[+-])(?P<hours>0\d|1[0-5]):?(?P<minutes>[0-5]\d)?)$"
)

EPOCH_UNITS = {"unix_s": 1, "unix_ms": 1000, "unix_us": 1_000_000, "unix_ns": 1_000_000_000}
"""Units of counts since 1970-01-01 UTC, and how many are a second."""
_ALLOWED_YEARS = (1800, 2200)


@dataclass(frozen=True)
class TimeFormat:
    """How the timestamps of a column are written."""

    kind: Literal["iso", "format", "quarter", "week", "integer", "open"]
    formats: tuple[str, ...] = ()
    """The strptime format for kind "format", the candidates for "open", one of `EPOCH_UNITS` for
    an "integer" that counts since 1970; else empty."""
    offset: str = ""
    """The offset after every timestamp, as written; empty if there is none."""
    has_mixed_offsets: bool = False
    """Whether offsets differ (`offset` is the most common) and timestamps are parsed to UTC."""
    year_range: tuple[int, int] = _ALLOWED_YEARS
    """Years that counts since 1970 may lie in, the last one excluded."""

    @property
    def parsed_offset(self) -> str:
        """The offset of parsed timestamps: "Z" if they are parsed to UTC, else `offset`."""
        is_utc = self.has_mixed_offsets or (self.kind == "integer" and self.formats)
        return "Z" if is_utc else self.offset

    def __str__(self) -> str:
        if self.kind == "integer" and self.formats:
            example = 1704067200 * EPOCH_UNITS[self.formats[0]]
            first, last = self.year_range
            return f"{self.formats[0]} such as {example}, of the years {first} to {last - 1}"
        known = {
            "iso": "2024-12-31 or 2024-12-31 23:00:00",
            "quarter": "2024-Q4",
            "week": "2024-W52 or 2024-W52-1",
            "integer": "a whole number",
        }
        text = known.get(self.kind) or " or ".join(repr(item) for item in self.formats)
        return text + (" and an offset such as +02:00" if self.has_mixed_offsets else self.offset)


def parse_time_format(time_format: str, samples: Sequence[str]) -> TimeFormat:
    """The format of a strptime pattern or one of `EPOCH_UNITS`; a final ``%z`` stands for the
    offsets that the samples have."""
    if time_format in EPOCH_UNITS:
        return TimeFormat("integer", (time_format,))
    where, zone, bare, offsets = "data.time_format", "", time_format, False
    if time_format.endswith("%z"):
        ends = (_GIVEN_OFFSET_PATTERN.search(text.strip()) for text in samples)
        zones = Counter(end.group(0) for end in ends if end)
        zone, offsets = max(zones, key=lambda item: zones[item], default="%z"), len(zones) > 1
        bare = time_format.removesuffix("%z").rstrip()
    elif time_format.endswith("Z") and not time_format.endswith("%Z"):
        zone, bare = "Z", time_format.removesuffix("Z").rstrip()
    if "%z" in bare or "%Z" in bare:
        cure = "put %z at the end of the format, and write offsets as +02:00 instead of names"
        raise DataError(Problem(where, f"{time_format!r} cannot be used", cure))
    try:
        count_parsable(["1"], bare)
    except ValueError as error:
        cure = "write it as for strptime, such as '%d.%m.%Y %H:%M'"
        raise DataError(Problem(where, f"{time_format!r} is not a format: {error}", cure)) from None
    return TimeFormat("format", (bare,), offset=zone, has_mixed_offsets=offsets)


def offset_suffix(text: str) -> str:
    """The UTC offset at the end of a timestamp, as written ("+02:00", "Z", " UTC"), or ""."""
    found = _OFFSET_PATTERN.search(text) if ":" in text else None
    found = found or _HOUR_OFFSET_PATTERN.search(text)
    return found.group(1) if found else ""


def parse_timestamps(texts: pa.Array[Any], time_format: TimeFormat) -> np.ndarray:
    """Timestamps [R] of texts [R]: datetime64[us] at the offset `parsed_offset`, or int64.
    ValueError if any text is not in this format, see `unparsable_mask`."""
    texts = pc.utf8_trim_whitespace(texts)
    if time_format.has_mixed_offsets:
        bare, ahead = _split_offsets(texts)
        local_format = replace(time_format, offset="", has_mixed_offsets=False)
        return np.asarray(parse_timestamps(bare, local_format) - ahead)
    texts = _strip_fixed_offset(texts, time_format.offset)
    if time_format.kind == "integer" and time_format.formats:
        return _parse_epoch(texts, time_format)
    if time_format.kind == "integer":
        return _to_numpy(pc.cast(texts, pa.int64()))
    if time_format.kind == "iso":
        return _to_numpy(_parse_iso(texts))
    parsed = _parse_with_pandas(texts.to_pandas(), time_format)
    if parsed.isna().any():
        raise ValueError("not every timestamp is in the format")
    return parsed.to_numpy(dtype="datetime64[us]")


def unparsable_mask(texts: Sequence[str], time_format: TimeFormat) -> np.ndarray:
    """[R] whether each text is not in this format."""
    column = pd.Series(list(texts), dtype=object).str.strip()
    column = strip_offsets(column, time_format)
    if time_format.kind == "integer" and time_format.formats:
        counts = column.where(column.str.fullmatch(EPOCH_PATTERN).astype(bool))
        numbers = pd.to_numeric(counts.str.replace(",", "."))
        return np.asarray(~numbers.between(*epoch_limits(time_format), inclusive="left"))
    if time_format.kind == "integer":
        return np.asarray(~column.str.fullmatch(r"[+-]?\d{1,18}").astype(bool))
    if time_format.kind == "iso":
        column = column.where(column.str.fullmatch(ISO_PATTERN).astype(bool), "")
    bad = np.ones(len(column), dtype=bool)
    for pattern in time_format.formats or ("",):
        reading = replace(time_format, formats=(pattern,))
        bad &= np.asarray(_parse_with_pandas(column, reading).isna())
    return bad


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


def count_parsable(texts: Sequence[str], pattern: str) -> int:
    """How many of the texts match a strptime pattern."""
    column = pd.Series(list(texts), dtype=object)
    return int(_parse_with_pandas(column, TimeFormat("format", (pattern,))).notna().sum())


def _parse_with_pandas(column: pd.Series[Any], time_format: TimeFormat) -> pd.Series[Any]:
    """Timestamps of texts, NaT where a text does not match the format."""
    if time_format.kind == "quarter":
        column = column.str.replace(f"^{QUARTER_YEAR_PATTERN}$", r"\3Q\1\2", regex=True)
        parts = column.str.extract(f"^{YEAR_QUARTER_PATTERN}$")
        column, pattern = parts[0] + "-" + parts[1].replace(_QUARTER_FIRST_MONTH), "%Y-%m"
    elif time_format.kind == "week":
        parts = column.str.extract(f"^{WEEK_PATTERN}$")
        column = parts[0] + "-W" + parts[1] + "-" + parts[2].fillna("1").where(parts[1].notna())
        pattern = "%G-W%V-%u"  # pandas knows which years have a week 53
    else:
        pattern = "ISO8601" if time_format.kind == "iso" else time_format.formats[0]
    # pandas parses "now" and "today", whatever the format
    column = column.where(column.str.contains(r"\d", na=False), None)
    return pd.to_datetime(column, format=pattern, errors="coerce")


def _parse_epoch(texts: pa.Array[Any], time_format: TimeFormat) -> np.ndarray:
    """UTC timestamps [us] of counts since 1970: whole nanoseconds are floored, decimal counts
    rounded."""
    if not pc.all(pc.match_substring_regex(texts, f"^{EPOCH_PATTERN}$")).as_py():
        raise ValueError("not every timestamp is a number")
    is_integer = not pc.any(pc.match_substring_regex(texts, "[.,eE]")).as_py()
    if not is_integer:
        texts = pc.replace_substring(texts, ",", ".")
    counts = _to_numpy(pc.cast(texts, pa.int64() if is_integer else pa.float64()))
    first, end = epoch_limits(time_format)
    if not ((counts >= first) & (counts < end)).all():
        raise ValueError("not every timestamp is in the years expected")
    unit = EPOCH_UNITS[time_format.formats[0]]
    if not is_integer:
        counts = np.rint(counts * (1_000_000 / unit)).astype(np.int64)
    elif unit <= 1_000_000:
        counts = counts * (1_000_000 // unit)
    else:
        counts = counts // (unit // 1_000_000)
    return counts.view("datetime64[us]")


def epoch_limits(time_format: TimeFormat) -> tuple[int, int]:
    """The first count since 1970 in the years of the format, and the first count after them."""
    first, end = (
        int(np.datetime64(str(year), "s").astype(np.int64)) * EPOCH_UNITS[time_format.formats[0]]
        for year in time_format.year_range
    )
    return first, end


def strip_offsets(column: pd.Series[Any], time_format: TimeFormat) -> pd.Series[Any]:
    """The texts without their offset; "" where it is not an offset of the format."""
    if time_format.has_mixed_offsets:
        return column.str.extract(_MIXED_OFFSET_PATTERN)["bare"].fillna("")
    right = column.str.endswith(time_format.offset).astype(bool)
    return column.str.removesuffix(time_format.offset).where(right, "")


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


def _parse_iso(texts: pa.Array[Any]) -> pa.Array[Any]:
    try:
        return pc.cast(texts, pa.timestamp("us"))
    except pa.ArrowInvalid:
        # Arrow parses seven to nine decimals of a second only as nanoseconds.
        return pc.cast(pc.cast(texts, pa.timestamp("ns")), pa.timestamp("us"), safe=False)


def _strip_fixed_offset(texts: pa.Array[Any], offset: str) -> pa.Array[Any]:
    if not offset:
        return texts
    if not pc.all(pc.ends_with(texts, pattern=offset)).as_py():
        raise ValueError(f"not every timestamp ends in {offset!r}")
    return pc.utf8_slice_codeunits(texts, 0, -len(offset))


def _to_numpy(column: pa.Array[Any]) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False))
