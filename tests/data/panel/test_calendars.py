"""Panels of open days and hours: gaps, covariates, closed rows, and notes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.panel.regularize import preview_changes, regularize
from rnnforecast.errors import DataError
from rnnforecast.spec.data import CleanSpec
from tests.data.tables import table

DAYS = pd.date_range("2023-01-02", "2024-12-28", freq="D")
OPEN = DAYS[DAYS.day_of_week != 6]
SUNDAYS = 103


def text(index: pd.DatetimeIndex) -> list[str]:
    return index.strftime("%Y-%m-%d %H:%M").tolist()


def test_closed_days_are_no_steps_gaps_or_missing_values():
    panel, changes = regularize(table(text(OPEN), range(len(OPEN))))
    assert panel.frequency.alias == "C:Mon-Sat"
    assert panel.lengths.tolist() == [len(OPEN)]
    assert changes.counts["gaps"] == changes.counts["missing"] == 0
    ahead = panel.window_timestamps(panel.lengths, 24)[0]
    assert pd.Timestamp(ahead[0]) == pd.Timestamp("2024-12-30")  # after Saturday comes Monday
    assert pd.Timestamp(ahead[-1]) == pd.Timestamp("2025-01-25")  # 24 open days are 28 days
    assert not (pd.DatetimeIndex(ahead).day_of_week == 6).any()
    (note,) = changes.notes
    assert f"no row on any of {SUNDAYS} Sundays" in str(note)
    assert "clean.frequency to D" in note.decision.cure
    assert not note.is_doubtful


def test_the_other_readings_of_closed_days_are_keys():
    values = np.arange(len(OPEN)) + 1.0
    unknown, _ = regularize(table(text(OPEN), values), CleanSpec(frequency="D"))
    assert unknown.lengths.tolist() == [len(DAYS)]
    assert (~unknown.observed_mask).sum() == SUNDAYS
    for frequency in ("D", "auto"):
        zero, changes = regularize(
            table(text(OPEN), values), CleanSpec(frequency=frequency, missing="zero")
        )
        assert zero.frequency.alias == "D"
        assert zero.observed_mask.all()
        assert (zero.targets[:, 0] == 0).sum() == SUNDAYS
        assert not changes.notes


def test_holidays_are_gaps_of_a_calendar():
    holidays = ("2023-12-25", "2024-01-01", "2024-12-25")
    rest = OPEN[~OPEN.isin(pd.to_datetime(holidays))]
    panel, changes = regularize(table(text(rest), range(len(rest))))
    assert panel.frequency.alias == "C:Mon-Sat"
    assert changes.counts["gaps"] == 3


def test_rows_without_a_value_at_closed_days_are_left_out_and_counted():
    values = np.where(DAYS.day_of_week == 6, np.nan, 1.0)
    panel, changes = regularize(table(text(DAYS), values))
    assert panel.frequency.alias == "C:Mon-Sat"
    assert changes.counts["closed"] == SUNDAYS
    assert "no value on any of" in str(changes.notes[0])


@pytest.mark.parametrize("frequency", ["C:Mon-Sat", "B"])
def test_a_row_at_a_closed_day_is_refused_with_a_cure_that_works(frequency):
    days = OPEN[OPEN.day_of_week < (6 if frequency != "B" else 5)].append(
        pd.DatetimeIndex(["2024-12-29"])
    )
    rows = table(text(days), range(len(days)))
    with pytest.raises(DataError, match="a closed time between") as raised:
        regularize(rows, CleanSpec(frequency=frequency))
    assert "set clean.frequency to D" in raised.value.problems[0].cure
    assert regularize(rows, CleanSpec(frequency="D"))[0].frequency.alias == "D"


@pytest.mark.parametrize("rule", ["sum", "mean"])
def test_resampling_to_a_calendar_adds_closed_days_to_the_open_day_before(rule):
    panel, _ = regularize(
        table(text(DAYS[:28]), np.arange(28.0)), CleanSpec(frequency="C:Mon-Sat", resample=rule)
    )
    day = np.arange(28)
    open_day = np.minimum(day % 7, 5) + 7 * (day // 7)
    whole = pd.Series(day).groupby(open_day).agg(rule).to_numpy()
    assert panel.targets[:, 0].tolist() == whole[: len(panel.targets)].tolist()


def test_resampling_from_a_calendar_takes_weeks_of_open_days_as_whole():
    panel, changes = regularize(
        table(text(OPEN[:60]), np.ones(60)), CleanSpec(frequency="W-SUN", resample="sum")
    )
    assert panel.targets[:, 0].tolist() == [6.0] * 10
    assert changes.counts["incomplete_periods"] == changes.counts["partial_periods"] == 0


def test_jitter_around_open_hours_snaps_to_their_calendar():
    every = pd.date_range("2024-01-01", "2024-04-01", freq="15min")
    open_time = every[(every.hour >= 8) & (every.hour < 18) & (every.day_of_week < 5)]
    noise = np.random.default_rng(0).integers(-100, 100, len(open_time))
    time = (open_time + pd.to_timedelta(noise, "s")).strftime("%Y-%m-%d %H:%M:%S").tolist()
    panel, _ = regularize(table(time, range(len(time))), CleanSpec(irregular="snap"))
    assert panel.frequency.alias == "15min:Mon-Fri:08:00-17:45"
    assert panel.observed_mask.all()
    steps = panel.window_timestamps(np.zeros(1, dtype=np.int64), len(time))[0]
    assert (pd.DatetimeIndex(steps) == open_time).all()


@pytest.mark.parametrize(("irregular", "frequency"), [("keep", "MS"), ("keep", "C:Mon-Sat")])
def test_rows_that_are_steps_go_on_in_steps_of_the_calendar(irregular, frequency):
    days = pd.DatetimeIndex(["2024-01-31", "2024-02-03", "2024-03-02"])
    panel, _ = regularize(
        table(text(days), [1, 2, 3]), CleanSpec(irregular=irregular, frequency=frequency)
    )
    ahead = pd.DatetimeIndex(panel.window_timestamps(panel.lengths, 2)[0])
    expected = ["2024-04-02", "2024-05-02"] if frequency == "MS" else ["2024-03-04", "2024-03-05"]
    assert ahead.strftime("%Y-%m-%d").tolist() == expected
    assert (panel.flat_timestamps(2)[-2:] == ahead.to_numpy()).all()


def test_days_of_few_series_or_dates_are_named():
    names = np.repeat(["a", "b", "c"], [len(OPEN), len(OPEN), len(DAYS)])
    rows = table(text(OPEN.append([OPEN, DAYS])), range(len(names)), names)
    note = preview_changes(rows).notes[0]
    assert note.is_doubtful
    assert "Sundays are steps" in str(note)
    assert "1 of 3 series (c)" in str(note)
    few = OPEN.append(pd.DatetimeIndex(["2023-12-17", "2024-12-15"]))
    note = preview_changes(table(text(few), range(len(few)))).notes[0]
    assert f"2 of {SUNDAYS} have a row" in str(note)
    panel, _ = regularize(
        table(text(few), range(len(few))), CleanSpec(frequency="C:Mon-Sat", resample="sum")
    )
    assert panel.observed_mask.all()


def test_series_of_a_coarser_frequency_are_named_and_counted():
    weeks = pd.date_range("2023-01-01", periods=80, freq="W-SUN")
    names = np.repeat(["shop", "plan", "office"], [len(DAYS), len(weeks), len(DAYS)])
    rows = table(text(DAYS.append([weeks, DAYS])), range(len(names)), names)
    (note,) = preview_changes(rows).notes
    assert "1 of 3 series have rows at W-SUN only: plan" in str(note)
    assert note.is_doubtful
    panel, changes = regularize(rows, CleanSpec(frequency="W-SUN", resample="sum"))
    assert not changes.notes
    assert panel.observed_mask.all()


def test_local_open_hours_have_no_gap_where_clocks_change():
    every = pd.date_range("2024-01-02", "2024-12-30", freq="30min", tz="Europe/Berlin")
    local = every[every.indexer_between_time("08:00", "18:00")].tz_localize(None)
    panel, changes = regularize(table(text(local), range(len(local))), timezone="Europe/Berlin")
    assert panel.frequency.alias == "30min:08:00-18:00"
    assert changes.counts["gaps"] == 0
    ahead = pd.DatetimeIndex(panel.window_timestamps(panel.lengths, 1)[0])
    assert ahead[0] == local[-1].normalize() + pd.Timedelta(hours=32)
