"""Moments in the time of a panel, and the periods in which they lie."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.pipeline.checks.moments import (
    panel_time,
    period_length,
    period_of,
    periods_per_day,
)

NOON = datetime(2024, 7, 1, 12, tzinfo=UTC)


def panel_of(alias: str, last: str) -> Panel:
    """One series of one step."""
    frequency, time = parse_frequency(alias), np.array([last], dtype="datetime64[us]")
    ordinal = frequency.ordinals(time)
    return Panel(
        keys=pd.DataFrame(index=range(1)),
        offsets=np.array([0, 1]),
        start=ordinal,
        phase=frequency.phase(time, ordinal),
        frequency=frequency,
        utc_offset="",
        target_names=("y",),
        targets=np.ones((1, 1)),
        observed_mask=np.ones((1, 1), dtype=np.bool_),
    )


def test_a_moment_is_in_the_zone_of_the_data() -> None:
    panel = panel_of("D", "2024-06-30")
    assert str(panel_time(NOON, panel, "Europe/Berlin")).startswith("2024-07-01T14:00")
    with_offset = replace(panel, utc_offset="-03:00")
    assert str(panel_time(NOON, with_offset, None)).startswith("2024-07-01T09:00")
    in_utc = replace(panel, display_timezone="Asia/Tokyo")
    assert str(panel_time(NOON, in_utc, "Asia/Tokyo")).startswith("2024-07-01T12:00")
    end = datetime.max.replace(tzinfo=UTC)
    assert str(panel_time(end, panel, "Asia/Tokyo")).startswith("9999-12-31")


@pytest.mark.parametrize(
    ("alias", "last", "now", "complete"),
    [
        ("D", "2024-06-29", "2024-07-01T00:00", 1),
        ("D", "2024-06-29", "2024-06-30T23:59", 0),
        ("h", "2024-06-30T20:00", "2024-06-30T23:30", 2),
        ("MS", "2024-05-01", "2024-07-31", 1),
        ("W-MON", "2024-06-24", "2024-07-08", 1),
        ("C:Mon-Fri", "2024-06-28", "2024-07-01T09:00", 0),
        ("C:Mon-Fri", "2024-06-28", "2024-07-02T09:00", 1),
    ],
)
def test_complete_periods_are_counted(alias: str, last: str, now: str, complete: int) -> None:
    panel = panel_of(alias, last)
    assert period_of(panel, np.datetime64(now, "us"), 0) - 1 - int(panel.start[0]) == complete


def test_periods_have_lengths() -> None:
    assert periods_per_day(panel_of("15min", "2024-06-30")) == 96
    assert periods_per_day(panel_of("MS", "2024-06-01")) == 1
    assert period_length(panel_of("W-MON", "2024-06-24")) == pd.Timedelta("7D")
