"""Periods of time and numbers of steps in words."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.time.frequency import DAY, HOUR, MINUTE, SECOND, WEEK, Frequency

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNITS = ((WEEK, "week"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second"))


def format_period(first: np.generic, last: np.generic, frequency: Frequency) -> str:
    """The period of steps from `first` to `last` as ``Nov 2017 to Oct 2025``; with the time of day
    for steps of less than a day, unless the period is long."""
    ends = np.array([first, last])
    with_clock = not frequency.is_daily_or_coarser and drop_time_of_day(ends) is ends
    begin, end = (format_step(timestamp, frequency, with_clock) for timestamp in ends)
    return begin if begin == end else f"{begin} to {end}"


def format_steps(steps: int, frequency: Frequency) -> str:
    """A number of steps as people say it: ``12 months``, ``7 days`` or ``24 open days``."""
    if frequency.kind == "integer":
        return _count(steps, "step")
    if frequency.calendar is not None:
        unit = frequency.calendar.unit * frequency.step
        names = {DAY: "open day", HOUR: "open hour"}
        name = names.get(frequency.calendar.unit) if frequency.step == 1 else None
        return _count(steps, name or f"open step of {_duration(unit)}")
    if frequency.kind == "month":
        months = steps * frequency.step
        for size, name in ((12, "year"), (3, "quarter")):
            if frequency.step % size == 0:
                return _count(months // size, name)
        return _count(months, "month")
    return _duration(steps * frequency.step, no_more_than=frequency.step)


def _duration(microseconds: int, no_more_than: int = WEEK) -> str:
    """A duration in its own unit, or in days or hours if these are whole: ``90 minutes``.

    Weeks are named only for steps, `no_more_than`, of whole weeks.
    """
    for size, name in _UNITS:
        if microseconds % size == 0 and (size < WEEK or no_more_than % WEEK == 0):
            return _count(microseconds // size, name)
    return f"{microseconds / SECOND:g} seconds"


def _count(count: int, noun: str) -> str:
    words = noun.split(" ", 2)
    if count != 1:
        position = 1 if words[0] == "open" else 0
        words[position] += "s"
    return f"{count:,} {' '.join(words)}"


def format_step(timestamp: np.generic, frequency: Frequency, with_clock: bool) -> str:
    """A timestamp as ``6 Jan 2024``, ``Jan 2024`` or ``2024``, with the time of day if asked."""
    if not isinstance(timestamp, np.datetime64):
        return str(timestamp)
    day = timestamp.astype("datetime64[D]").astype(object)
    if not hasattr(day, "year"):  # beyond the years of the standard library
        return format_timestamp(timestamp)
    if frequency.kind == "month":
        yearly = frequency.step % 12 == 0
        return f"{day.year}" if yearly else f"{_MONTHS[day.month - 1]} {day.year}"
    clock = format_timestamp(timestamp).partition(" ")[2] or "00:00"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}" + (f" {clock}" if with_clock else "")


def drop_time_of_day(timestamps: np.ndarray) -> np.ndarray:
    """`timestamps [T]` as dates if they cover 60 days or more, else unchanged."""
    if timestamps.dtype.kind == "M" and timestamps[-1] - timestamps[0] >= np.timedelta64(60, "D"):
        return timestamps.astype("datetime64[D]")
    return timestamps
