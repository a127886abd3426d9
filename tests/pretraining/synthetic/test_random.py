"""Random tensors: the same of a seed, and of the distribution that they are named by."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from rnnforecast.pretraining.synthetic.random import Random

COUNT = 4000


def test_a_seed_gives_the_same_tensors_whatever_torch_has_drawn_before() -> None:
    first = Random(3)
    draws = [first.normal(5), first.chance(0.5, 5), first.permutation(5)]
    torch.rand(7)
    again = Random(3)
    assert torch.equal(again.normal(5), draws[0])
    assert torch.equal(again.chance(0.5, 5), draws[1])
    assert torch.equal(again.permutation(5), draws[2])
    assert not torch.equal(Random(4).normal(5), draws[0])


def test_draws_have_their_distributions() -> None:
    random = Random(0)
    cases = [
        (random.uniform(2, 5, COUNT), stats.uniform(2, 3).cdf),
        (random.log_uniform(0.1, 50, COUNT), stats.loguniform(0.1, 50).cdf),
        (random.normal(COUNT), stats.norm.cdf),
        (random.student_t(3, COUNT), stats.t(3).cdf),
    ]
    for drawn, distribution in cases:
        assert stats.kstest(drawn.double().numpy(), distribution).pvalue > 0.001


def test_indices_have_their_weights_and_chances_their_probability() -> None:
    random = Random(0)
    share = np.bincount(random.choice((1.0, 0.0, 3.0), COUNT).numpy(), minlength=3) / COUNT
    np.testing.assert_allclose(share, [0.25, 0, 0.75], atol=0.03)
    assert random.chance(0.2, COUNT).float().mean().item() == pytest.approx(0.2, abs=0.03)
    assert sorted(set(random.integers(2, 5, 100).tolist())) == [2, 3, 4]
    assert sorted(random.permutation(6).tolist()) == list(range(6))
