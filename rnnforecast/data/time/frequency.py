"""Frequency arithmetic: every timestamp as the ordinal of a period plus a phase.

A :class:`Frequency` maps timestamps to *ordinals* (the number of the period; the next step is
``+ 1``) and a *phase* (the offset inside the period: the minute past the hour, the day of the
month, the month of the quarter). A series is on the grid when all its rows have one phase.
``timestamps(ordinals, phase)`` is the exact inverse. All of it is vectorized.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnforecast.types import Ints, Timestamps

SECOND = 1_000_000
MINUTE, HOUR, DAY, WEEK = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND, 7 * 86_400 * SECOND
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

_FIXED_UNITS = {"W": WEEK, "D": DAY, "h": HOUR, "min": MINUTE, "s": SECOND, "ms": 1000, "us": 1}
_MONTH_UNITS: dict[str, tuple[int, Literal["start", "end"]]] = {
    "MS": (1, "start"), "ME": (1, "end"), "QS": (3, "start"), "QE": (3, "end"),
    "YS": (12, "start"), "YE": (12, "end"),
}  # fmt: skip
_DEFAULT_ANCHORS = {"W": "SUN", "QS": "JAN", "QE": "DEC", "YS": "JAN", "YE": "DEC"}
_LEGACY_ALIASES = {
    "H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "d": "D", "b": "B", "w": "W",
    "M": "ME", "Q": "QE", "A": "YE", "Y": "YE", "AS": "YS",
}  # fmt: skip
_KNOWN_UNITS = (*_FIXED_UNITS, "B", *_MONTH_UNITS, "mo")

# Longer than a month: one number holds the unit (month, business day) inside the period and the
# signed offset inside the unit.
_PHASE_UNIT = 64 * DAY


@dataclass(frozen=True)
class Frequency:
    """The step from one row to the next, with calendar arithmetic."""

    alias: str
    """Pandas' alias (``h``, ``15min``, ``B``, ``W-SAT``, ``QE-DEC``), ``1mo`` for the same day of
    every month, or a whole number for an integer index."""
    kind: Literal["fixed", "business", "month", "integer"]
    step: int
    """Microseconds (fixed), business days, months, or units of an integer index."""
    anchor: Literal["start", "end", "day"] = "start"
    """Whether days of a month count from its last ("end") or its first day; "day" is the same day
    of every month."""

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
        return (units - ordinals * self.step) * _PHASE_UNIT + ticks - self._unit_start(units)

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
        if self.kind == "month" and self.anchor != "end":
            last = month_start(units + 1) - month_start(units) - DAY
            rest = np.minimum(rest // DAY * DAY, last) + rest % DAY
        return (self._unit_start(units) + rest).view("datetime64[us]")

    def season_lengths(self) -> tuple[int, ...]:
        """Candidate season lengths [steps], the likeliest first; may be empty."""
        if self.kind == "integer":
            return ()
        if self.kind == "business":
            cycles: tuple[int, ...] = (5,)
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
        return self.kind in ("business", "month") or (self.kind == "fixed" and self.step % DAY == 0)

    def approximate_length(self) -> int:
        """The approximate length of a step [microseconds, or units], to compare frequencies."""
        unit = {"fixed": 1, "integer": 1, "business": DAY + 1, "month": 30 * DAY}[self.kind]
        return self.step * unit

    def _unit_numbers(self, ticks: Ints) -> Ints:
        """The number of the month or business day of each timestamp; other kinds: the timestamp."""
        if self.kind == "month":
            return ticks.view("datetime64[us]").astype("datetime64[M]").astype(np.int64)
        if self.kind == "business":
            # Counted from Monday 1970-01-05. A weekend belongs to the Monday after it, with a
            # negative phase, which no business day has.
            week, day = np.divmod(ticks // DAY - 4, 7)
            return np.asarray(week * 5 + np.minimum(day, 5), dtype=np.int64)
        return ticks

    def _unit_start(self, units: Ints) -> Ints:
        """The start of each unit [microseconds]."""
        if self.kind == "business":
            week, day = np.divmod(units, 5)
            return np.asarray((week * 7 + day + 4) * DAY, dtype=np.int64)
        if self.anchor == "end":
            return month_start(units + 1) - DAY
        return month_start(units)


def parse_frequency(alias: str) -> Frequency:
    """The frequency of a pandas alias, of ``1mo`` (same day every month) or of a whole number.

    Legacy aliases (``H``, ``T``, ``M``, ``Q``, ``A``) become today's: ``Q`` is ``QE-DEC``. Raises
    ValueError with the nearest alias for an unknown one.
    """
    text = alias.strip()
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
        return Frequency(name, "business", count)
    if unit in _MONTH_UNITS:
        months, anchor = _MONTH_UNITS[unit]
        return Frequency(name, "month", months * count, anchor)
    return Frequency(name, "fixed", _FIXED_UNITS[unit] * count)


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
        f"'{alias}' is not a frequency{hint}; known are s, 15min, h, D, B, W-SUN, MS, ME, QS, QE, "
        "YS, YE, 1mo (the same day every month), or a whole number where time is a whole number"
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


def month_numbers(time: Timestamps) -> Ints:
    """Months since January 1970."""
    return time.astype("datetime64[M]").astype(np.int64)


def month_start(months: Ints) -> Ints:
    """The first instant of months since January 1970 [microseconds]."""
    starts = np.asarray(months, dtype=np.int64).view("datetime64[M]")
    return starts.astype("datetime64[us]").view(np.int64)
