"""How the time column is written, and turning its text into stamps.

A column has one way of writing (`Form`), found from a sample by majority; every cell is then held
to it. Times stay local: an offset such as ``+02:00`` is checked to be the same everywhere and
kept aside, not applied. Only where offsets may differ, and for counts since 1970, are they instants
of UTC.
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
_CLOCK_PATTERN = re.compile(r"([ T])(\d{1,2}:\d{2})(:\d{2})?(\.\d{1,6})?( ?[AaPp][Mm])?$")
_OFFSET_PATTERN = re.compile(r"(?<=\d)( ?(?:Z|UTC|[+-]\d{2}:?\d{2}))$")
_GIVEN_OFFSET_PATTERN = re.compile(r" ?(?:Z|[+-]\d{2}:?\d{2})$")  # where a format says there is one
# An offset of hours alone ("+02") is only one after a clock: "2024-01-05" ends in "-05" as well.
_HOUR_OFFSET_PATTERN = re.compile(r"(?:(?<=:\d{2})|(?<=\.\d{3})|(?<=\.\d{6}))( ?[+-]\d{2})$")

# Dates that can be read in one way only, then those where the file itself has to settle the order.
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
_DECIMAL_PATTERN = re.compile(r"[+-]?\d*[.,]?\d*(?:[eE][+-]?\d+)?")
_EPOCH_PATTERN = (
    r"-?\d+(?:[.,]\d+)?(?:[eE]\+?\d+)?"  # exponents are what Arrow writes of large doubles
)
_WEEK_PATTERN = r"(\d{4})-?W(\d{2})(?:-?([1-7]))?"
_YEAR_QUARTER_PATTERN = r"(\d{4})[- ]?Q([1-4])"
_QUARTER_YEAR_PATTERN = r"(?:Q([1-4])[- ]|([1-4])Q[- ]?)(\d{4})"
_QUARTER_FIRST_MONTH = {
    "1": "01",
    "2": "04",
    "3": "07",
    "4": "10",
}  # the first month of each quarter
# A stamp of which each has an offset of its own; both regex engines in use understand it.
_MIXED_OFFSET_PATTERN = (
    r"^(?P<bare>.*:\d{2}(?:\.\d+)?) ?"
    r"(?:Z|UTC|(?P<sign>[+-])(?P<hours>0\d|1[0-5]):?(?P<minutes>[0-5]\d)?)$"
)

EPOCH_UNITS = {"unix_s": 1, "unix_ms": 1000, "unix_us": 1_000_000, "unix_ns": 1_000_000_000}
"""Counts since 1970-01-01 UTC, as `given` takes them, and how many of them are a second."""
_ALLOWED_YEARS = (1800, 2200)
_PLAUSIBLE_YEARS = (1990, 2100)  # where counts since 1970 that nobody told of have to be
_MAX_CHANCE_SHARE = (
    0.1  # of seconds since 1970 hardly more can be read as %Y%m%d%H, and from 2033 on
)


@dataclass(frozen=True)
class TimeFormat:
    """One way of writing time."""

    kind: Literal["iso", "format", "quarter", "week", "integer", "open"]
    formats: tuple[str, ...] = ()
    """One strptime format for kind "format", the readings still possible for "open", and one of
    `UNITS` for an "integer" that counts since 1970."""
    offset: str = ""
    """The offset after every stamp, as written; empty if there is none."""
    has_mixed_offsets: bool = False
    """Each stamp has its own offset; `zone` is only the commonest. Times are instants of UTC."""
    year_range: tuple[int, int] = _ALLOWED_YEARS
    """Where counts since 1970 must lie, the last year excluded."""

    @property
    def parsed_offset(self) -> str:
        """The offset that parsed times have: "Z" for instants, else `zone`."""
        return (
            "Z"
            if self.has_mixed_offsets or (self.kind == "integer" and self.formats)
            else self.offset
        )

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
    """The form that a strptime format or one of `UNITS` asks for; a last ``%z`` stands for the
    samples' offset, or offsets."""
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
        _count_parsable(["1"], bare)
    except ValueError as error:
        cure = "write it as for strptime, such as '%d.%m.%Y %H:%M'"
        raise DataError(Problem(where, f"{time_format!r} is not a format: {error}", cure)) from None
    return TimeFormat("format", (bare,), offset=zone, has_mixed_offsets=offsets)


