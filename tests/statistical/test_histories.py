"""Histories of many series as one array."""

from __future__ import annotations

import numpy as np

from rnnforecast.statistical.histories import Histories


def test_histories_without_a_step_have_no_length() -> None:
    histories = Histories.from_values(np.zeros((0, 3)))
    assert histories.lengths.tolist() == [0, 0, 0]
    assert histories.last(5).values.shape == (0, 3)


def test_gaps_are_interpolated_and_the_last_value_is_repeated() -> None:
    nan = np.nan
    histories = Histories.from_values(
        np.array([[nan, 1, nan, nan, 4, nan], [2, nan] + [nan] * 4]).T
    )
    assert histories.values.T.tolist() == [[0, 1, 2, 3, 4, 4], [2] * 6]
    assert histories.observed.T.tolist() == [
        [False, True, False, False, True, False],
        [True] + [False] * 5,
    ]
    assert histories.start.tolist() == [1, 0]
