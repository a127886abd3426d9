"""Closed days and times of day: steps of the week at which no series ever has a value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnforecast.data.time.frequency import DAY, Frequency, calendar_frequency, to_ticks
from rnnforecast.data.time.week_calendar import FULL_DAY_NAMES, WeekCalendar
from rnnforecast.types import Bools, Ints, Timestamps

MIN_CLOSED_COUNT = 8
"""A day of the week or time of day must come at least this often to be taken as closed."""
MAX_CHANCE = 1e-3
"""The largest probability that some open step of the week never has a value by chance."""
MAX_WEEKEND_CHANCE = 0.05
"""The same for weekends, which are often closed."""
MAX_SPAN_STEPS = 50_000_000
"""In longer spans no closed steps are searched."""
MAX_SEGMENTS = 14
"""An alias with more ranges of times would be unreadable: times are closed on all days or none."""
_SATURDAY = 5


@dataclass(frozen=True)
class ClosedSteps:
    """What a search for closed steps found."""

    frequency: Frequency
    """The frequency without the closed steps; the one searched if nothing is closed."""
    counts: dict[str, int]
    """Name of each closed day (``Sundays``) -> how often it came; ``times of day`` -> the number
    of closed steps on open days."""
    suspected: dict[str, int]
    """The same for days without a value that came too seldom to be taken as closed."""


def find_closed_steps(frequency: Frequency, time: Timestamps) -> ClosedSteps:
    """The calendar of a fixed frequency, from the timestamps [R] of all values, in any order.

    Searched are the days of the week for steps of one to six days, and the steps of the week for
    finer steps that divide a day. A step is closed if no series has a value at it, though it came
    at least `MIN_CLOSED_COUNT` times and a value by chance was all but certain; Saturdays and
    Sundays together are closed after one weekend without a value, of finer steps after four.
    """
    nothing = ClosedSteps(frequency, {}, {})
    unit = search_unit(frequency)
    if unit is None or not len(time) or has_all_steps(unit, time[: 64 * (7 * DAY // unit)]):
        return nothing  # the usual case, without a pass over all rows
    seen = _seen_steps(to_ticks(time), unit)  # [weeks, slots of a week]
    if seen is None:
        return nothing
    week = _Week.count(*seen)
    closed_days, suspected = week.closed_days(is_daily=frequency.step == DAY)
    is_open = week.open_slots(closed_days)  # [7, slots of a day]
    if is_open.all() or not is_open.any():
        return ClosedSteps(frequency, {}, suspected)
    found = calendar_frequency(WeekCalendar(unit, tuple(np.flatnonzero(is_open).tolist())))
    if found.alias.count(",") + found.alias.count(";") > MAX_SEGMENTS:
        is_open = np.outer(is_open.any(axis=1), is_open.any(axis=0))
        found = calendar_frequency(WeekCalendar(unit, tuple(np.flatnonzero(is_open).tolist())))
    if frequency.step > DAY and not week.explains(is_open):
        return nothing  # every second or third day rather than some days of the week
    counts = {
        f"{FULL_DAY_NAMES[day]}s": int(week.possible[day].max())
        for day in np.flatnonzero(~is_open.any(axis=1))
    }
    partly = np.outer(is_open.any(axis=1), np.ones(is_open.shape[1], dtype=np.bool_)) & ~is_open
    if partly.any():
        counts["times of day"] = int(week.possible[partly].sum())
    return ClosedSteps(found, counts, suspected if not counts else {})


@dataclass(frozen=True)
class _Week:
    """Counts of the steps of a week over the span of the data."""

    possible: Ints  # [7, slots of a day] how often the step came
    hits: Ints  # [7, slots of a day] how often any series had a value at it

    @classmethod
    def count(cls, seen: Bools, inside: Bools) -> _Week:
        """From `seen` and `inside` [weeks, slots]: the steps with a value, and of the span."""
        return cls(inside.sum(axis=0).reshape(7, -1), seen.sum(axis=0).reshape(7, -1))

    def closed_days(self, *, is_daily: bool) -> tuple[Bools, dict[str, int]]:
        """[7] the closed days, and counts of those that came too seldom."""
        empty = self.hits.sum(axis=1) == 0
        came = self.possible.max(axis=1)
        # a lower bound of the share of open days with a value, and the chance that others have none
        share = min(self.hits.max(axis=1).sum() / max(came[~empty].sum(), 1), 1.0)
        chance = np.power(1 - share, came)  # [7]
        certain = empty & (came >= MIN_CLOSED_COUNT) & (7 * chance < MAX_CHANCE)
        enough = 1 if is_daily else MIN_CLOSED_COUNT // 2
        weekend = slice(_SATURDAY, None)
        if empty[weekend].all() and came[weekend].min() >= enough:
            certain[weekend] |= bool(chance[weekend].prod() < MAX_WEEKEND_CHANCE)
        seldom = np.flatnonzero(empty & ~certain & (came > 1) & (chance < MAX_WEEKEND_CHANCE))
        return certain, {f"{FULL_DAY_NAMES[day]}s": int(came[day]) for day in seldom}

    def open_slots(self, closed_days: Bools) -> Bools:
        """[7, slots of a day] without the closed days and the closed times of open days."""
        is_open = np.broadcast_to(~closed_days[:, None], self.hits.shape).copy()
        if self.hits.shape[1] == 1:
            return is_open
        empty = (self.hits == 0) & is_open
        share = self.hits[is_open & ~empty].sum() / max(self.possible[is_open & ~empty].sum(), 1)
        weekly = np.where(empty, self.possible, 0)
        daily = np.where(
            empty.sum(axis=0) == (~closed_days).sum(), weekly.sum(axis=0), 0
        )  # [slots]
        for count in (np.broadcast_to(daily, empty.shape), weekly):
            chance = np.power(1 - share, count) * empty.size
            is_open &= ~(empty & (count >= MIN_CLOSED_COUNT) & (chance < MAX_CHANCE))
        return is_open

    def explains(self, is_open: Bools) -> bool:
        """Whether most open steps have a value."""
        return bool(2 * self.hits[is_open].sum() > self.possible[is_open].sum())


def search_unit(frequency: Frequency) -> int | None:
    """The step [microseconds] of the week that may be closed: a day, or a part of one of at least
    a second; None where nothing is searched."""
    unit = DAY if frequency.step % DAY == 0 else frequency.step
    is_usable = frequency.kind == "fixed" and DAY % unit == 0 and unit >= 1_000_000
    return unit if is_usable and frequency.step < 7 * DAY else None


def has_all_steps(unit: int, time: Timestamps) -> bool:
    """Whether timestamps [R] have every step of `unit` microseconds of the week."""
    slots_per_week = 7 * DAY // unit
    slots = (to_ticks(time) // unit - 4 * DAY // unit) % slots_per_week
    return len(np.unique(slots)) == slots_per_week


def _seen_steps(ticks: Ints, unit: int) -> tuple[Bools, Bools] | None:
    """[weeks, slots of a week] the steps with a row, and those between the first and the last."""
    steps = ticks // unit - 4 * DAY // unit
    per_week = 7 * DAY // unit
    low, high = int(steps.min()), int(steps.max())
    first = low // per_week * per_week
    size = (high // per_week + 1) * per_week - first
    if size > MAX_SPAN_STEPS:
        return None
    seen = np.zeros(size, dtype=np.bool_)
    seen[steps - first] = True
    inside = np.zeros(size, dtype=np.bool_)
    inside[low - first : high - first + 1] = True
    return seen.reshape(-1, per_week), inside.reshape(-1, per_week)
