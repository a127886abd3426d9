"""The frequency that most series have."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.data.time.frequency_inference import infer_frequency
from rnnforecast.data.time.grid import fit_grid
from rnnforecast.errors import DataError


def timestamps_of(index) -> np.ndarray:
    return pd.DatetimeIndex(index).to_numpy().astype("datetime64[us]")


def one(time: np.ndarray):
    return infer_frequency(np.zeros(len(time), dtype=np.int64), time)


@pytest.mark.parametrize(
    "alias",
    ["h", "15min", "30s", "6h", "D", "B", "W-MON", "W-SAT", "2W-SUN", "MS", "ME", "2MS", "2ME",
     "QS-JAN", "QS-FEB", "QE-DEC", "QE-OCT", "YS-JAN", "YS-JUL", "YE-DEC", "YE-MAR", "YE-FEB"],
)  # fmt: skip
def test_the_frequency_of_a_pandas_range_is_recognized(alias):
    time = timestamps_of(pd.date_range("2018-05-07", periods=30, freq=alias))
    vote = one(time)
    assert vote.frequency == parse_frequency(alias)
    assert vote.agreement == 1.0
    assert vote.votes == {alias: 1}


@pytest.mark.parametrize("alias", ["QS-APR", "QS-OCT", "QE-MAR", "QE-JUN", "4W-TUE"])
def test_a_calendar_with_several_names_is_found_under_an_equal_one(alias):
    time = timestamps_of(pd.date_range("2018-05-07", periods=30, freq=alias))
    found = one(time).frequency.alias
    assert (timestamps_of(pd.date_range(time[0], periods=30, freq=found)) == time).all()


@pytest.mark.parametrize(("day", "months"), [(15, 1), (30, 1), (29, 3), (31, 6), (12, 12)])
def test_a_fixed_day_of_the_month_is_recognized_where_months_are_shorter(day, months):
    first = pd.Timestamp(2019, 1, day)
    time = timestamps_of([first + pd.DateOffset(months=months * k) for k in range(20)])
    vote = one(time)
    assert vote.agreement == 1.0
    if day < 31:
        assert vote.frequency.alias == f"{months}mo"
    grid = fit_grid(vote.frequency, time, np.array([0, len(time)]))
    assert grid.on_grid.all()


def test_whole_numbers_vote_with_their_most_common_step():
    vote = one(np.array([0, 5, 10, 20, 25]))
    assert vote.frequency == parse_frequency("5")
    assert vote.agreement == 0.75


def test_days_without_any_weekend_are_business_days_only_if_they_step_over_one():
    week = timestamps_of(pd.date_range("2024-01-01", periods=5, freq="D"))  # Monday to Friday
    assert one(week).frequency.alias == "D"
    two = timestamps_of(pd.date_range("2024-01-01", periods=10, freq="B"))
    assert one(two).frequency.alias == "B"
    assert one(np.append(two, np.datetime64("2024-01-13"))).frequency.alias == "D"


def test_the_majority_of_the_series_wins_and_all_votes_are_listed():
    hours = timestamps_of(pd.date_range("2024-01-01", periods=4, freq="h"))
    days = timestamps_of(pd.date_range("2024-01-01", periods=4, freq="D"))
    codes = np.repeat([0, 1, 2], 4)
    vote = infer_frequency(codes, np.concatenate([days, hours, days]))
    assert vote.frequency.alias == "D"
    assert list(vote.votes.items()) == [("D", 2), ("h", 1)]
    assert vote.agreement == 6 / 9


def test_of_equal_votes_the_finer_frequency_wins():
    hours = timestamps_of(pd.date_range("2024-01-01", periods=4, freq="h"))
    days = timestamps_of(pd.date_range("2024-01-01", periods=4, freq="D"))
    assert (
        infer_frequency(np.repeat([0, 1], 4), np.concatenate([days, hours])).frequency.alias == "h"
    )


def test_gaps_and_repeated_timestamps_do_not_change_the_vote():
    months = timestamps_of(pd.date_range("2024-01-01", periods=20, freq="MS"))
    time = months[[0, 1, 1, 2, 5, 6, 7, 7, 9]]
    vote = one(time)
    assert vote.frequency.alias == "MS"
    assert vote.agreement == 4 / 6


def test_series_of_single_timestamps_have_no_frequency():
    time = timestamps_of(["2024-01-01", "2024-01-02", "2024-01-02"])
    with pytest.raises(DataError, match=r"set clean\.frequency"):
        infer_frequency(np.array([0, 1, 1]), time)


@given(seed=st.integers(0, 10**6))
def test_the_order_of_the_rows_does_not_matter_for_the_vote(seed):
    random = np.random.default_rng(seed)
    codes = np.repeat([0, 1, 2], 15)
    time = np.concatenate(
        [
            timestamps_of(pd.date_range("2020-01-31", periods=15, freq=f))
            for f in ("ME", "ME", "W-FRI")
        ]
    )
    kept = np.sort(random.permutation(45)[:38])
    shuffled = random.permutation(kept)
    assert infer_frequency(codes[shuffled], time[shuffled]) == infer_frequency(
        codes[kept], time[kept]
    )
