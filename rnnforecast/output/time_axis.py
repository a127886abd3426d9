"""Time axes of plots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator

from rnnforecast.output.style import MUTED_COLOR
from rnnforecast.types import Floats

INDEX_TICK_STEPS = [1, 2, 2.5, 5, 10]
_TICK_FORMATS = {
    "formats": ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
    "zero_formats": ["", "%Y", "%b", "%d %b", "%H:%M", "%H:%M"],
    "offset_formats": ["", "%Y", "%Y", "%Y", "%d %b %Y", "%d %b %Y %H:%M"],
}
"""Labels of years, months, days, hours, minutes and seconds, those at the beginning of the next
longer unit, and what the labels leave out."""


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
