"""Frequency arithmetic: every timestamp as the ordinal of a period plus a phase.

A :class:`Frequency` maps timestamps to *ordinals* (the number of the period; the next step is
``+ 1``) and a *phase* (the offset inside the period: the minute past the hour, the day of the
month, the month of the quarter). A series is on the grid when all its rows have one phase. Closed
days and times of day (kind ``calendar``) are no periods: the step after Friday is Monday.
``timestamps(ordinals, phase)`` is the exact inverse. All of it is vectorized.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnforecast.data.time.week_calendar import DAY_NAMES, WeekCalendar, parse_week_calendar
from rnnforecast.types import Bools, Ints, Timestamps

SECOND = 1_000_000
MINUTE, HOUR, DAY, WEEK = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND, 7 * 86_400 * SECOND
WEEKDAYS = tuple(name.upper() for name in DAY_NAMES)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

_FIXED_UNITS = {"W": WEEK, "D": DAY, "h": HOUR, "min": MINUTE, "s": SECOND, "ms": 1000, "us": 1}
Anchor = Literal["start", "end", "day", "business_start", "business_end"]
_MONTH_UNITS: dict[str, tuple[int, Anchor]] = {
    "MS": (1, "start"), "ME": (1, "end"), "QS": (3, "start"), "QE": (3, "end"),
    "YS": (12, "start"), "YE": (12, "end"),
    "BMS": (1, "business_start"), "BME": (1, "business_end"),
    "BQS": (3, "business_start"), "BQE": (3, "business_end"),
    "BYS": (12, "business_start"), "BYE": (12, "business_end"),
}  # fmt: skip
_DEFAULT_ANCHORS = {
    "W": "SUN", "QS": "JAN", "QE": "DEC", "YS": "JAN", "YE": "DEC",
    "BQS": "JAN", "BQE": "DEC", "BYS": "JAN", "BYE": "DEC",
}  # fmt: skip
_LEGACY_ALIASES = {
    "H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "d": "D", "b": "B", "w": "W",
    "M": "ME", "Q": "QE", "A": "YE", "Y": "YE", "AS": "YS",
    "BM": "BME", "BQ": "BQE", "BA": "BYE", "BY": "BYE", "BAS": "BYS",
}  # fmt: skip
_KNOWN_UNITS = (*_FIXED_UNITS, "B", *_MONTH_UNITS, "mo")
BUSINESS_DAYS = WeekCalendar(DAY, (0, 1, 2, 3, 4))

# Longer than a month: one number holds the unit (month, open step) inside the period and the
# signed offset inside the unit.
_PHASE_UNIT = 64 * DAY


@dataclass(frozen=True)
class Frequency:
    """The step from one row to the next, with calendar arithmetic."""

    alias: str
    """Pandas' alias (``h``, ``15min``, ``B``, ``W-SAT``, ``QE-DEC``), ``1mo`` for the same day of
    every month, ``C:Mon-Sat`` or ``h:08-18`` with closed days or times of day, or a whole number
    for an integer index."""
    kind: Literal["fixed", "calendar", "month", "integer"]
    step: int
    """Microseconds (fixed), open steps of `calendar`, months, or units of an integer index."""
    anchor: Anchor = "start"
    """Whether days of a month count from its last ("end") or its first day, or from its last or
    first weekday (Monday to Friday); "day" is the same day of every month."""
    calendar: WeekCalendar | None = None
    """The open steps; None where all are."""

    def ordinals(self, time: Timestamps) -> Ints:
        """[...] the number of the period of each timestamp [...]; the next period is ``+ 1``."""
        return self._unit_numbers(to_ticks(time)) // self.step

    def phase(self, time: Timestamps, ordinals: Ints) -> Ints:
        """[...] the offset of each timestamp [...] inside its period.

        It is the same for all rows of a series on the grid, except that days 29 to 31 are clipped
        in shorter months.
        """
        ticks = to_ticks(time)
        if self.kind in ("fixed", "integer"):
            return ticks - ordinals * self.step
        units = self._unit_numbers(ticks)
        return (units - ordinals * self.step) * _PHASE_UNIT + ticks - self.unit_start(units)

    def timestamps(self, ordinals: Ints, phase: Ints) -> Timestamps:
        """The timestamps of periods: datetime64[us], or int64 for an integer index.

        The arguments broadcast; ``timestamps(ordinals(t), phase(t, ordinals(t))) == t``.
        """
        if self.kind == "integer":
            return ordinals * self.step + phase
        if self.kind == "fixed":
            return (ordinals * self.step + phase).view("datetime64[us]")
        inside = (phase + _PHASE_UNIT // 2) // _PHASE_UNIT
        rest = phase - inside * _PHASE_UNIT
        units = ordinals * self.step + inside
        if self.kind == "month" and self.anchor in ("start", "day"):
            last = month_start(units + 1) - month_start(units) - DAY
            rest = np.minimum(rest // DAY * DAY, last) + rest % DAY
        return (self.unit_start(units) + rest).view("datetime64[us]")

    def unit_start(self, units: Ints) -> Ints:
        """The day of each month that its days count from, or the start of each open step
        [microseconds]."""
        if self.calendar is not None:
            return self.calendar.starts(units)
        if self.anchor == "end":
            return month_start(units + 1) - DAY
        if self.anchor == "business_end":
            last = month_start(units + 1) - DAY
            return np.asarray(last - np.maximum(weekdays(last) - 4, 0) * DAY)
        first = month_start(units)
        if self.anchor == "business_start":
            return np.asarray(first + np.where(weekdays(first) > 4, 7 - weekdays(first), 0) * DAY)
        return first

    def season_lengths(self) -> tuple[int, ...]:
        """Candidate season lengths [steps], the likeliest first; may be empty."""
        if self.kind == "integer":
            return ()
        if self.calendar is not None:
            cycles: tuple[int, ...] = self.calendar.cycle_lengths()
        elif self.kind == "month":
            cycles = (12,)
        elif self.step < MINUTE:
            cycles = (MINUTE, HOUR)
        elif self.step < 5 * MINUTE:
            cycles = (HOUR, DAY)
        elif self.step < DAY:
            cycles = (DAY, WEEK)
        elif self.step < WEEK:
            cycles = (WEEK, 365 * DAY)
        else:
            cycles = (52 * WEEK,)
        lengths = (cycle // self.step for cycle in cycles if cycle % self.step == 0)
        return tuple(length for length in lengths if length > 1)

    @property
    def is_daily_or_coarser(self) -> bool:
        """Whether a step is a day or longer, so that timestamps may be written as dates."""
        unit = self.calendar.unit if self.calendar else self.step
        return self.kind == "month" or (self.kind != "integer" and unit % DAY == 0)

    @property
    def is_local(self) -> bool:
        """Whether steps follow local time: they are days or longer, or have closed hours."""
        return self.is_daily_or_coarser or self.calendar is not None

    @property
    def is_month_end(self) -> bool:
        """Whether periods are labeled by the last day, or weekday, of a month."""
        return self.kind == "month" and self.anchor in ("end", "business_end")

    @property
    def base_alias(self) -> str:
        """The alias of the same step without closed days or times."""
        return fixed_alias(self.calendar.unit * self.step) if self.calendar else self.alias

    def closed_mask(self, time: Timestamps) -> Bools:
        """[...] whether timestamps [...] lie in a closed step."""
        if self.calendar is None:
            return np.zeros(time.shape, dtype=np.bool_)
        return self.calendar.closed_mask(to_ticks(time))

    def approximate_length(self) -> int:
        """The approximate length of a step [microseconds, or units], to compare frequencies."""
        if self.calendar is not None:
            return self.step * (self.calendar.unit + 1)
        return self.step * (30 * DAY if self.kind == "month" else 1)

    def _unit_numbers(self, ticks: Ints) -> Ints:
        """The number of the month or open step of each timestamp; other kinds: the timestamp.

        A closed step belongs to the open one after it, with a negative phase, which no open step
        has.
        """
        if self.kind == "month":
            return ticks.view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        return ticks if self.calendar is None else self.calendar.numbers(ticks)


def parse_frequency(alias: str) -> Frequency:
    """The frequency of a pandas alias, of ``1mo`` (same day every month), of ``C:Mon-Sat`` or
    ``h:08-18`` (closed days or times of day), or of a whole number.

    Legacy aliases (``H``, ``T``, ``M``, ``Q``, ``A``) become today's: ``Q`` is ``QE-DEC``. Raises
    ValueError with the nearest alias for an unknown one.
    """
    text = alias.strip()
    if ":" in text:
        return _parse_calendar_frequency(text)
    found = re.fullmatch(r"(\d*)([A-Za-z]*)(?:-([A-Za-z]{3}))?", text)
    if not text or found is None:
        raise _unknown_alias_error(alias)
    count, unit, suffix = int(found[1] or 1), found[2], (found[3] or "").upper()
    unit = _LEGACY_ALIASES.get(unit, unit)
    if count == 0 or (not unit and suffix) or (unit and unit not in _KNOWN_UNITS):
        raise _unknown_alias_error(alias)
    if not unit:
        return Frequency(str(count), "integer", count)
    allowed = WEEKDAYS if unit == "W" else MONTHS if unit in _DEFAULT_ANCHORS else ()
    if suffix and suffix not in allowed:
        raise _unknown_alias_error(alias)
    tail = f"-{suffix or _DEFAULT_ANCHORS[unit]}" if unit in _DEFAULT_ANCHORS else ""
    if unit == "mo":
        return Frequency(f"{count}mo", "month", count, "day")
    name = f"{count if count > 1 else ''}{unit}{tail}"
    if unit == "B":
        return calendar_frequency(BUSINESS_DAYS, count)
    if unit in _MONTH_UNITS:
        months, anchor = _MONTH_UNITS[unit]
        return Frequency(name, "month", months * count, anchor)
    return Frequency(name, "fixed", _FIXED_UNITS[unit] * count)


def calendar_frequency(calendar: WeekCalendar, step: int = 1) -> Frequency:
    """The frequency of every `step`-th open step; a plain one if nothing is closed."""
    if len(calendar.open_slots) == calendar.slots_per_week:
        return Frequency(fixed_alias(calendar.unit * step), "fixed", calendar.unit * step)
    count = str(step) if step > 1 else ""
    if calendar == BUSINESS_DAYS:
        return Frequency(f"{count}B", "calendar", step, calendar=calendar)
    unit = f"{count}C" if calendar.unit == DAY else fixed_alias(calendar.unit)
    alias = f"{unit}:{calendar.describe_days()}"
    return Frequency(alias, "calendar", step, calendar=calendar)


def _parse_calendar_frequency(text: str) -> Frequency:
    """The frequency of an alias such as ``C:Mon-Sat`` or ``30min:Mon-Fri:09:30-16:00``."""
    head, _, rest = text.partition(":")
    found = re.fullmatch(r"(\d*)([A-Za-z]+)", head.strip())
    unit = _LEGACY_ALIASES.get(found[2], found[2]) if found else ""
    unit = {"C": "D", "c": "D"}.get(unit, unit)
    try:
        if found is None or unit not in _FIXED_UNITS or unit == "W" or found[1] in ("0", "00"):
            raise ValueError(f"'{head}' is no step with closed days or times")
        count = int(found[1] or 1)
        is_daily = unit == "D"
        calendar = parse_week_calendar(_FIXED_UNITS[unit] * (1 if is_daily else count), rest)
    except ValueError as error:
        raise ValueError(
            f"'{text}' is not a frequency: {error}; open days are written as C:Mon-Sat or"
            " C:Mon-Wed,Fri, open hours as h:08-18 or 30min:Mon-Fri:09:30-16:00 (the first and the"
            " last row of a day), different ones as h:Mon-Fri:08-18;Sat:09-13"
        ) from None
    return calendar_frequency(calendar, count if is_daily else 1)


def _unknown_alias_error(alias: str) -> ValueError:
    anchored = [f"W-{day}" for day in WEEKDAYS]
    anchored += [f"{unit}-{month}" for unit in ("QS", "QE", "YS", "YE") for month in MONTHS]
    # Words are the likeliest mistake; difflib would not find their aliases.
    words = {"hour": "h", "dail": "D", "day": "D", "week": "W-SUN", "month": "MS", "quarter": "QS",
             "year": "YS", "annual": "YS", "sec": "s", "busi": "B", "mth": "MS"}  # fmt: skip
    unit = alias.strip().lstrip("0123456789")
    near = [known for word, known in words.items() if unit.lower().startswith(word)]
    near += difflib.get_close_matches(unit, [*_KNOWN_UNITS, *anchored], n=1, cutoff=0.5)
    hint = f"; the nearest is '{near[0]}'" if near else ""
    return ValueError(
        f"'{alias}' is not a frequency{hint}; known are s, 15min, h, D, B, W-SUN, MS, ME, BME, QS, "
        "QE, YS, YE, 1mo (the same day every month), C:Mon-Sat or h:08-18 (open days or hours), or "
        "a whole number where time is a whole number"
    )


def fixed_alias(step: int, weekday: str = "SUN") -> str:
    """Pandas' alias of a step [microseconds], in the largest unit that divides it."""
    units = ((WEEK, "W"), (DAY, "D"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (1000, "ms"),
             (1, "us"))  # fmt: skip
    size, unit = next(entry for entry in units if step % entry[0] == 0)
    count = step // size
    return f"{count if count > 1 else ''}{unit}" + (f"-{weekday}" if unit == "W" else "")


def to_ticks(time: Timestamps) -> Ints:
    """Timestamps as int64: microseconds since 1970, or the integer index."""
    array = np.asarray(time)
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]", copy=False).view(np.int64)
    return array.astype(np.int64, copy=False)


def weekdays(ticks: Ints) -> Ints:
    """[...] the day of the week of times [microseconds, ...]: Monday 0 to Sunday 6."""
    return np.asarray((ticks // DAY + 3) % 7)


def month_numbers(time: Timestamps) -> Ints:
    """Months since January 1970."""
    return time.astype("datetime64[M]").astype(np.int64)


def month_start(months: Ints) -> Ints:
    """The first instant of months since January 1970 [microseconds]."""
    starts = np.asarray(months, dtype=np.int64).view("datetime64[M]")
    return starts.astype("datetime64[us]").view(np.int64)
