"""Parts of a time in columns of their own: year, month, day, quarter, week, hour or time of day."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from rnnforecast.data.time.names import MONTH_NUMBERS

_NAMES = {
    "Y": "year yr yyyy jahr année annee an año ano anio anno jaar rok år",
    "m": "month mon mm mo mth monat mois mes mese maand period",
    "d": "day dd tag jour dia día giorno dag daymonth mday",
    "q": "quarter qtr q quartal trimestre trim kwartaal period",
    "V": "week wk kw woche semaine semana settimana weekyear period",
    "j": "doy yday dayyear julian julianday",
    "H": "hour hr hh stunde heure hora ora uur hourday hourbeginning hb hourending he",
    "M": "minute minutes minuten mi min",
}
_KINDS_OF_NAME: dict[str, list[str]] = {}
for _kind, _names in _NAMES.items():
    for _name in _names.split():
        _KINDS_OF_NAME.setdefault(_name, []).append(_kind)
_FILLERS = {"of", "number", "num", "no", "nr", "id", "the", "calendar", "name", "iso", "in"}
_LIMITS = {"Y": (1500, 2300), "m": (1, 12), "d": (1, 31), "q": (1, 4), "V": (1, 53),
           "j": (1, 366), "H": (0, 24), "M": (0, 59)}  # fmt: skip
_MARKED = {  # the number with a mark before it
    "m": re.compile(r"(?P<mark>M)(?P<number>\d{1,2})", re.IGNORECASE),
    "q": re.compile(r"(?P<mark>(?:Q|Qtr|Quarter|T)\.?\s?)(?P<number>[1-4])", re.IGNORECASE),
    "V": re.compile(r"(?P<mark>(?:W|Wk|Week|KW)\.?\s?)(?P<number>\d{1,2})", re.IGNORECASE),
    "H": re.compile(r"(?P<mark>HE?\s?)(?P<number>\d{1,2})", re.IGNORECASE),
}
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2}):\d{2}(?P<second>:\d{2})?(?P<fraction>\.\d+)?(?P<half>\s?[AaPp][Mm])?"
    r"(?:\s*(?:-|–|—|to|bis)\s*\d{1,2}:\d{2}(?::\d{2})?(?:\s?[AaPp][Mm])?)?"
)
_COMPACT_CLOCK = re.compile(r"(?:[01]\d|2[0-4])[0-5]\d")
_UNPADDED_CLOCK = re.compile(r"(?:1?\d|2[0-3])?[0-5]?\d|2400")  # 5, 105 and 1305
_CLOCK_NAMES = ("time", "clock", "hhmm", "hour", "uhrzeit", "zeit", "heure", "hora", "tijd")
# Combinations of the parts of a date, the finest first.
_DATE_PARTS = ("Ymd", "Yj", "YV", "Ym", "Yq")
_MIN_WEEKDAYS = 5
_MIN_SHARE = 0.9  # of the cells of a part; the others are reported when the file is read


@dataclass(frozen=True)
class TimePart:
    """A column that holds a part of the time."""

    column: str
    kind: str
    """The directive of the part: Y, m, d, q, V, j, H or M; K for hours from 1 to 24; "clock" for a
    time of day."""
    pattern: str
    """How its cells are written, such as %m, %b or Q%q."""


def find_time_part(column: str, cells: pd.Series[str]) -> TimePart | None:
    """The part of a time that a column holds, by its name and nearly all of its cells."""
    texts = [text for text in cells if text]
    if not texts:
        return None
    if clock := _clock_pattern(texts, column):
        return TimePart(column, "clock", clock)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower()
    words = [word for word in re.findall(r"[^\W\d_]+", spaced) if word not in _FILLERS]
    for kind in _KINDS_OF_NAME.get("".join(words), ()):
        if pattern := _part_pattern(kind, texts, is_marked_only=words == ["period"]):
            if kind == "H":
                return _hour_part(column, texts, pattern)
            return TimePart(column, kind, pattern)
    return None


def combine_date_parts(head: pd.DataFrame, parts: list[TimePart]) -> list[TimePart]:
    """The columns that make a date: the year, and the finest parts of it; [] without a year, or
    with the year alone. Of two columns of one part the first is taken."""
    known = {part.kind: part for part in reversed(parts)}
    if "d" in known and _counts_weekdays(head, known):
        del known["d"]
    if "V" in known and "m" in known and _numbers(head[known["V"].column]).max() <= 6:
        del known["V"]  # the week of the month
    for kinds in _DATE_PARTS:
        if all(kind in known for kind in kinds):
            return [known[kind] for kind in kinds]
    return []


def combine_clock_parts(parts: list[TimePart]) -> list[TimePart]:
    """The columns that make a time of day: one of its own, or the hour, with the minute if any; []
    if there is none or several."""
    clocks = [part for part in parts if part.kind == "clock"]
    hours = [part for part in parts if part.kind in "HK"]
    if clocks or len(hours) != 1:
        return clocks if len(clocks) == 1 else []
    return [*hours, *[part for part in parts if part.kind == "M"][:1]]


def _part_pattern(kind: str, texts: list[str], *, is_marked_only: bool) -> str:
    """How nearly all texts write a part; "" if they do not.

    With `is_marked_only`, numbers must have marks such as M or Q before them.
    """
    numbers, low, high = [re.sub(r"\.0+$", "", text) for text in texts], *_LIMITS[kind]
    if not is_marked_only:
        digits = [int(text) for text in numbers if re.fullmatch(r"\d{1,4}", text)]
        if sum(low <= number <= high for number in digits) >= _MIN_SHARE * len(texts):
            return f"%{kind}"
    names = [text for text in texts if text.lower().rstrip(".") in MONTH_NUMBERS]
    if kind == "m" and len(names) >= _MIN_SHARE * len(texts):
        return "%b"
    if kind in _MARKED:
        found = [_MARKED[kind].fullmatch(text) for text in texts]
        marks = Counter(match["mark"] for match in found if match)
        mark, count = marks.most_common(1)[0] if marks else ("", 0)
        if count >= _MIN_SHARE * len(texts):
            return f"{mark}%{kind}"
    return ""


def _hour_part(column: str, texts: list[str], pattern: str) -> TimePart:
    """Hours from 1 to 24 end at their number; those from 0 to 23 begin at it."""
    hours = {int(number[0]) for text in texts if (number := re.search(r"\d+", text))}
    kind = "K" if 24 in hours and 0 not in hours else "H"
    return TimePart(column, kind, pattern.replace("%H", f"%{kind}"))


def _clock_pattern(texts: list[str], column: str) -> str:
    if column.lower() in _CLOCK_NAMES and all(_COMPACT_CLOCK.fullmatch(text) for text in texts):
        return "%H%M"
    found = [match for text in texts if (match := _CLOCK.fullmatch(text))]
    if len(found) < _MIN_SHARE * len(texts):
        return ""
    half = found[0]["half"] or ""
    clock = "%I:%M" if half else "%H:%M"
    clock += ":%S" if found[0]["second"] else ""
    clock += ".%f" if found[0]["fraction"] else ""
    return clock + (f"{' ' * half[0].isspace()}%p" if half else "")


def lacks_leading_zeros(column: str, cells: pd.Series[str]) -> bool:
    """Whether a column named like a time of day holds hours and minutes of one to four digits."""
    texts = {text for text in cells if text}
    is_clock = all(_UNPADDED_CLOCK.fullmatch(text) for text in texts)
    lengths = {len(text) for text in texts}
    is_hours = all(len(text) < 3 for text in texts)
    return column.lower() in _CLOCK_NAMES and is_clock and len(lengths) > 1 and not is_hours


def _counts_weekdays(head: pd.DataFrame, known: dict[str, TimePart]) -> bool:
    """Whether a column named day counts the days of the week: there are rows of several months, but
    none after their seventh day."""
    days = _numbers(head[known["d"].column])
    months = head[[known[kind].column for kind in "Ym" if kind in known]].drop_duplicates()
    return len(months) > 1 and days.max() <= 7 and days.nunique() >= _MIN_WEEKDAYS


def _numbers(cells: pd.Series[str]) -> pd.Series[float]:
    return pd.to_numeric(cells.str.extract(r"(\d+)")[0], errors="coerce").dropna()
