"""Week calendars: open days and hours, their aliases and ordinals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.time.frequency import DAY, calendar_frequency, parse_frequency
from rnnforecast.data.time.week_calendar import WeekCalendar, parse_week_calendar

UNITS = [DAY, DAY // 2, DAY // 24, DAY // 96]
ALIASES = ["C:Mon-Sat", "C:Tue-Sun", "C:Mon-Wed,Fri", "2C:Mon-Sat", "h:08-18", "h:18-02",
           "30min:Mon-Fri:09:30-16:00", "h:Mon-Fri:08-18;Sat:09-13", "h:Mon-Fri"]  # fmt: skip
# pandas' weekmask, first and last time of the open days
PANDAS = {"C:Mon-Sat": "Mon Tue Wed Thu Fri Sat", "C:Tue-Sun": "Tue Wed Thu Fri Sat Sun",
          "C:Mon-Wed,Fri": "Mon Tue Wed Fri", "B": "Mon Tue Wed Thu Fri"}  # fmt: skip


@st.composite
def calendars(draw: st.DrawFn) -> WeekCalendar:
    unit = draw(st.sampled_from(UNITS))
    size = 7 * DAY // unit
    slots = draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=min(size, 40)))
    return WeekCalendar(unit, tuple(sorted(slots)))


@settings(deadline=None)
@given(
    calendar=calendars(),
    step=st.integers(1, 3),
    ticks=st.lists(st.integers(-4 * 10**15, 8 * 10**15), min_size=1, max_size=20),
)
def test_timestamps_undo_ordinals_and_phase_for_any_calendar(calendar, step, ticks):
    frequency = calendar_frequency(calendar, step)
    time = np.array(ticks, dtype=np.int64).view("datetime64[us]")
    ordinals = frequency.ordinals(time)
    assert (frequency.timestamps(ordinals, frequency.phase(time, ordinals)) == time).all()


@settings(deadline=None)
@given(calendar=calendars(), first=st.integers(-(10**5), 10**5))
def test_consecutive_steps_are_the_open_ones_and_closed_time_is_between(calendar, first):
    numbers = np.arange(first, first + 60)
    starts = calendar.starts(numbers)
    assert (np.diff(starts) > 0).all()
    assert (calendar.numbers(starts) == numbers).all()
    assert not calendar.closed_mask(starts).any()
    every = np.arange(starts[0], starts[-1], calendar.unit)
    closed = calendar.closed_mask(every)
    assert closed.sum() == len(every) - len(starts) + 1
    # a closed step belongs to the next open one, in periods to the one before
    assert (calendar.numbers(every) - calendar.numbers_at_or_before(every) == closed).all()


@settings(deadline=None)
@given(calendar=calendars())
def test_an_alias_is_read_as_the_same_calendar(calendar):
    assert parse_frequency(calendar_frequency(calendar).alias) == calendar_frequency(calendar)
    if calendar.describe_days():
        assert parse_week_calendar(calendar.unit, calendar.describe_days()) == calendar


@pytest.mark.parametrize(("alias", "weekmask"), PANDAS.items())
def test_open_days_follow_each_other_as_those_of_pandas(alias, weekmask):
    offset = pd.offsets.CustomBusinessDay(weekmask=weekmask)
    days = pd.date_range("2019-11-28", periods=60, freq=offset).to_numpy().astype("datetime64[us]")
    frequency = parse_frequency(alias)
    ordinals = frequency.ordinals(days)
    assert (np.diff(ordinals) == 1).all()
    assert (frequency.timestamps(ordinals, frequency.phase(days, ordinals)) == days).all()


def test_open_hours_are_those_between_two_times_of_pandas():
    every = pd.date_range("2024-01-01", "2024-03-01", freq="30min")
    open_time = every[every.day_of_week < 5]
    open_time = open_time[open_time.indexer_between_time("09:30", "16:00")]
    frequency = parse_frequency("30min:Mon-Fri:09:30-16:00")
    time = open_time.to_numpy().astype("datetime64[us]")
    assert (np.diff(frequency.ordinals(time)) == 1).all()
    closed = frequency.closed_mask(every.to_numpy().astype("datetime64[us]"))
    assert (every[~closed] == open_time).all()


@pytest.mark.parametrize(
    ("alias", "canonical"),
    [("C:Monday-Saturday", "C:Mon-Sat"), ("c:mon-fri", "B"), ("D:Sat,Sun", "C:Sat-Sun"),
     ("C:Mon-Sun", "D"), ("h:00-23", "h"), ("h:8-18", "h:08-18"), ("60min:08-18", "h:08-18"),
     ("h:18-02", "h:00-02,18-23"), ("C:Sat-Tue", "C:Mon-Tue,Sat-Sun"), ("h:12", "h:12"),
     ("h:Fri:22-01", "h:Fri:22-23;Sat:00-01"), ("2C:Mon-Sat", "2C:Mon-Sat"),
     ("h:08:00-18:30", "h:08-18")],
)  # fmt: skip
def test_other_spellings_of_a_calendar_are_understood(alias, canonical):
    assert parse_frequency(alias).alias == canonical


@pytest.mark.parametrize(
    "wrong",
    ["C:", "C:Mox", "h:25", "C:08-18", "x:Mon", "7h:08-18", "h:08-", "0C:Mon", "W:Mon", "C:Mon;",
     "ME:Mon", "h:08:99", "ms:08-18", "C:M", "C:Mon-Tue-Wed", ":Mon", "h:08-10-12"],
)  # fmt: skip
def test_an_error_in_a_calendar_shows_how_it_is_written(wrong):
    with pytest.raises(ValueError, match=r"C:Mon-Sat.*h:08-18"):
        parse_frequency(wrong)


@pytest.mark.parametrize(
    ("alias", "seasons"),
    [("C:Mon-Sat", (6,)), ("C:Mon,Wed,Fri", (3,)), ("2C:Mon-Sat", (3,)), ("h:08-18", (11, 77)),
     ("30min:Mon-Fri:09:30-16:00", (14, 70)), ("h:Mon-Fri:08-18;Sat:09-13", (60,)), ("C:Mon", ())],
)  # fmt: skip
def test_the_seasons_of_a_calendar_are_its_open_day_and_week(alias, seasons):
    assert parse_frequency(alias).season_lengths() == seasons


def test_a_calendar_says_what_it_is_without_closed_steps_and_what_is_closed():
    assert parse_frequency("30min:Mon-Fri:09:30-16:00").base_alias == "30min"
    assert parse_frequency("C:Mon-Sat").base_alias == "D"
    calendar = parse_frequency("C:Tue-Sat").calendar
    assert calendar.closed_days() == ("Monday", "Sunday")
    assert calendar.slot_names(range(5)) == ("Tue", "Wed", "Thu", "Fri", "Sat")
    assert parse_frequency("h:08-10").calendar.slot_names(range(3)) == ("08", "09", "10")
    assert parse_frequency("C:Mon-Sat").is_daily_or_coarser
    assert not parse_frequency("h:08-18").is_daily_or_coarser
    assert parse_frequency("h:08-18").is_local


@pytest.mark.parametrize(
    "alias", ["BME", "BMS", "2BME", "BQE-DEC", "BQS-FEB", "BYE-MAR", "BYS-JAN"]
)
def test_business_month_ends_are_those_of_pandas(alias):
    days = pd.date_range("1969-11-28", periods=80, freq=alias).to_numpy().astype("datetime64[us]")
    frequency = parse_frequency(alias)
    ordinals = frequency.ordinals(days)
    assert (np.diff(ordinals) == 1).all()
    assert (frequency.phase(days, ordinals) == frequency.phase(days, ordinals)[0]).all()
    assert (frequency.timestamps(ordinals, frequency.phase(days, ordinals)) == days).all()
    assert frequency.alias == pd.tseries.frequencies.to_offset(alias).freqstr
