"""Batches of synthetic series: the same for the same number, and usable by the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnnforecast.models.pretrained.context import PATCH_LENGTH
from rnnforecast.pretraining.synthetic.batches import (
    LONGEST,
    MAX_HORIZON,
    N_CALENDARS,
    Batch,
    synthetic_batch,
)

SEED, COUNT, PATCHES = 5, 40, 64


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    return [synthetic_batch(SEED, number, patches=PATCHES) for number in range(COUNT)]


def test_a_batch_is_a_function_of_seed_and_number(batches: list[Batch]) -> None:
    torch.manual_seed(0)  # no generator but its own
    for number in (7, 3):
        again = synthetic_batch(SEED, number, patches=PATCHES)
        for name, value in vars(batches[number]).items():
            assert value.numpy().tobytes() == getattr(again, name).numpy().tobytes(), name
    others = [synthetic_batch(SEED + 1, 3, patches=PATCHES), batches[4]]
    for other in others:
        assert other.values.shape != batches[3].values.shape or not torch.equal(
            other.values, batches[3].values
        )


def test_series_are_finite_and_whole_patches_in_number_as_asked(batches: list[Batch]) -> None:
    for batch in batches:
        count, context = batch.values.shape
        assert batch.values.isfinite().all()
        assert batch.future.isfinite().all()
        assert batch.observed.shape == (count, context)
        assert batch.future.shape[0] == len(batch.seasons) == count
        steps = context + batch.future.shape[1]
        assert context % PATCH_LENGTH == batch.future.shape[1] % PATCH_LENGTH == 0
        assert context <= LONGEST
        assert batch.future.shape[1] <= MAX_HORIZON
        assert count == max(PATCHES * PATCH_LENGTH // steps, 8)


def test_lengths_are_spread_evenly_over_orders_of_magnitude_and_many_are_short(
    batches: list[Batch],
) -> None:
    contexts = np.array([batch.values.shape[1] for batch in batches])
    assert 0.25 < (contexts <= 80).mean() < 0.6
    assert (contexts > 500).mean() > 0.1
    first = torch.cat([batch.observed.to(torch.uint8).argmax(1) for batch in batches])
    shortened = first > 3
    assert 0.3 < shortened.float().mean() < 0.7
    observed = torch.cat([batch.observed.sum(1) for batch in batches])
    assert (observed < 20).float().mean() > 0.05


def test_nearly_all_series_have_observed_steps_and_most_have_no_gaps(batches: list[Batch]) -> None:
    observed = torch.cat([batch.observed.sum(1) for batch in batches])
    assert (observed >= 3).float().mean() > 0.999
    gaps = []
    for batch in batches:
        first = batch.observed.to(torch.uint8).argmax(1, keepdim=True)
        inside = torch.arange(batch.observed.shape[1]) >= first
        gaps.append((inside & ~batch.observed).any(1))
    assert 0.05 < torch.cat(gaps).float().mean() < 0.4


def test_seasons_are_known_wrong_or_absent(batches: list[Batch]) -> None:
    for batch in batches:
        distinct = {tuple(pair) for pair in batch.seasons.tolist()}
        assert len(distinct) <= 2 * N_CALENDARS + 19
        assert (batch.seasons >= 0).all()
    absent = torch.cat([(batch.seasons == 0).all(1) for batch in batches]).float().mean()
    assert 0.15 < absent < 0.6


def test_values_are_of_all_kinds_of_units(batches: list[Batch]) -> None:
    positive = torch.cat([(batch.values >= 0).all(1) for batch in batches]).float().mean()
    assert 0.5 < positive < 0.95
    whole = torch.cat([(batch.values == batch.values.round()).all(1) for batch in batches])
    assert 0.01 < whole.float().mean() < 0.3