def offset_suffix(text: str) -> str:
    """The offset at the end of a stamp as written ("+02:00", "Z", " UTC"), or ""."""
    found = (_OFFSET_PATTERN.search(text) if ":" in text else None) or _HOUR_OFFSET_PATTERN.search(
        text
    )
    return found.group(1) if found else ""


def infer_time_format(samples: Sequence[str]) -> TimeFormat | None:
    """How most of the samples are written; None if less than half of them agree on any form.

    The kind is "open" where day and month could change places: `settle` has to look further.
    """
    texts = list(dict.fromkeys(text.strip() for text in samples if text.strip()))
    if not texts:
        return None
    enough = len(texts) / 2
    ends = [offset_suffix(text) for text in texts]
    zones = Counter(ends)
    zone = max(zones, key=lambda item: zones[item])
    bare = [text.removesuffix(end) for text, end in zip(texts, ends, strict=True)]
    offsets = bool(zone) and len(zones.keys() - {""}) > 1
    if not zone and (form := _infer_numeric_format(texts)):
        return form
    if sum(bool(_DECIMAL_PATTERN.fullmatch(text)) for text in bare) > enough:
        return None
    if sum(bool(re.fullmatch(ISO_PATTERN, text)) for text in bare) > enough:
        return TimeFormat("iso", offset=zone, has_mixed_offsets=offsets)
    if (
        sum(
            bool(re.fullmatch(f"{_YEAR_QUARTER_PATTERN}|{_QUARTER_YEAR_PATTERN}", text))
            for text in bare
        )
        > enough
    ):
        return TimeFormat("quarter")
    if sum(bool(re.fullmatch(_WEEK_PATTERN, text)) for text in bare) > enough:
        return TimeFormat("week")
    form = _infer_strptime_format(bare)
    return replace(form, offset=zone, has_mixed_offsets=offsets) if form else None


def disambiguate(time_format: TimeFormat, texts: Sequence[str]) -> TimeFormat:
    """An open form narrowed to the readings that fit most of the texts, if one fits best."""
    if time_format.formats[-1] in EPOCH_UNITS:
        return time_format  # every such date is a count since 1970 as well
    column = pd.Series(list(dict.fromkeys(texts)), dtype=object).str.strip()
    texts = _strip_offsets(column, time_format).tolist()
    counts = {item: _count_parsable(texts, item) for item in time_format.formats}
    best = tuple(item for item in time_format.formats if counts[item] == max(counts.values()))
    return replace(time_format, kind="format" if len(best) == 1 else "open", formats=best)


def parse_timestamps(texts: pa.Array[Any], time_format: TimeFormat) -> np.ndarray:
    """Times [R] of texts [R]: datetime64[us], local to `form.timezone`, or int64; ValueError if
    any text is not written in this form (`unreadable` says which)."""
    texts = pc.utf8_trim_whitespace(texts)
    if time_format.has_mixed_offsets:
        bare, ahead = _split_offsets(texts)
        return np.asarray(
            parse_timestamps(bare, replace(time_format, offset="", has_mixed_offsets=False)) - ahead
        )
    texts = _strip_fixed_offset(texts, time_format.offset)
    if time_format.kind == "integer":
        return (
            _parse_epoch(texts, time_format)
            if time_format.formats
            else _to_numpy(pc.cast(texts, pa.int64()))
        )
    if time_format.kind == "iso":
        return _to_numpy(_parse_iso(texts))
    parsed = _parse_with_pandas(texts.to_pandas(), time_format)
    if parsed.isna().any():
        raise ValueError("not every stamp is written alike")
    return parsed.to_numpy(dtype="datetime64[us]")


