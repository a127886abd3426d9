"""Moments in the time of a panel, and their periods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from datetime import timezone as fixed_zone
from zoneinfo import ZoneInfo

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import DAY
from rnnforecast.data.time.timezones import parse_utc_offset
from rnnforecast.types import Timestamps


def panel_time(instant: datetime, panel: Panel, timezone: str | None) -> np.datetime64 | None:
    """A moment with a time zone in the time of the panel: UTC, the zone of the data, or else that
    of the machine. None if steps are counted."""
    if panel.frequency.kind == "integer":
        return None
    zone: tzinfo | None = None
    if panel.display_timezone:
        zone = UTC
    elif timezone:
        zone = ZoneInfo(timezone)
    elif panel.utc_offset:
        seconds = parse_utc_offset(panel.utc_offset) / np.timedelta64(1, "s")
        zone = fixed_zone(timedelta(seconds=float(seconds)))
    try:
        local = instant.astimezone(zone)
    except OverflowError:  # the first or the last day of the calendar
        local = instant
    return np.datetime64(local.replace(tzinfo=None), "us")


def period_of(panel: Panel, time: np.datetime64, series: int) -> int:
    """The ordinal of the latest step of a series, continued beyond its end, that is not after
    `time`."""
    one: Timestamps = np.array([time])
    ordinal = panel.frequency.ordinals(one)
    last = panel.window_timestamps(panel.lengths - 1, 1)[series]
    phase = panel.frequency.phase(last, panel.frequency.ordinals(last))
    begins = panel.frequency.timestamps(ordinal, phase)
    return int(ordinal[0]) - int(begins[0] > time)


def periods_per_day(panel: Panel) -> int:
    """Steps of a day, at least one."""
    if panel.frequency.kind == "integer":
        return 1
    return max(1, DAY // panel.frequency.approximate_length())


def period_length(panel: Panel) -> timedelta | None:
    """About the length of a period; None if steps are counted."""
    if panel.frequency.kind == "integer":
        return None
    return timedelta(microseconds=panel.frequency.approximate_length())
