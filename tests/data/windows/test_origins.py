"""Origins of windows: bounds of series, and separate targets of the parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.windows.origins import (
    OriginRanges,
    first_observed,
    training_origins,
    validation_windows,
    windows_at_origins,
)
from rnnforecast.data.windows.split import min_history, min_series_length, split_series
from rnnforecast.types import Bools, Ints


def panel(lengths: list[int], channels: int = 1, *, seed: int = 0) -> tuple[Bools, Ints]:
    """Which cells are observed, `[N, C]`, and the offsets."""
    rng = np.random.default_rng(seed)
    return rng.random((sum(lengths), channels)) < rng.random(), np.cumsum([0, *lengths])


def column(*seen: int) -> Bools:
    return np.array(seen, dtype=bool)[:, None]


def test_the_first_observed_step_of_each_item_is_found() -> None:
    observed = np.array([[0, 1], [1, 0], [1, 1], [0, 0], [0, 0], [0, 1]], dtype=bool)
    # series of 3, 2 and 1 steps
    found = first_observed(observed, np.array([0, 3, 5, 6]))
    assert found.tolist() == [1, 0, 2, 2, 1, 0]


@given(
    lengths=st.lists(st.integers(1, 8), min_size=1, max_size=6),
    channels=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_the_first_observed_step_agrees_with_a_loop(
    lengths: list[int], channels: int, seed: int
) -> None:
    observed, offsets = panel(lengths, channels, seed=seed)
    expected = []
    for series, length in enumerate(lengths):
        part = observed[offsets[series] : offsets[series + 1]]
        for channel in range(channels):
            seen = np.flatnonzero(part[:, channel])
            expected.append(seen[0] if len(seen) else length)
    assert first_observed(observed, offsets).tolist() == expected


def test_training_origins_of_one_series_by_hand() -> None:
    # first value at step 1, two steps of history, targets before step 9, horizon 4
    found = training_origins(
        column(0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1),
        np.array([0, 11]),
        ends=np.array([9]),
        horizon=4,
        season=1,
    )
    assert (found.first.tolist(), found.last.tolist(), found.target_end.tolist()) == ([3], [7], [9])
    assert found.n_windows == 5
    assert found.root_length.tolist() == [np.sqrt(7)]  # steps 1, 2, 3, 5, 6, 7, 8


def test_a_series_with_little_more_than_its_history_has_one_window() -> None:
    found = training_origins(
        column(*[1] * 6), np.array([0, 6]), ends=np.array([5]), horizon=4, season=4
    )
    assert (found.first.tolist(), found.last.tolist(), found.n_windows) == ([4], [4], 1)


@pytest.mark.parametrize(
    ("seen", "end"), [([1] * 6, 4), ([1] * 6, 0), ([0, 0, 0, 0, 0, 1], 6), ([0] * 6, 6)]
)
def test_a_series_without_a_target_after_its_history_has_no_window(
    seen: list[int], end: int
) -> None:
    found = training_origins(
        column(*seen), np.array([0, 6]), ends=np.array([end]), horizon=4, season=4
    )
    assert found.n_windows == 0
    assert found.last[0] < found.first[0]


def test_items_are_targets_of_series_in_order() -> None:
    found = windows_at_origins(np.array([5, -1, 7]), horizon=3, channels=2)
    assert found.item.tolist() == [0, 1, 4, 5]
    assert found.origin.tolist() == [5, 5, 7, 7]
    assert found.target_end.tolist() == [8, 8, 10, 10]


def test_validation_has_each_origin_of_each_target_of_each_validated_series_once() -> None:
    parts = split_series(np.array([40, 9, 40]), horizon=4, season=4, channels=2)
    found = validation_windows(parts, horizon=4, channels=2, max_windows=1000)
    assert parts.origins_per_series == 3
    windows = set(zip(found.item.tolist(), found.origin.tolist(), strict=True))
    assert windows == {(item, origin) for item in (0, 1, 4, 5) for origin in (30, 31, 32)}
    assert len(found.item) == 12
    assert (found.target_end == found.origin + 4).all()


@pytest.mark.parametrize("most", [1, 2, 5, 11])
def test_too_many_validation_windows_are_thinned_evenly_and_none_comes_twice(most: int) -> None:
    parts = split_series(np.array([40, 40, 40, 40]), horizon=4, season=4, channels=1)
    found = validation_windows(parts, horizon=4, channels=1, max_windows=most)
    windows = list(zip(found.item.tolist(), found.origin.tolist(), strict=True))
    assert len(windows) == len(set(windows)) == most
    if most > 1:
        assert {found.item[0], found.item[-1]} == {0, 3}


panels = st.builds(
    panel,
    st.lists(st.integers(1, 80), min_size=1, max_size=6),
    st.integers(1, 3),
    seed=st.integers(0, 999),
)


def items(observed: Bools, offsets: Ints) -> Ints:
    """The length of each item, `[S * C]`."""
    return np.repeat(np.diff(offsets), observed.shape[1])


def assert_inside(found: OriginRanges, length: Ints, first: Ints, history: int) -> None:
    drawn = found.last >= found.first
    assert (found.first[drawn] - first[drawn] >= history).all()
    assert (found.last[drawn] < found.target_end[drawn]).all()  # at least one target each
    assert (found.target_end <= length).all()


@settings(max_examples=200, deadline=None)
@given(made=panels, horizon=st.integers(1, 20), season=st.integers(1, 30))
def test_windows_stay_inside_and_the_parts_never_overlap_in_time(
    made: tuple[Bools, Ints], horizon: int, season: int
) -> None:
    observed, offsets = made
    channels, lengths = observed.shape[1], np.diff(offsets)
    if lengths.max() < min_series_length(horizon, season):
        return
    parts = split_series(lengths, horizon=horizon, season=season, channels=channels)
    history, length = min_history(horizon, season), items(observed, offsets)
    first = first_observed(observed, offsets)
    rest: dict[str, Any] = {"horizon": horizon, "season": season}

    trained = training_origins(observed, offsets, ends=parts.train_end, **rest)
    validated = validation_windows(parts, horizon=horizon, channels=channels, max_windows=10_000)
    tested = windows_at_origins(parts.test_origin, horizon=horizon, channels=channels)
    whole = training_origins(observed, offsets, ends=lengths, **rest)

    assert_inside(trained, length, first, history)
    assert_inside(whole, length, first, history)
    assert (whole.n_windows >= trained.n_windows) or not trained.n_windows

    # targets: training before `limit`, validation from there on, test from where that ends
    test_begin = np.full(len(length), np.iinfo(np.int64).max)
    test_begin[tested.item] = tested.origin
    assert (trained.target_end <= test_begin).all()
    assert (validated.origin >= trained.target_end[validated.item]).all()
    assert (validated.target_end <= test_begin[validated.item]).all()
    assert (tested.target_end == length[tested.item]).all()
    assert (validated.origin >= history).all()
    assert (tested.origin >= history).all()


@settings(max_examples=50, deadline=None)
@given(made=panels, horizon=st.integers(1, 20), season=st.integers(1, 30))
def test_the_sampling_weight_is_the_root_of_the_observed_values_before_the_end(
    made: tuple[Bools, Ints], horizon: int, season: int
) -> None:
    observed, offsets = made
    ends = np.random.default_rng(1).integers(0, np.diff(offsets) + 1)
    found = training_origins(observed, offsets, ends=ends, horizon=horizon, season=season)
    expected = [
        observed[begin : begin + end].sum(0) for begin, end in zip(offsets[:-1], ends, strict=True)
    ]
    np.testing.assert_allclose(found.root_length, np.sqrt(np.concatenate(expected)))