def unparsable_mask(texts: Sequence[str], time_format: TimeFormat) -> np.ndarray:
    """Which of the texts [R] are not written in this form: bool [R]."""
    column = pd.Series(list(texts), dtype=object).str.strip()
    column = _strip_offsets(column, time_format)
    if time_format.kind == "integer" and time_format.formats:
        counts = column.where(column.str.fullmatch(_EPOCH_PATTERN).astype(bool)).str.replace(
            ",", "."
        )
        return np.asarray(
            ~pd.to_numeric(counts).between(*_epoch_limits(time_format), inclusive="left")
        )
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
    """A timestamp in its shortest form: ``2024-01-06``, ``2024-01-06 13:30``, ``17``.

    With a `timezone` it is an instant of UTC, written in local time with its offset.
    """
    if not isinstance(timestamp, np.datetime64):
        return str(timestamp)
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


def _infer_numeric_format(texts: list[str]) -> TimeFormat | None:
    """20240131 and 202401 are dates, 1704067200 and 1704067200.5 count since 1970 and other whole
    numbers count steps, as most of the texts have it; None if most are no such numbers."""
    enough = len(texts) / 2
    numbers = [text for text in texts if re.fullmatch(_EPOCH_PATTERN, text)]
    for length, pattern in _COMPACT_DATE_FORMATS.items():
        digits = [text for text in numbers if len(text) == length and text.isdecimal()]
        dates = [text for text in digits if "1800" <= text[:4] <= "2200"]
        if len(dates) > enough and _count_parsable(dates, pattern) > enough:
            return TimeFormat("format", (pattern,))
    values = [float(text.replace(",", ".")) for text in numbers]
    for unit in EPOCH_UNITS:
        form = TimeFormat("integer", (unit,), year_range=_PLAUSIBLE_YEARS)
        first, end = _epoch_limits(form)
        if sum(first <= value < end for value in values) > enough:
            hours = [text for text in numbers if len(text) == 10 and "1990" <= text < "2100"]
            # Too many dates for chance, too few for a column of dates: two ways of writing.
            both = unit == "unix_s" and _count_parsable(
                hours, _COMPACT_DATE_FORMATS[10]
            ) > _MAX_CHANCE_SHARE * len(texts)
            return TimeFormat("open", (_COMPACT_DATE_FORMATS[10], unit)) if both else form
    whole = sum(bool(re.fullmatch(r"[+-]?\d{1,18}", text)) for text in texts)
    return TimeFormat("integer") if whole > enough else None


