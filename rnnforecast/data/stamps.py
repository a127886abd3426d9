"""How the time column is written, and turning its text into stamps.

A column has one way of writing (`Form`), found from a sample by majority; every cell is then held
to it. Times stay local: an offset such as ``+02:00`` is checked to be the same everywhere and
kept aside, never applied.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from rnnforecast.errors import DataError, Problem

ISO = r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}(?::\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?)?"
_CLOCK = re.compile(r"([ T])(\d{1,2}:\d{2})(:\d{2})?(\.\d{1,6})?( ?[AaPp][Mm])?$")
_ZONE = re.compile(r"(?<=\d)( ?(?:Z|UTC|[+-]\d{2}:?\d{2}))$")
_OFFSET = re.compile(r" ?(?:Z|[+-]\d{2}:?\d{2})$")  # where a format says there is one
# An offset of hours alone ("+02") is only one after a clock: "2024-01-05" ends in "-05" as well.
_HOUR_ZONE = re.compile(r"(?:(?<=:\d{2})|(?<=\.\d{3})|(?<=\.\d{6}))( ?[+-]\d{2})$")

# Dates that can be read in one way only, then those where the file itself has to settle the order.
_CLEAR = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d.%m.%y", "%Y-%m", "%Y/%m", "%m/%Y"),
    *("%m-%Y", "%b %Y", "%B %Y", "%b-%Y", "%Y-%b", "%d %b %Y", "%d %B %Y", "%d-%b-%Y"),
    *("%d. %B %Y", "%b %d %Y", "%b %d, %Y", "%B %d, %Y", "%Y-%b-%d", "%b-%y", "%d-%b-%y"),
)
_OPEN = (
    ("%d/%m/%Y", "%m/%d/%Y"),
    ("%d-%m-%Y", "%m-%d-%Y"),
    ("%d/%m/%y", "%m/%d/%y", "%y/%m/%d"),
    ("%d-%m-%y", "%m-%d-%y", "%y-%m-%d"),
)
_DECIMAL = re.compile(r"[+-]?\d*[.,]?\d*(?:[eE][+-]?\d+)?")
_QUARTER = re.compile(r"(\d{4})[- ]?Q([1-4])")
_MONTHS = {"1": "01", "2": "04", "3": "07", "4": "10"}  # the first month of each quarter


@dataclass(frozen=True)
class Form:
    """One way of writing time."""

    kind: Literal["iso", "format", "quarter", "integer", "open"]
    formats: tuple[str, ...] = ()
    """strptime formats: one for kind "format", the readings still possible for "open"."""
    zone: str = ""
    """The offset after every stamp, as written; empty if there is none."""
    epoch: bool = False
    """The integers look like seconds (or finer) since 1970."""

    def __str__(self) -> str:
        text = {"iso": "2024-12-31 or 2024-12-31 23:00:00", "quarter": "2024-Q4"}.get(self.kind, "")
        if self.kind == "integer":
            return "a whole number"
        return (text or " or ".join(repr(item) for item in self.formats)) + self.zone


def given(time_format: str, samples: Sequence[str]) -> Form:
    """The form that a strptime format asks for; a last ``%z`` stands for the samples' offset."""
    where, zone, bare = "data.time_format", "", time_format
    if time_format.endswith("%z"):
        ends = (_OFFSET.search(text.strip()) for text in samples)
        zones = Counter(end.group(0) for end in ends if end)
        zone = max(zones, key=lambda item: zones[item]) if zones else "%z"
        bare = time_format.removesuffix("%z").rstrip()
    elif time_format.endswith("Z") and not time_format.endswith("%Z"):
        zone, bare = "Z", time_format.removesuffix("Z").rstrip()
    if "%z" in bare or "%Z" in bare:
        cure = "put %z at the end of the format, and write offsets as +02:00 instead of names"
        raise DataError(Problem(where, f"{time_format!r} cannot be used", cure))
    try:
        _fits(["1"], bare)
    except ValueError as error:
        cure = "write it as for strptime, such as '%d.%m.%Y %H:%M'"
        raise DataError(Problem(where, f"{time_format!r} is not a format: {error}", cure)) from None
    return Form("format", (bare,), zone=zone)


def zone_of(text: str) -> str:
    """The offset at the end of a stamp as written ("+02:00", "Z", " UTC"), or ""."""
    found = (_ZONE.search(text) if ":" in text else None) or _HOUR_ZONE.search(text)
    return found.group(1) if found else ""


def recognise(samples: Sequence[str]) -> Form | None:
    """How most of the samples are written; None if less than half of them agree on any form.

    The kind is "open" where day and month could change places: `settle` has to look further.
    """
    texts = list(dict.fromkeys(text.strip() for text in samples if text.strip()))
    if not texts:
        return None
    enough = len(texts) / 2
    zones = Counter(map(zone_of, texts))
    zone = max(zones, key=lambda item: zones[item])
    bare = [text.removesuffix(zone) if zone else text for text in texts]
    numbers = [text for text in bare if re.fullmatch(r"[+-]?\d{1,18}", text)]
    if len(numbers) > enough and not zone:
        return _whole_numbers(numbers)
    if sum(bool(_DECIMAL.fullmatch(text)) for text in bare) > enough:
        return None
    if sum(bool(re.fullmatch(ISO, text)) for text in bare) > enough:
        return Form("iso", zone=zone)
    if sum(bool(_QUARTER.fullmatch(text)) for text in bare) > enough:
        return Form("quarter")
    form = _strptime_form(bare)
    return replace(form, zone=zone) if form else None


