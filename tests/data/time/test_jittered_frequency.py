"""The usual step that is nearest to the median step of most series."""

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.time.frequency import SECOND, parse_frequency
from rnnforecast.data.time.jittered_frequency import infer_jittered_frequency
from rnnforecast.errors import DataError


@pytest.mark.parametrize(
    "alias",
    ["s", "5s", "30s", "min", "5min", "15min", "20min", "30min", "h", "2h", "6h", "12h", "D", "B",
     "W-WED", "MS", "ME", "QS-FEB", "QE-NOV", "YS-APR", "YE-JUN", "100ms"],
)  # fmt: skip
def test_the_frequency_of_jittered_timestamps_is_the_nearest_round_step(alias):
    random = np.random.default_rng(3)
    exact = pd.date_range("2018-02-03", periods=60, freq=alias).to_numpy().astype("datetime64[us]")
    width = int(np.diff(exact).min().astype(np.int64))
    low = 0 if alias in ("B", "W-WED") else -width // 20  # else the day before is as likely
    high = 1 if alias[:2] in ("ME", "QE", "YE") else width // 20
    time = exact + random.integers(low, high, 60).astype("timedelta64[us]")
    assert infer_jittered_frequency(np.zeros(60, dtype=np.int64), time) == parse_frequency(alias)


def test_the_series_vote_on_the_frequency_and_of_equal_numbers_the_finer_wins():
    steps = [[61, 58, 60], [3605, 3590], [3580, 3640], [], [0, 0]]
    time = np.concatenate([np.cumsum([0, *step]) for step in steps]) * SECOND
    codes = np.repeat(np.arange(5), [len(step) + 1 for step in steps])
    assert infer_jittered_frequency(codes, time.astype("datetime64[us]")).alias == "h"
    few = codes != 2
    assert infer_jittered_frequency(codes[few], time[few].astype("datetime64[us]")).alias == "min"


def test_whole_numbers_have_the_rounded_median_step():
    assert infer_jittered_frequency(
        np.zeros(5, dtype=np.int64), np.array([0, 9, 20, 30, 41])
    ) == parse_frequency("10")


def test_without_a_step_there_is_no_frequency():
    with pytest.raises(DataError, match="no series has two different timestamps"):
        infer_jittered_frequency(np.array([0, 0, 1]), np.array([5, 5, 7]))
