"""Periods and phases of the rows of sorted series."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.data.time.grid import fit_grid, mode_per_group


def timestamps_of(index) -> np.ndarray:
    return pd.DatetimeIndex(index).to_numpy().astype("datetime64[us]")


def test_a_row_off_the_grid_is_distinguished_from_the_others_of_its_series():
    clock = ["00:30", "01:30", "02:31", "03:30", "00:00", "05:00"]
    time = timestamps_of([f"2024-01-01 {hour}" for hour in clock])
    grid = fit_grid(parse_frequency("h"), time, np.array([0, 4, 4, 6]))
    assert grid.on_grid.tolist() == [True, True, False, True, True, True]
    assert grid.phase.tolist() == [30 * 60 * 10**6, 0, 0]


def test_a_wrong_day_among_fixed_days_of_the_month_is_off_the_grid():
    time = timestamps_of(["2024-01-30", "2024-02-29", "2024-03-30", "2024-04-29", "2024-05-30"])
    grid = fit_grid(parse_frequency("1mo"), time, np.array([0, 5]))
    assert grid.on_grid.tolist() == [True, True, True, False, True]


def test_a_weekend_is_off_the_grid_of_business_days():
    time = timestamps_of(["2024-01-05", "2024-01-06", "2024-01-08"])  # Friday, Saturday, Monday
    assert fit_grid(parse_frequency("B"), time, np.array([0, 3])).on_grid.tolist() == [
        True,
        False,
        True,
    ]


@given(
    pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 3)), min_size=1, max_size=40),
    stride=st.sampled_from([1, 10**6]),
)
def test_the_most_common_value_of_each_group_is_that_of_pandas(pairs, stride):
    # Widely spread groups take the way by sorting, close ones that by counting.
    frame = pd.DataFrame(pairs, columns=["group", "value"])
    groups, values, counts, sizes = mode_per_group(
        frame["group"].to_numpy() * stride, frame["value"].to_numpy()
    )
    by_group = frame.groupby("group")["value"]
    assert (groups // stride).tolist() == sorted(set(frame["group"]))
    assert values.tolist() == by_group.agg(lambda v: v.mode().min()).tolist()
    assert counts.tolist() == by_group.agg(lambda v: v.value_counts().max()).tolist()
    assert sizes.tolist() == by_group.size().tolist()
