"""The frequency of series with rows at some steps only."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.time.shared_frequency import infer_shared_frequency


def infer(time: pd.DatetimeIndex, share: float, series: int, seed: int = 0) -> str:
    """The frequency of a random share of the timestamps in each of some series."""
    rng = np.random.default_rng(seed)
    rows = [(k, t) for k in range(series) for t in time if rng.random() < share]
    codes = np.array([k for k, _ in rows])
    stamps = pd.DatetimeIndex([t for _, t in rows]).to_numpy().astype("datetime64[us]")
    return infer_shared_frequency(codes, stamps).frequency.alias


@pytest.mark.parametrize("alias", ["D", "h", "15min", "W-WED", "MS", "ME"])
@pytest.mark.parametrize(("share", "series"), [(1.0, 1), (0.6, 3), (0.1, 60)])
def test_the_frequency_is_found_though_series_have_a_share_of_the_steps(
    alias: str, share: float, series: int
) -> None:
    assert infer(pd.date_range("2022-01-01", periods=300, freq=alias), share, series) == alias


@pytest.mark.parametrize(("alias", "seed"), [("D", 1), ("D", 2), ("W-WED", 3), ("h", 4)])
def test_of_few_rows_it_is_the_largest_step_that_holds_all(alias: str, seed: int) -> None:
    time = pd.date_range("2022-01-05", periods=300, freq=alias)
    assert infer(time, 0.08, 1, seed) == alias


def test_days_without_any_row_are_steps_too() -> None:
    time = pd.date_range("2022-01-01", periods=300, freq="B")
    assert infer(time, 0.6, 5) == "D"


def test_timestamps_at_any_second_keep_the_vote() -> None:
    seconds = np.sort(np.random.default_rng(0).integers(0, 10**7, 50))
    time = np.datetime64("2024-01-01", "us") + seconds.astype("timedelta64[s]")
    found = infer_shared_frequency(np.zeros(50, dtype=np.int64), time)
    assert found.agreement < 0.5


def test_whole_numbers_have_a_frequency_too() -> None:
    time = np.array([0, 10, 40, 50, 90, 30, 70, 100])
    codes = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    assert infer_shared_frequency(codes, time).frequency.alias == "10"
