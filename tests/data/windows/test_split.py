"""Training, validation and test parts: their order and lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.windows.split import (
    MAX_VALIDATION_SHARE,
    TARGET_VALIDATION_WINDOWS,
    Split,
    min_history,
    min_series_length,
    shorter_horizon_hint,
    split_series,
)
from rnnforecast.errors import DataError


def split(*lengths: int, horizon: int = 4, season: int = 4, channels: int = 1) -> Split:
    return split_series(np.array(lengths), horizon=horizon, season=season, channels=channels)


def test_split_of_one_short_series_by_hand() -> None:
    # 40 steps, horizon 4: 15 % of 40 is 6, so 3 validation origins a step apart: 6 steps
    found = split(40)
    assert (found.origins_per_series, found.stride) == (3, 1)
    assert found.train_end.tolist() == [30]
    assert found.test_origin.tolist() == [36]
    assert found.has_validation.tolist() == [True]


def test_many_series_need_one_validation_origin_each() -> None:
    found = split(*[400] * 600)
    assert found.origins_per_series == 1
    assert set(found.train_end) == {400 - 4 - 4}


def test_each_target_is_a_window() -> None:
    assert split(10_000, channels=1).origins_per_series == TARGET_VALIDATION_WINDOWS
    assert split(10_000, channels=8).origins_per_series == TARGET_VALIDATION_WINDOWS / 8


def test_origins_of_a_long_horizon_are_a_quarter_of_it_apart() -> None:
    found = split(2000, horizon=40)
    assert found.stride == 10
    assert found.origins_per_series == (0.15 * 2000 - 40) // 10 + 1


def test_a_series_too_short_for_a_test_part_is_not_trained_on() -> None:
    found = split(40, 7)
    assert found.test_origin.tolist()[1] == -1
    assert found.train_end.tolist()[1] == 0
    assert found.has_validation.tolist() == [True, False]


def test_a_series_too_short_for_validation_is_trained_up_to_its_test_part() -> None:
    found = split(40, 40, 11)
    assert found.has_validation.tolist() == [True, True, False]
    assert found.test_origin[2] == found.train_end[2] == 7


def test_validation_never_takes_the_last_training_window_of_a_series() -> None:
    # 4 of history, a target, 4 to validate, 4 to test; one step less, and training goes first
    assert (split(13).train_end[0], split(13).has_validation[0]) == (5, True)
    assert (split(12).train_end[0], split(12).has_validation[0]) == (8, False)


@pytest.mark.parametrize(
    ("horizon", "season", "history"), [(4, 1, 2), (4, 3, 3), (4, 4, 4), (4, 12, 4), (1, 12, 2)]
)
def test_a_window_needs_a_season_of_history_if_that_is_no_longer_than_the_horizon(
    horizon: int, season: int, history: int
) -> None:
    assert min_history(horizon, season) == history
    assert min_series_length(horizon, season) == horizon + history


@pytest.mark.parametrize(("longest", "possible"), [(7, 2), (4, 0), (1, 0)])
def test_an_error_names_the_lengths_and_the_longest_possible_horizon(
    longest: int, possible: int
) -> None:
    with pytest.raises(DataError) as caught:
        split(2, longest, 1)
    text = str(caught.value)
    assert "window.horizon: 4" in text
    assert f"needs at least 8 steps, the longest series has {max(longest, 2)}" in text
    cure = f"set window.horizon to {possible} or less, or bring" if possible else "— bring"
    assert f"{cure} more history" in text


@given(longest=st.integers(5, 200), season=st.integers(1, 60))
def test_the_suggested_horizon_is_the_longest_with_validation(longest: int, season: int) -> None:
    words = shorter_horizon_hint(longest, longest, season)
    horizon = int(words.split()[3])
    assert split(longest, horizon=horizon, season=season).has_validation.all()
    try:
        longer = split(longest, horizon=horizon + 1, season=season)
    except DataError:
        return
    assert not longer.has_validation.any()


lengths = st.lists(st.integers(1, 300), min_size=1, max_size=20)


def test_many_series_are_scored_by_as_many_as_wished_spread_over_all() -> None:
    series = split(*[3] * 5, *[40] * 100)
    assert series.scored_series(100).tolist() == list(range(5, 105))
    sample = series.scored_series(10)
    assert ((sample - 5) // 10).tolist() == list(range(10))  # one in each tenth
    assert len(set((sample - 5) % 10)) > 1  # not every tenth
    assert (sample == series.scored_series(10)).all()


@settings(max_examples=200, deadline=None)
@given(
    lengths=lengths,
    horizon=st.integers(1, 40),
    season=st.integers(1, 60),
    channels=st.integers(1, 4),
)
def test_training_validation_and_test_follow_one_another_without_overlap(
    lengths: list[int], horizon: int, season: int, channels: int
) -> None:
    size = np.array(lengths)
    if size.max() < min_series_length(horizon, season):
        with pytest.raises(DataError):
            split(*lengths, horizon=horizon, season=season, channels=channels)
        return
    found = split(*lengths, horizon=horizon, season=season, channels=channels)
    history = min_history(horizon, season)
    tested = found.test_origin >= 0

    assert (tested == (size >= min_series_length(horizon, season))).all()
    assert (found.test_origin[tested] == size[tested] - horizon).all()
    assert (found.train_end[~tested] == 0).all()
    assert not found.has_validation[~tested].any()

    span = horizon + (found.origins_per_series - 1) * found.stride
    left = found.test_origin - found.train_end
    assert (left[found.has_validation] == span).all()
    assert (left[tested & ~found.has_validation] == 0).all()
    assert (found.train_end[tested] >= history).all()
    assert (found.train_end[found.has_validation] > history).all()
    assert span == horizon or span <= MAX_VALIDATION_SHARE * np.median(size)
