"""The windows and scores of `benchmarks/gift.py`."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.scripts import script


@pytest.fixture(scope="module")
def gift() -> ModuleType:
    return script("gift")


def series(**sizes: int) -> pd.DataFrame:
    """Series whose values count their steps."""
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range("2000-01-01", periods=size, freq="D"),
                "y": np.arange(1.0, size + 1),
            }
        )
        for name, size in sizes.items()
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("name", "length", "windows"),
    [
        # the numbers of windows in the benchmark's own table
        ("hospital/M/short", 84, 1),
        ("us_births/D/short", 7305, 20),
        ("us_births/W/short", 1043, 14),
        ("us_births/M/short", 240, 2),
        ("m4_hourly/H/short", 748, 1),
        ("ett1/H/short", 17420, 20),
        ("ett1/H/medium", 17420, 4),
        ("ett1/H/long", 17420, 3),
    ],
)
def test_the_number_of_windows_is_that_of_the_benchmark(
    gift: ModuleType, name: str, length: int, windows: int
) -> None:
    configuration = next(one for one in gift.CONFIGURATIONS if one.name == name)
    assert configuration.windows(series(a=length, b=length + 5)) == windows


def test_windows_lie_side_by_side_at_the_end_of_each_series(gift: ModuleType) -> None:
    configuration = replace(gift.CONFIGURATIONS[0], horizon=2)
    table = series(a=35, b=40)  # ceil(0.1 * 35 / 2) = 2 windows
    first, second = gift.split_windows(configuration, table)
    assert first.actual["y"].tolist() == [32, 33, 37, 38]
    assert second.actual["y"].tolist() == [34, 35, 39, 40]
    for window in (first, second):
        last = window.history.groupby("unique_id")["y"].last()
        start = window.actual.groupby("unique_id")["y"].first()
        assert (start == last + 1).all()


def test_seasonal_naive_by_hand(gift: ModuleType) -> None:
    # errors of the last value are 1, 2 in a series that rises by 1: its scale is 1
    configuration = replace(gift.CONFIGURATIONS[0], horizon=2, season=1)
    assert gift.seasonal_naive_mase(configuration, series(a=20)) == pytest.approx(1.5)


def test_other_windows_than_those_of_the_benchmark_are_refused(gift: ModuleType) -> None:
    configuration = gift.CONFIGURATIONS[0]
    gift.check_seasonal_naive(configuration, configuration.naive_mase * 1.0001)
    with pytest.raises(SystemExit, match="windows"):
        gift.check_seasonal_naive(configuration, configuration.naive_mase * 1.01)


def test_ratios_are_to_the_published_naive_or_to_our_own_where_it_cannot_be_rebuilt(
    gift: ModuleType,
) -> None:
    scores = {"balanced": {"mase": 0.5, "wql": 0.1}}
    configuration = replace(gift.CONFIGURATIONS[0], naive_mase=1.0, naive_wql=0.2)
    assert gift.Row(configuration, 2.0, scores).relative("balanced") == (0.5, 0.5)
    not_rebuilt = replace(configuration, rebuilt=False)
    assert gift.Row(not_rebuilt, 2.0, scores).relative("balanced") == (0.25, 0.5)


def test_the_forecast_of_a_wide_file_is_scored_column_by_column(gift: ModuleType) -> None:
    configuration = replace(gift.CONFIGURATIONS[0], horizon=2, season=1)
    window = next(gift.split_windows(configuration, series(a=20, b=20)))
    forecast = pd.DataFrame({"target": ["a", "a", "b", "b"], "ds": window.actual["ds"].to_numpy()})
    too_high = window.actual["y"].to_numpy() + np.array([1, 1, 2, 2])
    forecast = forecast.assign(**dict.fromkeys(gift.NAMES, too_high))
    scores = gift.WindowScores(1)
    gift.add_window(scores, window, forecast)
    assert scores.result()["mase"] == pytest.approx(1.5)
    # 2 * 0.5 on average over the levels, times the errors, over the sum of values
    assert scores.result()["wql"] == pytest.approx(6 / (2 * (19 + 20)))
    with pytest.raises(ValueError, match="1 of 2 series"):
        gift.add_window(scores, window, forecast[:2])
