"""Moments in the time of a panel, and their periods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import DAY
from rnnforecast.types import Timestamps


def panel_time(instant: datetime, panel: Panel, timezone: str | None) -> np.datetime64 | None:
    """A moment with a time zone in the time of the panel: UTC, the zone of the data, or else that
    of the machine. None if steps are counted."""
    if panel.frequency.kind == "integer":
        return None
    if panel.display_timezone:
        local = instant.astimezone(UTC)
    elif timezone:
        local = instant.astimezone(ZoneInfo(timezone))
    elif panel.utc_offset:
        offset = datetime.fromisoformat(f"2000-01-01T00:00{panel.utc_offset}").tzinfo
        local = instant.astimezone(offset)
    else:
        local = instant.astimezone()
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