def _infer_strptime_format(texts: list[str]) -> TimeFormat | None:
    clock = _clock_format(texts[len(texts) // 2])
    enough = len(texts) / 2
    # A few cells rule out most formats before all of them are tried.
    likely = [
        item + clock
        for item in _UNAMBIGUOUS_DATE_FORMATS
        if _count_parsable(texts[:9], item + clock)
    ]
    counts = {item: _count_parsable(texts, item) for item in likely}
    if (most := max(counts.values(), default=0)) > enough:
        # Not the first that fits most: May is an abbreviation as well as a whole name.
        return TimeFormat("format", (next(item for item in likely if counts[item] == most),))
    for readings in _AMBIGUOUS_DATE_FORMATS:
        form = disambiguate(TimeFormat("open", tuple(item + clock for item in readings)), texts)
        if _count_parsable(texts, form.formats[0]) > enough:
            return form
    return None


def _clock_format(text: str) -> str:
    found = _CLOCK_PATTERN.search(text)
    if not found:
        return ""
    between, _, seconds, fraction, half = found.groups()
    hours = "%I:%M" if half else "%H:%M"
    end = (" %p" if half.startswith(" ") else "%p") if half else ""
    return between + hours + (":%S" if seconds else "") + (".%f" if fraction else "") + end


def _count_parsable(texts: Sequence[str], pattern: str) -> int:
    parsed = _parse_with_pandas(
        pd.Series(list(texts), dtype=object), TimeFormat("format", (pattern,))
    )
    return int(parsed.notna().sum())


def _parse_with_pandas(column: pd.Series[Any], time_format: TimeFormat) -> pd.Series[Any]:
    """Parsed by pandas, which is strict about the format and knows 30 February from 1 March; NaT
    where a text does not fit."""
    if time_format.kind == "quarter":
        column = column.str.replace(f"^{_QUARTER_YEAR_PATTERN}$", r"\3Q\1\2", regex=True)
        parts = column.str.extract(f"^{_YEAR_QUARTER_PATTERN}$")
        column, pattern = parts[0] + "-" + parts[1].replace(_QUARTER_FIRST_MONTH), "%Y-%m"
    elif time_format.kind == "week":
        parts = column.str.extract(f"^{_WEEK_PATTERN}$")
        column = parts[0] + "-W" + parts[1] + "-" + parts[2].fillna("1").where(parts[1].notna())
        pattern = "%G-W%V-%u"  # pandas knows which years have a week 53
    else:
        pattern = "ISO8601" if time_format.kind == "iso" else time_format.formats[0]
    # pandas takes "now" and "today" for stamps, whatever the format
    column = column.where(column.str.contains(r"\d", na=False), None)
    return pd.to_datetime(column, format=pattern, errors="coerce")


def _parse_epoch(texts: pa.Array[Any], time_format: TimeFormat) -> np.ndarray:
    """Instants of whole or decimal counts since 1970; what is finer than a microsecond is cut from
    whole ones and rounded in decimal ones."""
    if not pc.all(pc.match_substring_regex(texts, f"^{_EPOCH_PATTERN}$")).as_py():
        raise ValueError("not every stamp is a number")
    whole = not pc.any(pc.match_substring_regex(texts, "[.,eE]")).as_py()
    if not whole:
        texts = pc.replace_substring(texts, ",", ".")
    counts = _to_numpy(pc.cast(texts, pa.int64() if whole else pa.float64()))
    first, end = _epoch_limits(time_format)
    if not ((counts >= first) & (counts < end)).all():
        raise ValueError("not every stamp is in the years expected")
    unit = EPOCH_UNITS[time_format.formats[0]]
    if not whole:
        counts = np.rint(counts * (1_000_000 / unit)).astype(np.int64)
    else:
        counts = (
            counts * (1_000_000 // unit) if unit <= 1_000_000 else counts // (unit // 1_000_000)
        )
    return counts.view("datetime64[us]")


def _epoch_limits(time_format: TimeFormat) -> tuple[int, int]:
    """The first count since 1970 that is in the years of the form, and the first one after."""
    first, end = (
        int(np.datetime64(str(year), "s").astype(np.int64)) * EPOCH_UNITS[time_format.formats[0]]
        for year in time_format.year_range
    )
    return first, end


def _strip_offsets(column: pd.Series[Any], time_format: TimeFormat) -> pd.Series[Any]:
    """The texts without their offset; empty where one has none, or not the one of the form."""
    if time_format.has_mixed_offsets:
        return column.str.extract(_MIXED_OFFSET_PATTERN)["bare"].fillna("")
    right = column.str.endswith(time_format.offset).astype(bool)
    return column.str.removesuffix(time_format.offset).where(right, "")


def _split_offsets(texts: pa.Array[Any]) -> tuple[pa.Array[Any], np.ndarray]:
    """The texts [R] without their offsets, and these: timedelta64[m]."""
    parts = pc.extract_regex(texts, _MIXED_OFFSET_PATTERN)
    if parts.null_count:
        raise ValueError("not every stamp has an offset")
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
        # Seven to nine decimals of a second are only read at a resolution of nanoseconds.
        return pc.cast(pc.cast(texts, pa.timestamp("ns")), pa.timestamp("us"), safe=False)


def _strip_fixed_offset(texts: pa.Array[Any], offset: str) -> pa.Array[Any]:
    if not offset:
        return texts
    if not pc.all(pc.ends_with(texts, pattern=offset)).as_py():
        raise ValueError(f"not every stamp ends in {offset!r}")
    return pc.utf8_slice_codeunits(texts, 0, -len(offset))


def _to_numpy(column: pa.Array[Any]) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False))
