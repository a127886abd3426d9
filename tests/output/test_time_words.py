"""Periods and numbers of steps in words."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.output.time_words import drop_time_of_day, format_period, format_steps


@pytest.mark.parametrize(
    ("steps", "alias", "words"),
    [
        (12, "MS", "12 months"), (1, "ME", "1 month"), (4, "QS", "4 quarters"),
        (3, "YS", "3 years"), (13, "W-MON", "13 weeks"), (28, "D", "28 days"),
        (2, "2W-MON", "4 weeks"), (48, "30min", "1 day"), (336, "30min", "7 days"),
        (5, "30min", "150 minutes"), (6, "h", "6 hours"), (90, "s", "90 seconds"),
        (24, "C:Mon-Sat", "24 open days"), (1, "B", "1 open day"),
        (18, "h:Mon-Fri:09-17", "18 open hours"), (9, "1", "9 steps"),
        (26, "30min:Mon-Fri:09:30-16:00", "26 open steps of 30 minutes"),
    ],
)  # fmt: skip
def test_steps_are_named_as_people_say_them(steps: int, alias: str, words: str) -> None:
    assert format_steps(steps, parse_frequency(alias)) == words


@pytest.mark.parametrize(
    ("first", "last", "alias", "words"),
    [
        ("2017-11-01", "2025-10-01", "MS", "Nov 2017 to Oct 2025"),
        ("1990-01-01", "2020-01-01", "YS", "1990 to 2020"),
        ("2023-01-02", "2025-11-15", "C:Mon-Sat", "2 Jan 2023 to 15 Nov 2025"),
        ("2025-03-01", "2025-03-07T23:30", "30min", "1 Mar 2025 00:00 to 7 Mar 2025 23:30"),
        ("2024-03-01", "2025-03-07T23:30", "30min", "1 Mar 2024 to 7 Mar 2025"),
        ("2025-03-01", "2025-03-01", "D", "1 Mar 2025"),
    ],
)
def test_periods_are_written_with_months_in_words(
    first: str, last: str, alias: str, words: str
) -> None:
    ends = (np.datetime64(first, "us"), np.datetime64(last, "us"))
    assert format_period(*ends, parse_frequency(alias)) == words


def test_a_period_of_numbers_is_written_with_them() -> None:
    assert format_period(np.int64(1950), np.int64(2020), parse_frequency("1")) == "1950 to 2020"


@pytest.mark.parametrize(("days", "unit"), [(59, "us"), (60, "D")])
def test_dates_replace_timestamps_from_sixty_days_on(days: int, unit: str) -> None:
    timestamps = np.datetime64("2024-01-01T07", "us") + np.array([0, days]) * np.timedelta64(1, "D")
    assert drop_time_of_day(timestamps).dtype == np.dtype(f"datetime64[{unit}]")
    assert drop_time_of_day(np.array([0, 100])).tolist() == [0, 100]
