"""The time axis of the inspection plots."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from rnnforecast.output.inspection.plot_layout import set_time_axis
from rnnforecast.output.inspection.results import InspectedWindow


def labels(times: np.ndarray, *, past: int) -> list[str]:
    """The tick labels of a window with a lookback of `past` steps."""
    values = np.zeros(len(times))
    scene = InspectedWindow("a", "y", times, values, forecast=values[past:], patch_length=1)
    axes = Figure().subplots()
    set_time_axis(axes, scene)
    return [text.get_text() for text in axes.get_xticklabels()]


@pytest.mark.parametrize(
    ("begin", "freq", "steps", "expected"),
    [
        ("2007-01-01", "MS", 108, ["2008-01-01", "2010-01-01", "2012-01-01", "2014-01-01"]),
        ("2010-12-16", "h", 384, ["2010-12-17", "2010-12-21", "2010-12-25", "2010-12-29"]),
        ("2020-01-10", "12h", 200, ["2020-02-01", "2020-03-01", "2020-04-01"]),
        (
            "2020-01-10",
            "h",
            1700,
            ["2020-01-15", "2020-02-01", "2020-02-15", "2020-03-01", "2020-03-15"],
        ),
    ],
)
def test_ticks_are_at_round_dates(begin: str, freq: str, steps: int, expected: list[str]) -> None:
    times = pd.date_range(begin, periods=steps, freq=freq).to_numpy()
    assert labels(times, past=steps - 12) == expected


def test_timestamps_that_are_never_round_are_labeled_as_they_are() -> None:
    times = pd.date_range("2007-01-31 07:13", periods=40, freq="97h").to_numpy()
    found = labels(times, past=30)
    assert 4 <= len(found) <= 6
    assert found[0] == "2007-01-31"


@pytest.mark.parametrize("freq", ["MS", "B", "h", "W", "min"])
def test_a_window_of_any_size_has_a_few_ticks_and_no_warning(freq: str) -> None:
    for steps in range(20, 130):
        times = pd.date_range("2021-04-07", periods=steps, freq=freq).to_numpy()
        found = labels(times, past=steps - 9)
        assert 3 <= len(found) <= 6, steps
        assert len(set(found)) == len(found), steps


def test_integer_timestamps_have_ticks() -> None:
    assert labels(np.arange(12), past=8)[::5] == ["0", "11"]
