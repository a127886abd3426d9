"""Week calendar: the open steps of a week, such as Mondays to Saturdays, or trading hours.

Closed steps (days of the week or times of day that never have a row) are no steps of a frequency:
the step after Saturday is Monday. Aliases are ``C:Mon-Sat`` for days, ``h:08-18`` or
``30min:Mon-Fri:09:30-16:00`` for times of day, from the first to the last row of a day, both
included, and ``h:Mon-Fri:08-18;Sat:09-13`` if days differ.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnforecast.types import Bools, Ints

_MINUTE = 60_000_000
_HOUR, _DAY = 60 * _MINUTE, 1440 * _MINUTE
_WEEK = 7 * _DAY
_FIRST_MONDAY = 4 * _DAY  # 1970-01-05
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
FULL_DAY_NAMES = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
_SEGMENT = re.compile(r"([A-Za-z][A-Za-z,\-]*)?(?:^|:|$)([\d:,\-]*)")


@dataclass(frozen=True)
class WeekCalendar:
    """The open steps of a week. Steps are counted from Monday 1970-01-05, closed ones left out."""

    unit: int
    """Microseconds of a step; it divides a day."""
    open_slots: tuple[int, ...]
    """Ascending numbers of the open steps, 0 for the one that begins on Monday at midnight."""

    @property
    def slots_per_day(self) -> int:
        """Steps of a day, open or closed."""
        return _DAY // self.unit

    @property
    def slots_per_week(self) -> int:
        """Steps of a week, open or closed."""
        return _WEEK // self.unit

    def numbers(self, ticks: Ints) -> Ints:
        """[...] the number of the open step at each time [microseconds, ...]; for a closed one that
        of the next open step."""
        week, slot = self._slots(ticks)
        return np.asarray(week * len(self.open_slots) + self._open_before[slot])

    def numbers_at_or_before(self, ticks: Ints) -> Ints:
        """[...] as `numbers`, but for a closed step that of the last open one before."""
        week, slot = self._slots(ticks)
        return np.asarray(week * len(self.open_slots) + self._open_before[slot + 1] - 1)

    def starts(self, numbers: Ints) -> Ints:
        """[...] the start of open steps [microseconds] by their `numbers` [...]."""
        week, rank = np.divmod(numbers, len(self.open_slots))
        slot = np.array(self.open_slots, dtype=np.int64)[rank]
        return np.asarray(week * _WEEK + slot * self.unit + _FIRST_MONDAY, dtype=np.int64)

    def closed_mask(self, ticks: Ints) -> Bools:
        """[...] whether times [microseconds, ...] lie in a closed step."""
        slot = self._slots(ticks)[1]
        return np.asarray(self._open_before[slot + 1] == self._open_before[slot])

    def cycle_lengths(self) -> tuple[int, ...]:
        """Open steps of a day, if all open days have the same and several, and of a week."""
        per_day = {len(times) for times in self._open_times() if times}
        daily = tuple(per_day) if len(per_day) == 1 and per_day != {1} else ()
        return tuple(dict.fromkeys((*daily, len(self.open_slots))))

    def closed_days(self) -> tuple[str, ...]:
        """Names of the days of the week without an open step."""
        days = zip(FULL_DAY_NAMES, self._open_times(), strict=True)
        return tuple(name for name, times in days if not times)

    def describe_days(self) -> str:
        """The open days and times as in an alias, without the unit: ``Mon-Fri:08-18``."""
        days = self._open_times()
        parts = []
        for times in dict.fromkeys(times for times in days if times):
            own = [day for day in range(7) if days[day] == times]
            names = "" if len(own) == 7 else _day_ranges(own)
            clock = "" if len(times) == self.slots_per_day else self._time_ranges(times)
            parts.append(":".join(part for part in (names, clock) if part))
        return ";".join(parts)

    def slot_names(self, numbers: Iterable[int]) -> tuple[str, ...]:
        """Names of the open steps with these numbers: the day of the week, or the time of day."""
        slots = [self.open_slots[number % len(self.open_slots)] for number in numbers]
        if self.unit == _DAY:
            return tuple(DAY_NAMES[slot] for slot in slots)
        return tuple(self._clock(slot % self.slots_per_day) for slot in slots)

    @cached_property
    def _open_before(self) -> Ints:
        """[slots of a week + 1] the number of open steps before each slot of the week."""
        is_open = np.zeros(self.slots_per_week, dtype=np.int64)
        is_open[list(self.open_slots)] = 1
        return np.asarray(np.r_[0, np.cumsum(is_open)], dtype=np.int64)

    def _slots(self, ticks: Ints) -> tuple[Ints, Ints]:
        """The week of each time [microseconds] and the slot in it."""
        week, slot = np.divmod(ticks // self.unit - _FIRST_MONDAY // self.unit, self.slots_per_week)
        return week, slot

    def _open_times(self) -> list[tuple[int, ...]]:
        """[7] the open slots of each day, counted from its midnight."""
        days: list[list[int]] = [[] for _ in range(7)]
        for slot in self.open_slots:
            days[slot // self.slots_per_day].append(slot % self.slots_per_day)
        return [tuple(times) for times in days]

    def _time_ranges(self, times: Sequence[int]) -> str:
        ranges = (tuple(dict.fromkeys((a, b))) for a, b in _runs(times))
        return ",".join("-".join(map(self._clock, ends)) for ends in ranges)

    def _clock(self, slot: int) -> str:
        hours, rest = divmod(slot * self.unit, _HOUR)
        if self.unit % _HOUR == 0:
            return f"{hours:02d}"
        minutes, rest = divmod(rest, _MINUTE)
        return f"{hours:02d}:{minutes:02d}" + (f":{rest // 1_000_000:02d}" if rest else "")


def parse_week_calendar(unit: int, text: str) -> WeekCalendar:
    """The calendar of steps of `unit` microseconds whose `describe_days` is `text`.

    A time of day is the step that contains it; ranges may pass midnight or Sunday. ValueError for
    anything else.
    """
    per_day = _DAY // unit
    if _DAY % unit or unit < 1_000_000:
        raise ValueError("steps with closed times must divide a day and last at least a second")
    slots: set[int] = set()
    for segment in text.replace(" ", "").split(";"):
        found = _SEGMENT.fullmatch(segment)
        if not segment or found is None or (found[2] and unit == _DAY):
            raise ValueError(f"'{segment}' is neither days nor times of day")
        days = _parse_days(found[1]) if found[1] else list(range(7))
        times = _parse_times(found[2], unit) if found[2] else list(range(per_day))
        slots.update((day * per_day + time) % (7 * per_day) for day in days for time in times)
    return WeekCalendar(unit, tuple(sorted(slots)))


def _parse_days(text: str) -> list[int]:
    days: list[int] = []
    for part in text.split(","):
        ends = [_parse_day(name) for name in part.split("-")]
        if len(ends) > 2:
            raise ValueError(f"'{part}' is no range of days")
        days += [(ends[0] + k) % 7 for k in range((ends[-1] - ends[0]) % 7 + 1)]
    return days


def _parse_day(name: str) -> int:
    near = [k for k, full in enumerate(FULL_DAY_NAMES) if full.lower().startswith(name.lower())]
    if len(name) < 2 or len(near) != 1:
        raise ValueError(f"'{name}' is no day; days are {', '.join(DAY_NAMES)}")
    return near[0]


def _parse_times(text: str, unit: int) -> list[int]:
    """Slots counted from midnight; those after midnight of a range that passes it are larger."""
    times: list[int] = []
    for part in text.split(","):
        ends = [_parse_time(clock) // unit for clock in part.split("-")]
        if len(ends) > 2:
            raise ValueError(f"'{part}' is no range of times")
        times += [ends[0] + k for k in range((ends[-1] - ends[0]) % (_DAY // unit) + 1)]
    return times


def _parse_time(clock: str) -> int:
    """Microseconds since midnight; 24:00 is the last instant before it."""
    found = re.fullmatch(r"(\d{1,2})(?::(\d\d))?(?::(\d\d))?", clock)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (99, 0, 0)
    ticks = hours * _HOUR + minutes * _MINUTE + seconds * 1_000_000
    if ticks > _DAY or minutes > 59 or seconds > 59:
        raise ValueError(f"'{clock}' is no time of day such as 08 or 09:30")
    return min(ticks, _DAY - 1)


def _day_ranges(days: Sequence[int]) -> str:
    ranges = (tuple(dict.fromkeys((a, b))) for a, b in _runs(days))
    return ",".join("-".join(DAY_NAMES[day] for day in ends) for ends in ranges)


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """First and last number of each run of consecutive ones of ascending `numbers`."""
    breaks = [k for k in range(1, len(numbers)) if numbers[k] != numbers[k - 1] + 1]
    edges = [0, *breaks, len(numbers)]
    return [(numbers[low], numbers[high - 1]) for low, high in itertools.pairwise(edges)]
