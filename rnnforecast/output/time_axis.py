"""Time axes of plots, and periods of time and numbers of steps in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator

from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.time.frequency import DAY, HOUR, MINUTE, SECOND, WEEK, Frequency
from rnnforecast.output.style import MUTED_COLOR, drop_time_of_day
from rnnforecast.types import Floats

INDEX_TICK_STEPS = [1, 2, 2.5, 5, 10]
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TICK_FORMATS = {
    "formats": ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "%b", "%d %b", "%H:%M", "%H:%M"],
    "offset_formats": ["", "%Y", "%Y", "%Y", "%d %b %Y", "%d %b %Y %H:%M"],
}
"""Labels of years, months, days, hours, minutes and seconds, those at the beginning of the next
longer unit, and what the labels leave out."""
_UNITS = ((WEEK, "week"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (SECOND, "second"))


@dataclass(frozen=True)
class TimeAxis:
    """Positions of timestamps on an x axis: their time, or the number of the step where closed
    days or hours take no room."""

    timestamps: npt.NDArray[np.generic]
    """[T] datetime64, or integers."""
    has_closed_steps: bool = False

    @property
    def positions(self) -> Floats:
        """[T]"""
        if self._is_index:
            return np.asarray(self.timestamps, dtype=np.float64)
        if self.has_closed_steps:
            return np.arange(len(self.timestamps), dtype=np.float64)
        return np.asarray(date2num(self.timestamps), dtype=np.float64)

    @property
    def edges(self) -> Floats:
        """[T + 1] positions halfway between the timestamps, for bars without space between."""
        at = self.positions
        if len(at) < 2:
            return np.r_[at - 0.5, at + 0.5] if len(at) else np.zeros(1)
        middle = (at[1:] + at[:-1]) / 2
        return np.asarray(np.r_[2 * at[0] - middle[0], middle, 2 * at[-1] - middle[-1]])

    def format(self, axes: Axes) -> None:
        """Sets ticks and labels: short ones for dates, whole numbers for an integer index."""
        axis = axes.xaxis
        if self._is_index:
            axis.set_major_locator(MaxNLocator(10, integer=True, steps=INDEX_TICK_STEPS))
            # not grouped, because they may be years
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
            axes.set_xlabel("time")
            return
        axis.get_offset_text().set_color(MUTED_COLOR)
        locator = AutoDateLocator()
        formatter = ConciseDateFormatter(locator, **_TICK_FORMATS)
        if not self.has_closed_steps:
            axis.set_major_locator(locator)
            axis.set_major_formatter(formatter)
            return
        times = np.asarray(date2num(self.timestamps), dtype=np.float64)
        ticks = np.empty(0)
        if len(times) > 1:
            ticks = np.asarray(locator.tick_values(*self.timestamps[[0, -1]].tolist()))
            ticks = ticks[(ticks >= times[0]) & (ticks <= times[-1])]
        at, first = np.unique(np.searchsorted(times, ticks), return_index=True)
        labels = formatter.format_ticks(ticks[first].tolist()) if len(at) else []
        axis.set_major_locator(FixedLocator(at.tolist()))
        fixed = FixedFormatter(labels)
        fixed.set_offset_string(formatter.get_offset())
        axis.set_major_formatter(fixed)

    @property
    def _is_index(self) -> bool:
        return self.timestamps.dtype.kind != "M"


def format_period(first: np.generic, last: np.generic, frequency: Frequency) -> str:
    """The period of steps from `first` to `last` as ``Nov 2017 to Oct 2025``; with the time of day
    for steps of less than a day, unless the period is long."""
    ends = np.array([first, last])
    with_clock = not frequency.is_daily_or_coarser and drop_time_of_day(ends) is ends
    begin, end = (_format_step(timestamp, frequency, with_clock) for timestamp in ends)
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


def _format_step(timestamp: np.generic, frequency: Frequency, with_clock: bool) -> str:
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
