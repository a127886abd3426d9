import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.data.time.grid import fit_grid, infer_frequency, mode_per_group
from rnnforecast.errors import DataError


def stamps_of(index) -> np.ndarray:
    return pd.DatetimeIndex(index).to_numpy().astype("datetime64[us]")


def one(time: np.ndarray):
    return infer_frequency(np.zeros(len(time), dtype=np.int64), time)


@pytest.mark.parametrize(
    "alias",
    ["h", "15min", "30s", "6h", "D", "B", "W-MON", "W-SAT", "2W-SUN", "MS", "ME", "2MS", "2ME",
     "QS-JAN", "QS-FEB", "QE-DEC", "QE-OCT", "YS-JAN", "YS-JUL", "YE-DEC", "YE-MAR", "YE-FEB"],
)  # fmt: skip
def test_the_frequency_of_a_pandas_range_is_recognised(alias):
    time = stamps_of(pd.date_range("2018-05-07", periods=30, freq=alias))
    vote = one(time)
    assert vote.frequency == parse_frequency(alias)
    assert vote.agreement == 1.0
    assert vote.votes == {alias: 1}


@pytest.mark.parametrize("alias", ["QS-APR", "QS-OCT", "QE-MAR", "QE-JUN", "4W-TUE"])
def test_a_calendar_with_several_names_is_found_under_an_equal_one(alias):
    time = stamps_of(pd.date_range("2018-05-07", periods=30, freq=alias))
    found = one(time).frequency.alias
    assert (stamps_of(pd.date_range(time[0], periods=30, freq=found)) == time).all()


@pytest.mark.parametrize(("day", "months"), [(15, 1), (30, 1), (29, 3), (31, 6), (12, 12)])
def test_a_fixed_day_of_the_month_is_recognised_where_months_are_shorter(day, months):
    first = pd.Timestamp(2019, 1, day)
    time = stamps_of([first + pd.DateOffset(months=months * k) for k in range(20)])
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
    week = stamps_of(pd.date_range("2024-01-01", periods=5, freq="D"))  # Monday to Friday
    assert one(week).frequency.alias == "D"
    two = stamps_of(pd.date_range("2024-01-01", periods=10, freq="B"))
    assert one(two).frequency.alias == "B"
    assert one(np.append(two, np.datetime64("2024-01-13"))).frequency.alias == "D"


def test_the_majority_of_the_series_wins_and_all_votes_are_told():
    hours = stamps_of(pd.date_range("2024-01-01", periods=4, freq="h"))
    days = stamps_of(pd.date_range("2024-01-01", periods=4, freq="D"))
    codes = np.repeat([0, 1, 2], 4)
    vote = infer_frequency(codes, np.concatenate([days, hours, days]))
    assert vote.frequency.alias == "D"
    assert list(vote.votes.items()) == [("D", 2), ("h", 1)]
    assert vote.agreement == 6 / 9


def test_of_equal_votes_the_finer_frequency_wins():
    hours = stamps_of(pd.date_range("2024-01-01", periods=4, freq="h"))
    days = stamps_of(pd.date_range("2024-01-01", periods=4, freq="D"))
    assert (
        infer_frequency(np.repeat([0, 1], 4), np.concatenate([days, hours])).frequency.alias == "h"
    )


def test_gaps_and_repeated_stamps_do_not_change_the_vote():
    months = stamps_of(pd.date_range("2024-01-01", periods=20, freq="MS"))
    time = months[[0, 1, 1, 2, 5, 6, 7, 7, 9]]
    vote = one(time)
    assert vote.frequency.alias == "MS"
    assert vote.agreement == 4 / 6


def test_series_of_single_stamps_have_no_frequency():
    time = stamps_of(["2024-01-01", "2024-01-02", "2024-01-02"])
    with pytest.raises(DataError, match=r"set clean\.frequency"):
        infer_frequency(np.array([0, 1, 1]), time)


@given(seed=st.integers(0, 10**6))
def test_the_order_of_the_rows_does_not_matter_for_the_vote(seed):
    random = np.random.default_rng(seed)
    codes = np.repeat([0, 1, 2], 15)
    time = np.concatenate(
        [stamps_of(pd.date_range("2020-01-31", periods=15, freq=f)) for f in ("ME", "ME", "W-FRI")]
    )
    kept = np.sort(random.permutation(45)[:38])
    shuffled = random.permutation(kept)
    assert infer_frequency(codes[shuffled], time[shuffled]) == infer_frequency(
        codes[kept], time[kept]
    )


def test_a_row_off_the_grid_is_told_from_the_others_of_its_series():
    clock = ["00:30", "01:30", "02:31", "03:30", "00:00", "05:00"]
    time = stamps_of([f"2024-01-01 {hour}" for hour in clock])
    grid = fit_grid(parse_frequency("h"), time, np.array([0, 4, 4, 6]))
    assert grid.on_grid.tolist() == [True, True, False, True, True, True]
    assert grid.phase.tolist() == [30 * 60 * 10**6, 0, 0]


def test_a_wrong_day_among_fixed_days_of_the_month_is_off_the_grid():
    time = stamps_of(["2024-01-30", "2024-02-29", "2024-03-30", "2024-04-29", "2024-05-30"])
    grid = fit_grid(parse_frequency("1mo"), time, np.array([0, 5]))
    assert grid.on_grid.tolist() == [True, True, True, False, True]


def test_a_weekend_is_off_the_grid_of_business_days():
    time = stamps_of(["2024-01-05", "2024-01-06", "2024-01-08"])  # Friday, Saturday, Monday
    assert fit_grid(parse_frequency("B"), time, np.array([0, 3])).on_grid.tolist() == [
        True,
        False,
        True,
    ]


@given(
    pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 3)), min_size=1, max_size=40),
    spread=st.sampled_from([1, 10**6]),
)
def test_the_most_common_value_of_each_group_is_that_of_pandas(pairs, spread):
    # Widely spread groups take the way by sorting, close ones that by counting.
    frame = pd.DataFrame(pairs, columns=["group", "value"])
    groups, values, counts, sizes = mode_per_group(
        frame["group"].to_numpy() * spread, frame["value"].to_numpy()
    )
    by_group = frame.groupby("group")["value"]
    assert (groups // spread).tolist() == sorted(set(frame["group"]))
    assert values.tolist() == by_group.agg(lambda v: v.mode().min()).tolist()
    assert counts.tolist() == by_group.agg(lambda v: v.value_counts().max()).tolist()
    assert sizes.tolist() == by_group.size().tolist()
