"""Changes of synthetic series: of some series only, and each what it says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rnnforecast.pretraining.synthetic import augmentation
from rnnforecast.pretraining.synthetic.random import Random

COUNT, STEPS = 2000, 48
SOME = torch.full((COUNT, 1), 0.5)


def grow_some(random: Random, x: Tensor) -> Tensor:
    return augmentation.grow(random, x, SOME)


def smooth_some(random: Random, x: Tensor) -> Tensor:
    return augmentation.smooth(random, x, SOME)


CHANGES = [
    grow_some,
    smooth_some,
    augmentation.mix,
    augmentation.flip,
    augmentation.modulate,
    augmentation.place,
    augmentation.count_values,
    augmentation.censor,
    augmentation.add_outliers,
]


@pytest.fixture(scope="module")
def series() -> Tensor:
    return Random(0).normal(COUNT, STEPS).cumsum(1)


def changed(found: Tensor, series: Tensor) -> Tensor:
    return (found != series).any(1)


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
def test_a_change_is_finite_repeatable_and_leaves_some_series(
    series: Tensor, change: Callable[[Random, Tensor], Tensor]
) -> None:
    found = change(Random(1), series)
    assert found.shape == series.shape
    assert found.isfinite().all()
    assert torch.equal(found, change(Random(1), series))
    assert 0.03 < changed(found, series).float().mean() < 0.95


def test_the_share_of_series_grows_and_the_others_do_not(series: Tensor) -> None:
    found = augmentation.grow(Random(1), series, torch.arange(COUNT)[:, None] % 2)
    assert torch.equal(found[::2], series[::2])
    grown = found[1::2, -12:].mean(1) > found[1::2, :12].mean(1)
    assert grown.float().mean() > 0.95


def test_the_share_of_series_becomes_smooth_and_keeps_its_mean(series: Tensor) -> None:
    noise = series.diff(dim=1)
    found = augmentation.smooth(Random(1), noise, torch.arange(COUNT)[:, None] % 2)
    assert torch.equal(found[::2], noise[::2])
    sizes = found.diff(dim=1).abs().mean(1)
    assert sizes[1::2].max() < 0.8 * sizes[::2].median()
    level = augmentation.smooth(Random(1), torch.full((COUNT, STEPS), 7.0), 2 * SOME)
    torch.testing.assert_close(level, torch.full((COUNT, STEPS), 7.0))


def test_series_are_reversed_in_time_or_sign(series: Tensor) -> None:
    found = augmentation.flip(Random(1), series)
    forms = torch.stack([series, series.flip(1), -series, -series.flip(1)])
    of = (found == forms).all(2)
    assert (of.sum(0) == 1).all()
    assert (of.sum(1) > 0).all()


def test_counts_are_whole_and_never_negative_and_some_are_often_zero(series: Tensor) -> None:
    found = augmentation.count_values(Random(1), series)
    counts = found[changed(found, series)]
    assert torch.equal(counts, counts.round())
    assert (counts >= 0).all()
    zeros = (counts == 0).float().mean(1)
    assert (zeros > 0.5).float().mean() > 0.1
    assert (zeros == 0).float().mean() > 0.1


def test_most_series_become_positive(series: Tensor) -> None:
    found = augmentation.place(Random(1), series)
    assert (found > 0).all(1).float().mean() > 0.6


def test_censored_values_stay_between_the_old_ones_or_are_multiples_of_a_unit(
    series: Tensor,
) -> None:
    found = augmentation.censor(Random(1), series)
    rows = changed(found, series)
    kept, limits = found[rows], series[rows]
    capped = (kept.amax(1) < limits.amax(1)) | (kept.amin(1) > limits.amin(1))
    few = torch.tensor([row.unique().numel() for row in kept]) < STEPS
    assert (capped | few).all()


def test_outliers_are_few_and_far(series: Tensor) -> None:
    found = augmentation.add_outliers(Random(1), series)
    rows = changed(found, series)
    share = (found != series)[rows].float().mean()
    assert share < 0.05
    distance = ((found - series).abs() / series.std(1, keepdim=True))[found != series]
    assert distance.median() > 1


def test_gaps_are_of_some_series_as_single_steps_and_as_blocks() -> None:
    observed = augmentation.observe(Random(1), COUNT, 200)
    lacking = ~observed.all(1)
    assert 0.1 < lacking.float().mean() < 0.25
    assert observed.float().mean(1).amin() > 0.3
    longest = torch.zeros(COUNT, dtype=torch.int64)
    current = torch.zeros(COUNT, dtype=torch.int64)
    for step in range(200):
        current = torch.where(observed[:, step], 0, current + 1)
        longest = longest.maximum(current)
    assert (longest > 20).float().mean() > 0.02
