"""Random windows: their bounds, weights and recency."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.training.sampler import SAMPLING_BLOCK_STEPS, WindowSampler
from rnnforecast.types import Floats, Ints

CPU = torch.device("cpu")


def sampler(**changes: Any) -> WindowSampler:
    given: dict[str, Any] = {
        "first_origin": np.array([2, 3, 5, 4]),
        "last_origin": np.array([9, 3, 4, 40]),
        "target_end": np.array([12, 5, 5, 43]),
        "item_weight": np.array([1.0, 2.0, 50.0, 3.0]),
        "batch_size": 8,
        "seed": 1,
        "device": CPU,
    }
    return WindowSampler(**{**given, **changes})


def drawn(found: WindowSampler, steps: int) -> tuple[Ints, Ints, Ints]:
    """Items, origins and limits of the first `steps` steps, in one row each."""
    parts = zip(*(found.sample(step) for step in range(steps)), strict=True)
    item, origin, limit = (torch.cat(part).numpy() for part in parts)
    return item, origin, limit


@settings(max_examples=30, deadline=None)
@given(
    ranges=st.lists(st.tuples(st.integers(0, 30), st.integers(-5, 60)), min_size=1, max_size=5),
    seed=st.integers(0, 10_000),
    recency=st.sampled_from([1.0, 2.0, 3.0]),
)
def test_origins_stay_between_first_and_last_and_items_without_windows_are_never_drawn(
    ranges: list[tuple[int, int]], seed: int, recency: float
) -> None:
    first = np.array([begin for begin, _ in ranges])
    last = np.array([begin + width for begin, width in ranges])
    limit = last + 3
    given_ = {
        "first_origin": first,
        "last_origin": last,
        "target_end": limit,
        "item_weight": np.ones(len(first)),
    }
    if (last < first).all():
        with pytest.raises(ValueError, match="no item has an origin"):
            sampler(**given_)
        return
    item, origin, limits = drawn(sampler(**given_, seed=seed, recency=recency), 4)
    assert (first[item] <= origin).all()
    assert (origin <= last[item]).all()
    assert (limits == limit[item]).all()


def test_both_the_first_and_the_last_origin_are_drawn() -> None:
    item, origin, _ = drawn(sampler(), 400)
    for number, (first, last) in enumerate([(2, 9), (3, 3)]):
        assert set(origin[item == number]) == set(range(first, last + 1))


def test_items_are_drawn_in_proportion_to_their_weights() -> None:
    item, _, _ = drawn(sampler(batch_size=256), 100)
    share = np.bincount(item, minlength=4) / len(item)
    # item 2 has the largest weight and no window
    np.testing.assert_allclose(share, [1 / 6, 2 / 6, 0, 3 / 6], atol=0.015)


@pytest.mark.parametrize("step", [0, 5, SAMPLING_BLOCK_STEPS - 1, SAMPLING_BLOCK_STEPS, 200])
def test_what_a_step_draws_does_not_depend_on_earlier_draws(step: int) -> None:
    used, fresh = sampler(), sampler()
    for earlier in (3, 500, 70, 1):
        used.sample(earlier)
    torch.manual_seed(77)
    torch.rand(5)
    for left, right in zip(used.sample(step), fresh.sample(step), strict=True):
        assert torch.equal(left, right)


def test_steps_and_seeds_draw_different_windows() -> None:
    found = sampler()
    draws = [
        tuple(found.sample(step)[1].tolist()) for step in (0, 1, SAMPLING_BLOCK_STEPS, 10 * 64 + 1)
    ]
    draws.append(tuple(sampler(seed=2).sample(0)[1].tolist()))
    assert len(set(draws)) == len(draws)


@pytest.mark.parametrize(("recency", "expected"), [(1.0, 1 / 2), (2.0, 1 / 3), (3.0, 1 / 4)])
def test_recent_origins_come_more_often(recency: float, expected: float) -> None:
    one = {
        "first_origin": np.array([0]),
        "last_origin": np.array([99_999]),
        "target_end": np.array([100_000]),
        "item_weight": np.ones(1),
    }
    _, origin, _ = drawn(sampler(**one, recency=recency, batch_size=256), 64)
    age = (99_999 - origin) / 100_000
    assert age.mean() == pytest.approx(expected, abs=0.01)  # the mean of u ** recency


@pytest.mark.parametrize("weight", [np.zeros(4), np.array([0.0, 0, 9, 0])])
def test_without_any_window_there_is_nothing_to_draw(weight: Floats) -> None:
    with pytest.raises(ValueError, match="no item has an origin to train on"):
        sampler(item_weight=weight)
