"""Cycles, holidays and age, against pandas' fields and the holidays package itself."""

from __future__ import annotations

from datetime import date, timedelta

import holidays
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.time import calendar_features as calendar
from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.errors import DataError

SUITABLE = {
    "s": ("second_of_minute", "minute_of_hour", "hour_of_day", "day_of_week", "day_of_year"),
    "15min": ("minute_of_hour", "hour_of_day", "day_of_week", "day_of_year"),
    "h": ("hour_of_day", "day_of_week", "day_of_year"),
    "D": ("day_of_week", "day_of_year"),
    "B": ("day_of_week", "day_of_year"),
    "W-SUN": ("week_of_year",),
    "MS": ("month_of_year",),
    "ME": ("month_of_year",),
    "QE-DEC": ("quarter_of_year",),
    "YS": (),
    "7": (),
}


@pytest.mark.parametrize(("alias", "expected"), SUITABLE.items())
def test_the_frequency_chooses_the_cycles(alias: str, expected: tuple[str, ...]) -> None:
    assert calendar.select_cycles(parse_frequency(alias), "auto") == expected
    assert calendar.select_cycles(parse_frequency(alias), "none") == ()


@pytest.mark.parametrize(("alias", "wanted"), [("MS", "hour_of_day"), ("1", "day_of_week")])
def test_a_cycle_that_is_constant_is_refused(alias: str, wanted: str) -> None:
    with pytest.raises(DataError, match=rf"features\.calendar: {wanted} is constant at steps of"):
        calendar.select_cycles(parse_frequency(alias), [wanted])


timestamps = st.datetimes(pd.Timestamp("1970-01-01"), pd.Timestamp("2100-01-01"))


@settings(max_examples=50, deadline=None)
@given(st.lists(timestamps, min_size=1, max_size=5))
def test_cycles_are_the_fields_that_pandas_has(times: list[pd.Timestamp]) -> None:
    index = pd.DatetimeIndex(times)
    day = (index - index.normalize()) / pd.Timedelta("1D")
    leap = np.asarray(index.is_leap_year)
    expected = {
        "hour_of_day": day,
        "day_of_week": (index.day_of_week + day) / 7,
        "day_of_month": (index.day - 1 + day) / index.days_in_month,
        "day_of_year": (index.day_of_year - 1 + day) / np.where(leap, 366, 365),
        "month_of_year": (index.month - 1) / 12,
        "quarter_of_year": (index.quarter - 1) / 4,
        "minute_of_hour": (index.minute + index.second / 60 + index.microsecond / 6e7) / 60,
        "second_of_minute": (index.second + index.microsecond / 1e6) / 60,
    }
    found = calendar.cycle_features(index.to_numpy().astype("datetime64[us]"), list(expected))
    for place, share in enumerate(expected.values()):
        angle = 2 * np.pi * np.asarray(share)
        np.testing.assert_allclose(found[:, 2 * place], np.sin(angle), atol=1e-5)
        np.testing.assert_allclose(found[:, 2 * place + 1], np.cos(angle), atol=1e-5)


@pytest.mark.parametrize("place", ["DE", "DE-BY", "US-CA", "GB"])
def test_holidays_are_those_of_the_package(place: str) -> None:
    country, _, region = place.partition("-")
    theirs = holidays.country_holidays(country, subdiv=region or None, years=range(2019, 2023))
    days = [date(2020, 1, 1) + timedelta(day) for day in range(731)]
    found = calendar.holiday_features(
        np.array(days, dtype="datetime64[us]"), parse_frequency("D"), place, 2
    )
    assert found.shape == (731, 5)
    for column, shift in enumerate([0, 1, 2, -1, -2]):
        expected = [day + timedelta(shift) in theirs for day in days]
        assert found[:, column].tolist() == expected


def test_hours_have_the_holiday_of_their_day() -> None:
    hours = np.arange("2023-12-24", "2023-12-27", dtype="datetime64[h]").astype("datetime64[us]")
    found = calendar.holiday_features(hours, parse_frequency("h"), "DE", 0)[:, 0]
    assert found.reshape(3, 24).tolist() == [[0.0] * 24, [1.0] * 24, [1.0] * 24]


@pytest.mark.parametrize(
    ("alias", "timestamp", "count"),
    [
        ("MS", "2023-12-01", 2),
        ("ME", "2023-12-31", 2),
        ("W-SUN", "2023-12-31", 2),
        ("W-SUN", "2023-12-24", 0),
        ("QS", "2023-10-01", 3),
        ("YS", "2023-01-01", 9),
    ],
)
def test_longer_steps_count_the_holidays_of_their_period(
    alias: str, timestamp: str, count: int
) -> None:
    found = calendar.holiday_features(
        np.array([timestamp], dtype="datetime64[us]"), parse_frequency(alias), "DE", 1
    )
    assert found.tolist() == [[count]]
    assert calendar.holiday_feature_names(parse_frequency(alias), 1) == ("holidays",)


@pytest.mark.parametrize(
    ("text", "message"), [("XX", "'XX' has no holidays"), ("DE-XX", "'DE' has no region 'XX'")]
)
def test_an_unknown_location_is_reported_with_the_nearest(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calendar.parse_holiday_location(text)


def test_a_series_grows_old_slowly() -> None:
    found = calendar.age_feature(np.array([0, 9, 1000]))
    np.testing.assert_allclose(found, np.log([1, 10, 1001]) / np.log(1001), rtol=1e-6)
