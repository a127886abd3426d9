"""Cures that messages name: each is applied, and leads to a right panel or to the next problem."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.panel.regularize import preview_changes, regularize
from rnnforecast.errors import DataError
from rnnforecast.spec.data import CleanSpec
from tests.data.tables import table

RANDOM = np.random.default_rng(0)


def options(cure: str) -> Iterator[dict[str, Any]]:
    """The settings of `clean` of each option: ``set clean.a to b, clean.c to d, or set …``."""
    for part in re.split(r",? or set |^.*?set ", cure):
        found = re.findall(r"clean\.(\w+)(?: to|:) ([\w:;,.\-]*[\w])", part)
        if found:
            yield {key: float(text) if key == "tolerance" else text for key, text in found}


def jittered(alias: str, count: int, seconds: int) -> pd.DatetimeIndex:
    noise = RANDOM.integers(-seconds, seconds, count)
    return pd.date_range("2024-01-01", periods=count, freq=alias) + pd.to_timedelta(noise, "s")


def holidays_of_new_york(count: int) -> pd.DatetimeIndex:
    ends = pd.date_range("2005-01-01", periods=count, freq="BME").to_series()
    early = ["2010-05-31", "2013-03-29", "2018-03-30", "2021-05-31"]
    return pd.DatetimeIndex(
        ends.where(~ends.isin(pd.to_datetime(early)), ends - pd.Timedelta("1D"))
    )


CASES: dict[str, tuple[pd.DatetimeIndex, dict[str, Any], str, int]] = {
    # the rows, the settings, the frequency of the first cure, and its steps
    "jitter of seconds": (jittered("15min", 500, 50), {}, "15min", 500),
    "jitter of minutes": (jittered("h", 300, 600), {}, "h", 300),
    "jitter of hours": (jittered("D", 200, 4000), {}, "D", 200),
    "jitter of a day": (jittered("MS", 60, 86_400), {}, "MS", 60),
    "last Friday of the month": (
        pd.date_range("2016-01-01", periods=90, freq=pd.offsets.LastWeekOfMonth(weekday=4)),
        {}, "ME", 90,
    ),
    "third Friday of the month": (
        pd.date_range("2016-01-01", periods=90, freq=pd.offsets.WeekOfMonth(week=2, weekday=4)),
        {}, "MS", 90,
    ),
    "months of 4, 4 and 5 weeks": (
        pd.Timestamp("2018-02-03") + pd.to_timedelta(np.cumsum([4, 4, 5] * 24), "W"), {}, "ME", 72,
    ),
    "business month ends before holidays": (holidays_of_new_york(230), {}, "BME", 230),
    "thirds of months": (
        pd.DatetimeIndex(
            [pd.Timestamp(2015 + k // 36, k // 3 % 12 + 1, 1 + k % 3 * 10) for k in range(180)]
        ),
        {}, "MS", 60,
    ),
    "a Sunday in a calendar of open days": (
        pd.date_range("2024-01-01", periods=60, freq="B").append(pd.DatetimeIndex(["2024-03-24"])),
        {"frequency": "B"}, "D", 84,
    ),
    "rows of half hours at hours": (
        pd.date_range("2024-01-01", periods=90, freq="30min"), {"frequency": "h"}, "30min", 90,
    ),
    "measurements at any time": (
        pd.Timestamp("2024-01-01")
        + pd.to_timedelta(np.sort(RANDOM.choice(10**7, 400, replace=False)), "s"),
        {}, "D", 114,
    ),
    "a frequency finer than the data": (
        pd.date_range("2024-01-01", periods=60, freq="D"), {"frequency": "h"}, "D", 60,
    ),
    "days of monthly data": (
        pd.date_range("2020-01-01", periods=60, freq="MS"), {"frequency": "D"}, "MS", 60,
    ),
    "seconds of decades": (
        pd.date_range("1990-01-01", periods=360, freq="MS"), {"frequency": "s"}, "MS", 360,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_cure_of_rows_off_the_grid_leads_to_a_panel(case):
    time, settings, frequency, steps = CASES[case]
    rows = table(time.strftime("%Y-%m-%d %H:%M:%S").tolist(), np.arange(len(time)) + 1.0)
    with pytest.raises(DataError) as raised:
        regularize(rows, CleanSpec(**settings))
    cures = list(options(raised.value.problems[0].cure))
    assert cures, raised.value
    for number, cure in enumerate(cures):
        panel, changes = regularize(rows, CleanSpec(**(settings | cure)))
        if number == 0:
            assert panel.frequency.alias == frequency
            assert abs(int(panel.lengths[0]) - steps) <= 3
        if cure.get("irregular") != "keep":
            assert changes.agreement >= 0.5
            assert panel.observed_mask.mean() >= 0.5


def test_one_stray_timestamp_is_to_be_corrected_first():
    days = pd.date_range("2024-01-01", periods=100, freq="D").strftime("%Y-%m-%d").tolist()
    with pytest.raises(DataError) as raised:
        regularize(table([*days, "2024-04-10 13:17"], range(101)))
    assert raised.value.problems[0].cure.startswith("correct the timestamp")


def test_a_series_of_finer_rows_is_resampled_not_the_others_refined():
    days = pd.date_range("2023-01-01", periods=400, freq="D")
    hours = pd.date_range("2023-01-01", periods=900, freq="h")
    names = np.repeat(["a", "b", "c"], [400, 900, 400])
    time = days.append([hours, days]).strftime("%Y-%m-%d %H:%M").tolist()
    rows = table(time, range(len(time)), names)
    with pytest.raises(DataError) as raised:
        regularize(rows)
    cure = next(options(raised.value.problems[0].cure))
    assert cure == {"resample": "mean", "frequency": "D"}
    panel, _ = regularize(rows, CleanSpec(**cure))
    assert panel.observed_mask.all()


@pytest.mark.parametrize("far", [10**12, 9 * 10**18])
def test_a_jump_of_whole_numbers_is_refused_before_memory_is_taken(far):
    index = np.r_[-far if far > 10**15 else -1, np.arange(200), far]
    rows = table(index, np.arange(202.0))
    with pytest.raises(DataError, match="far from its other rows") as raised:
        regularize(rows)
    assert "clean.far_rows to keep" in raised.value.problems[0].cure
    with pytest.raises(DataError, match="has no row for") as raised:  # the next true problem
        regularize(rows, CleanSpec(far_rows="keep"))
    (cure,) = options(raised.value.problems[0].cure)
    assert cure == {"irregular": "keep"}
    cure |= {"far_rows": "keep"}
    assert regularize(rows, CleanSpec(**cure))[0].lengths.tolist() == [202]


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"frequency": "MS", "resample": "sum"}, 10),
        ({"frequency": "YS", "resample": "mean"}, 2),
        ({"frequency": "C:Mon-Sat", "resample": "sum"}, 1),
        ({"frequency": "ME", "irregular": "interpolate"}, 10),
    ],
)
def test_rows_that_fill_no_period_are_refused_with_their_span(settings, count):
    time = pd.date_range("2024-01-04", periods=count * 4, freq="6h")[: count * 4 - 1]
    rows = table(time.strftime("%Y-%m-%d %H:%M").tolist(), np.arange(len(time)) + 1.0)
    with pytest.raises(DataError, match="is whole") as raised:
        regularize(rows, CleanSpec(**settings))
    assert "2024-01-04" in raised.value.problems[0].found
    cures = [CleanSpec(frequency=settings["frequency"], resample="mean", partial_periods="keep"),
             CleanSpec(**(settings | {"frequency": "12h"}))]  # fmt: skip
    for cure in cures:
        panel, _ = regularize(rows, cure)
        assert panel.observed_mask.any()


@pytest.mark.parametrize("alias", ["h", "30min", "15min"])
@pytest.mark.parametrize("is_open", ["all day", "08:00 to 18:00", "but noon"])
def test_an_hour_that_comes_twice_has_cures_that_work(alias, is_open):
    every = pd.date_range("2024-03-01", "2024-11-20", freq=alias, tz="Europe/Berlin")
    if is_open == "08:00 to 18:00":
        every = every[every.indexer_between_time("08:00", "18:00")]
    elif is_open == "but noon":
        every = every[every.hour != 12]
    rows = table(every.strftime("%Y-%m-%d %H:%M").tolist(), np.arange(len(every)) + 1.0)
    if is_open == "08:00 to 18:00":
        panel, changes = regularize(rows)
        assert panel.frequency.calendar is not None
        assert changes.counts["gaps"] == 0
        return
    with pytest.raises(DataError) as raised:
        regularize(rows)
    cure = raised.value.problems[0].cure
    assert "data.timezone" in cure
    assert "clean.ambiguous_hour to infer" in cure
    panel, changes = regularize(rows, CleanSpec(ambiguous_hour="infer"), timezone="Europe/Berlin")
    assert changes.counts["gaps"] == (0 if is_open == "all day" else panel.lengths[0] - len(every))
    with pytest.raises(DataError, match="comes twice"):  # the next true problem
        regularize(rows, timezone="Europe/Berlin")
    for rule in ("first", "last", "mean", "sum"):
        assert regularize(rows, CleanSpec(duplicates=rule))[0].n_series == 1


def test_open_hours_that_come_twice_are_repeated_rows_of_a_given_calendar():
    every = pd.date_range("2024-10-20", "2024-11-20", freq="h", tz="Europe/Berlin")
    every = every[every.hour != 12]
    rows = table(every.strftime("%Y-%m-%d %H:%M").tolist(), np.arange(len(every)) + 1.0)
    clean = CleanSpec(frequency="h:00-11,13-23", ambiguous_hour="infer")
    with pytest.raises(DataError, match="again"):
        regularize(rows, clean, timezone="Europe/Berlin")
    clean = clean.model_copy(update={"duplicates": "mean"})
    panel, _ = regularize(rows, clean, timezone="Europe/Berlin")
    assert panel.observed_mask.all()


def test_an_unusable_frequency_has_a_cure_that_works():
    days = pd.date_range("2024-01-01", periods=30, freq="D").strftime("%Y-%m-%d").tolist()
    with pytest.raises(DataError, match="set it to h, D, W-SUN or MS, or to auto"):
        regularize(table(days, range(30)), CleanSpec(frequency="1"))
    with pytest.raises(DataError, match="set it to 1, or to auto"):
        regularize(table(np.arange(30), range(30)), CleanSpec(frequency="D"))
    assert preview_changes(table(days, range(30))).problems == ()
    with pytest.raises(DataError, match=r"set clean\.frequency"):
        regularize(table(days[:1], [1.0]))
    assert regularize(table(days[:1], [1.0]), CleanSpec(frequency="D"))[0].n_series == 1


def test_rows_without_a_value_that_fill_no_period_are_refused_too():
    rows = table(["2024-01-04", "2024-01-05"], [np.nan, np.nan])
    for missing in ("zero", "mask"):
        with pytest.raises(DataError):
            regularize(rows, CleanSpec(frequency="QS", resample="mean", missing=missing))
    valued = table(["2024-01-04", "2024-01-05"], [1.0, 2.0])
    with pytest.raises(DataError, match="is whole"):
        regularize(valued, CleanSpec(frequency="QS", resample="mean", missing="zero"))