def settle(form: Form, texts: Sequence[str]) -> Form:
    """An open form narrowed to the readings that fit most of the texts, if one fits best."""
    texts = list(dict.fromkeys(text.strip().removesuffix(form.zone) for text in texts))
    counts = {item: _fits(texts, item) for item in form.formats}
    best = tuple(item for item in form.formats if counts[item] == max(counts.values()))
    return replace(form, kind="format" if len(best) == 1 else "open", formats=best)


def parse(texts: pa.Array[Any], form: Form) -> np.ndarray:
    """Times [R] of texts [R]: datetime64[us], local to the offset, or int64; ValueError if any
    text is not written in this form (`unreadable` says which)."""
    texts = _without_zone(pc.utf8_trim_whitespace(texts), form.zone)
    if form.kind == "integer":
        return _numpy(pc.cast(texts, pa.int64()))
    if form.kind == "iso":
        return _numpy(_iso(texts))
    parsed = _slowly(texts.to_pandas(), form)
    if parsed.isna().any():
        raise ValueError("not every stamp is written alike")
    return parsed.to_numpy(dtype="datetime64[us]")


def unreadable(texts: Sequence[str], form: Form) -> np.ndarray:
    """Which of the texts [R] are not written in this form: bool [R]."""
    column = pd.Series(list(texts), dtype=object).str.strip()
    if form.zone:
        right = column.str.endswith(form.zone).astype(bool)
        column = column.str.removesuffix(form.zone).where(right, "")
    if form.kind == "integer":
        return np.asarray(~column.str.fullmatch(r"[+-]?\d{1,18}").astype(bool))
    if form.kind == "iso":
        column = column.where(column.str.fullmatch(ISO).astype(bool), "")
    bad = np.ones(len(column), dtype=bool)
    for pattern in form.formats or ("",):
        reading = replace(form, formats=(pattern,))
        bad &= np.asarray(_slowly(column, reading).isna())
    return bad


def _whole_numbers(texts: list[str]) -> Form:
    """20240131 and 202401 are dates if all of them can be; other whole numbers count steps."""
    lengths = {len(text) for text in texts}
    plausible = all("1800" <= text[:4] <= "2200" for text in texts)
    for length, pattern in ((8, "%Y%m%d"), (6, "%Y%m"), (10, "%Y%m%d%H"), (14, "%Y%m%d%H%M%S")):
        if plausible and lengths == {length} and _fits(texts, pattern) > len(texts) / 2:
            return Form("format", (pattern,))
    return Form("integer", epoch=min(lengths) >= 9)


def _strptime_form(texts: list[str]) -> Form | None:
    clock = _clock_format(texts[len(texts) // 2])
    enough = len(texts) / 2
    # A few cells rule out most formats before all of them are tried.
    likely = [item + clock for item in _CLEAR if _fits(texts[:9], item + clock)]
    counts = {item: _fits(texts, item) for item in likely}
    if (most := max(counts.values(), default=0)) > enough:
        # Not the first that fits most: May is an abbreviation as well as a whole name.
        return Form("format", (next(item for item in likely if counts[item] == most),))
    for readings in _OPEN:
        form = settle(Form("open", tuple(item + clock for item in readings)), texts)
        if _fits(texts, form.formats[0]) > enough:
            return form
    return None


def _clock_format(text: str) -> str:
    found = _CLOCK.search(text)
    if not found:
        return ""
    between, _, seconds, fraction, half = found.groups()
    hours = "%I:%M" if half else "%H:%M"
    end = (" %p" if half.startswith(" ") else "%p") if half else ""
    return between + hours + (":%S" if seconds else "") + (".%f" if fraction else "") + end


def _fits(texts: Sequence[str], pattern: str) -> int:
    parsed = _slowly(pd.Series(list(texts), dtype=object), Form("format", (pattern,)))
    return int(parsed.notna().sum())


def _slowly(column: pd.Series[Any], form: Form) -> pd.Series[Any]:
    """Parsed by pandas, which is strict about the format and knows 30 February from 1 March; NaT
    where a text does not fit."""
    if form.kind == "quarter":
        parts = column.str.extract(f"^{_QUARTER.pattern}$")
        column, pattern = parts[0] + "-" + parts[1].replace(_MONTHS), "%Y-%m"
    else:
        pattern = "ISO8601" if form.kind == "iso" else form.formats[0]
    # pandas takes "now" and "today" for stamps, whatever the format
    column = column.where(column.str.contains(r"\d", na=False), None)
    return pd.to_datetime(column, format=pattern, errors="coerce")


def _iso(texts: pa.Array[Any]) -> pa.Array[Any]:
    try:
        return pc.cast(texts, pa.timestamp("us"))
    except pa.ArrowInvalid:
        # Seven to nine decimals of a second are only read at a resolution of nanoseconds.
        return pc.cast(pc.cast(texts, pa.timestamp("ns")), pa.timestamp("us"), safe=False)


def _without_zone(texts: pa.Array[Any], zone: str) -> pa.Array[Any]:
    if not zone:
        return texts
    if not pc.all(pc.ends_with(texts, pattern=zone)).as_py():
        raise ValueError(f"not every stamp ends in {zone!r}")
    return pc.utf8_slice_codeunits(texts, 0, -len(zone))


def _numpy(column: pa.Array[Any]) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False))
