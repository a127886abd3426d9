"""Frequency arithmetic, against pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.data.time.frequency import Frequency, parse_frequency

ALIASES = [
    "h", "15min", "30s", "250ms", "us", "min", "D", "3D", "12h", "B", "MS", "ME", "2MS", "2ME",
    *(f"W-{day}" for day in ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")), "2W-WED",
    *(f"{unit}-{month}" for unit in ("QS", "QE", "YS", "YE") for month in ("JAN", "MAR", "DEC")),
    "2YS-APR", "2QE-NOV",
]  # fmt: skip


def timestamps_of(index: pd.DatetimeIndex) -> np.ndarray:
    return index.to_numpy().astype("datetime64[us]")


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("start", ["2019-11-28 00:00", "1968-02-29 07:30"])
def test_the_timestamps_of_pandas_are_consecutive_steps_of_one_phase(alias, start):
    time = timestamps_of(pd.date_range(start, periods=60, freq=alias))
    frequency = parse_frequency(alias)
    ordinals = frequency.ordinals(time)
    phase = frequency.phase(time, ordinals)
    assert (np.diff(ordinals) == 1).all()
    assert (phase == phase[0]).all()
    later = frequency.timestamps(np.arange(ordinals[0], ordinals[0] + 60), phase[0])
    assert (later == time).all()


@pytest.mark.parametrize("alias", ALIASES)
def test_the_canonical_alias_is_the_one_that_pandas_prints(alias):
    assert parse_frequency(alias).alias == pd.tseries.frequencies.to_offset(alias).freqstr


@pytest.mark.parametrize("alias", [*ALIASES, "1mo", "3mo", "12mo", "2B", "5B"])
@given(ticks=st.lists(st.integers(-4 * 10**15, 8 * 10**15), min_size=1, max_size=20))
def test_timestamps_undo_ordinals_and_phase_for_any_instant(alias, ticks):
    frequency = parse_frequency(alias)
    time = np.array(ticks, dtype=np.int64).view("datetime64[us]")
    ordinals = frequency.ordinals(time)
    assert (frequency.timestamps(ordinals, frequency.phase(time, ordinals)) == time).all()


@given(
    step=st.integers(1, 50), index=st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20)
)
def test_timestamps_undo_ordinals_and_phase_for_an_integer_index(step, index):
    frequency = parse_frequency(str(step))
    time = np.array(index, dtype=np.int64)
    ordinals = frequency.ordinals(time)
    assert (frequency.timestamps(ordinals, frequency.phase(time, ordinals)) == time).all()


@given(day=st.dates(pd.Timestamp("1900-01-01").date(), pd.Timestamp("2100-01-01").date()))
def test_business_days_are_counted_as_numpy_counts_them(day):
    frequency = parse_frequency("B")
    monday = np.datetime64("1900-01-01")  # a Monday before all of the days
    here = np.array([monday, np.datetime64(day)]).astype("datetime64[us]")
    ordinals = frequency.ordinals(here)
    assert ordinals[1] - ordinals[0] == np.busday_count(monday, np.datetime64(day))


def test_the_same_day_of_every_month_is_clipped_where_a_month_is_shorter():
    frequency = parse_frequency("1mo")
    first = np.array(["2023-12-31T06:00"], dtype="datetime64[us]")
    ordinal = frequency.ordinals(first)
    later = frequency.timestamps(ordinal + np.arange(5), frequency.phase(first, ordinal))
    expected = [pd.Timestamp("2023-12-31 06:00") + pd.DateOffset(months=k) for k in range(5)]
    assert (later == timestamps_of(pd.DatetimeIndex(expected))).all()


@pytest.mark.parametrize(
    ("old", "new"),
    [("H", "h"), ("T", "min"), ("15T", "15min"), ("S", "s"), ("M", "ME"), ("Q", "QE-DEC"),
     ("A", "YE-DEC"), ("Y", "YE-DEC"), ("A-MAR", "YE-MAR"), ("AS", "YS-JAN"), ("W", "W-SUN"),
     ("QS", "QS-JAN"), ("w-sat", "W-SAT"), (" D ", "D"), ("1h", "h"), ("mo", "1mo"),
     ("7", "7")],
)  # fmt: skip
def test_old_and_short_spellings_are_understood(old, new):
    assert parse_frequency(old).alias == new
    assert parse_frequency(new) == parse_frequency(old)


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("hourly", "'h'"), ("monthly", "'MS'"), ("daily", "'D'"), ("W-SUM", "'W-SUN'"),
     ("QE-MRZ", "'QE-MAR'"), ("mins", "'min'")],
)  # fmt: skip
def test_an_unknown_alias_names_the_nearest_one(wrong, nearest):
    with pytest.raises(ValueError, match=f"'{wrong}' is not a frequency; the nearest is {nearest}"):
        parse_frequency(wrong)


@pytest.mark.parametrize("wrong", ["", "0h", "0", "-1", "h-MON", "1.5h", "W-", "zz", "5-MON"])
def test_what_is_no_step_is_refused(wrong):
    with pytest.raises(ValueError, match="is not a frequency"):
        parse_frequency(wrong)


@pytest.mark.parametrize(
    ("alias", "seasons"),
    [("h", (24, 168)), ("15min", (96, 672)), ("min", (60, 1440)), ("s", (60, 3600)),
     ("30s", (2, 120)), ("D", (7, 365)), ("B", (5,)), ("W-SAT", (52,)), ("2W-SAT", (26,)),
     ("MS", (12,)), ("ME", (12,)), ("1mo", (12,)), ("QE-MAR", (4,)), ("YS", ()), ("1", ()),
     ("7h", (24,)), ("2D", ())],
)  # fmt: skip
def test_candidate_seasons_are_complete_cycles_of_the_calendar(alias, seasons):
    assert parse_frequency(alias).season_lengths() == seasons


def test_a_finer_frequency_has_a_smaller_rank():
    order = ["us", "s", "15min", "h", "D", "B", "W-SUN", "MS", "QS", "YS"]
    ranks = [parse_frequency(alias).approximate_length() for alias in order]
    assert ranks == sorted(ranks)
    assert isinstance(parse_frequency("h"), Frequency)
