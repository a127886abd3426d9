"""Closed days and times of day, found from the timestamps of all series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.time.frequency_inference import InferredFrequency, infer_frequency


def infer(time: pd.DatetimeIndex, codes: object = None, **options: object) -> InferredFrequency:
    series = np.zeros(len(time), dtype=np.int64) if codes is None else np.asarray(codes)
    return infer_frequency(series, time.to_numpy().astype("datetime64[us]"), **options)


DAYS = pd.date_range("2022-01-03", "2024-10-31", freq="D")
HOURS = pd.date_range("2024-01-01", "2024-03-31", freq="h")


def on(*days: int) -> pd.DatetimeIndex:
    return DAYS[DAYS.day_of_week.isin(days)]


@pytest.mark.parametrize(
    ("days", "alias"),
    [((0, 1, 2, 3, 4, 5), "C:Mon-Sat"), ((1, 2, 3, 4, 5, 6), "C:Tue-Sun"),
     ((0, 2, 4), "C:Mon,Wed,Fri"),
     ((0, 3), "C:Mon,Thu"), ((5, 6), "C:Sat-Sun"), ((0, 1, 2, 4), "C:Mon-Wed,Fri"),
     ((0, 1, 2, 3, 4), "B")],
)  # fmt: skip
def test_days_of_the_week_without_a_row_are_closed_and_counted(days, alias):
    found = infer(on(*days))
    assert found.frequency.alias == alias
    assert found.agreement == 1.0
    assert found.votes == {alias: 1}
    names = {f"{day}s" for day in DAYS[~DAYS.day_of_week.isin(days)].day_name()}
    assert set(found.closed.counts) == names
    assert set(found.closed.counts.values()) <= {146, 147, 148}


def test_holidays_are_no_closed_days():
    open_days = on(0, 1, 2, 3, 4, 5)
    holidays = np.random.default_rng(1).choice(len(open_days), 40, replace=False)
    found = infer(open_days.delete(holidays))
    assert found.frequency.alias == "C:Mon-Sat"
    assert 0.8 < found.agreement < 1


def test_one_series_that_is_open_opens_the_calendar_of_all():
    codes = np.r_[np.zeros(len(on(0, 1, 2, 3, 4, 5)), dtype=np.int64), np.ones(len(DAYS), np.int64)]
    found = infer(on(0, 1, 2, 3, 4, 5).append(DAYS), codes)
    assert found.frequency.alias == "D"
    assert not found.closed.counts


@pytest.mark.parametrize(("weeks", "alias"), [(5, "D"), (9, "C:Mon-Sat")])
def test_few_days_without_a_row_are_suspected_only(weeks, alias):
    found = infer(on(0, 1, 2, 3, 4, 5)[: 6 * weeks])
    assert found.frequency.alias == alias
    assert (found.closed.suspected == {"Sundays": weeks - 1}) == (alias == "D")


@pytest.mark.parametrize("density", [0.03, 0.1, 0.3])
def test_steps_that_are_empty_by_chance_are_not_closed(density):
    random = np.random.default_rng(3)
    minutes = pd.date_range("2024-01-01", "2024-03-15", freq="min")
    for every in (DAYS, HOURS, minutes):
        found = infer(every[random.random(len(every)) < density])
        assert found.frequency.calendar is None


@pytest.mark.parametrize(
    ("is_open", "alias"),
    [
        ((HOURS.hour >= 8) & (HOURS.hour <= 18), "h:08-18"),
        ((HOURS.hour >= 18) | (HOURS.hour <= 2), "h:00-02,18-23"),
        (HOURS.day_of_week < 5, "h:Mon-Fri"),
        ((HOURS.day_of_week < 5) & (HOURS.hour >= 9) & (HOURS.hour != 12), "h:Mon-Fri:09-11,13-23"),
        (
            (HOURS.day_of_week < 5) & (HOURS.hour > 7) & (HOURS.hour < 19)
            | (HOURS.day_of_week == 5) & (HOURS.hour > 8) & (HOURS.hour < 14),
            "h:Mon-Fri:08-18;Sat:09-13",
        ),
    ],
)
def test_times_of_day_without_a_row_are_closed(is_open, alias):
    found = infer(HOURS[is_open])
    assert found.frequency.alias == alias
    assert found.agreement == 1.0


def test_trading_hours_are_those_of_local_time_across_a_change_of_the_clock():
    every = pd.date_range("2024-01-02", "2024-04-30", freq="30min", tz="America/New_York")
    local = every[every.day_of_week < 5]
    utc = local[local.indexer_between_time("09:30", "16:00")].tz_convert("UTC").tz_localize(None)
    assert infer(utc).frequency.alias == "30min:Mon-Fri:14:30-21:00" or infer(utc).agreement < 1
    found = infer(utc, display_timezone="America/New_York")
    assert found.frequency.alias == "30min:Mon-Fri:09:30-16:00"
    assert found.agreement == 1.0


def test_nothing_is_closed_where_local_time_turns_back_at_an_open_hour():
    every = pd.date_range("2024-01-02", "2024-12-30", freq="h", tz="Europe/Berlin")
    utc = every[every.hour != 12].tz_convert("UTC").tz_localize(None)
    assert infer(utc, display_timezone="Europe/Berlin").frequency.alias == "h"


def test_rows_without_a_value_do_not_open_a_day():
    has_value = np.asarray(DAYS.day_of_week != 6)
    assert infer(DAYS, has_value=has_value).frequency.alias == "C:Mon-Sat"
    assert infer(DAYS, has_value=has_value, with_closed=False).frequency.alias == "D"
    assert infer(DAYS).frequency.alias == "D"


@pytest.mark.parametrize("alias", ["BME", "BMS", "BQE-DEC", "BQS-JAN", "BYE-DEC", "2BME"])
@pytest.mark.parametrize("count", [8, 30, 150])
def test_business_month_ends_are_recognized(alias, count):
    found = infer(pd.date_range("2010-01-05", periods=count, freq=alias))
    assert found.frequency.alias == alias
    assert found.agreement == 1.0
