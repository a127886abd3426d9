"""The quantile head: quantiles that cannot cross, and the pinball loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rnnforecast.models.heads.quantile import INITIAL_GAP, QuantileHead
from tests.models.heads.cells import IDENTITY, LEVELS, cell, identity_scaler


def raw_for(head: QuantileHead, quantiles: np.ndarray) -> Tensor:
    """The raw outputs that give these increasing `quantiles [..., Q]`."""
    gaps = np.diff(quantiles, axis=-1)
    hidden = np.log(np.expm1(gaps)) - INITIAL_GAP  # softplus undone
    middle = quantiles[..., head.location_index : head.location_index + 1]
    parts = [hidden[..., : head.location_index], middle, hidden[..., head.location_index :]]
    return torch.from_numpy(np.concatenate(parts, -1).astype(np.float32))


levels_with_median = st.lists(
    st.floats(0.01, 0.99).filter(lambda x: x != 0.5), max_size=6, unique=True
).map(lambda found: tuple(sorted([*found, 0.5])))


@settings(max_examples=60, deadline=None)
@given(levels=levels_with_median, data=st.data())
def test_quantiles_never_cross_for_any_network_output(
    levels: tuple[float, ...], data: st.DataObject
) -> None:
    number = st.floats(-(2.0**100), 2.0**100, width=32)
    raw = data.draw(st.lists(number, min_size=len(levels), max_size=len(levels)))
    found = QuantileHead(levels).quantiles(cell(*raw), IDENTITY, levels)[0, 0, 0]
    assert found.isfinite().all()
    assert (found.diff() >= 0).all()
    assert found[levels.index(0.5)] == torch.tensor(raw)[levels.index(0.5)]


def test_quantiles_are_the_median_and_the_sums_of_the_gaps_on_both_sides() -> None:
    def gap(x: float) -> float:
        return math.log1p(math.exp(x + INITIAL_GAP))

    found = QuantileHead(LEVELS).quantiles(cell(0.3, -1.0, 7.0, 2.0, 0.5), IDENTITY, LEVELS)
    expected = [
        7 - gap(-1.0) - gap(0.3),
        7 - gap(-1.0),
        7,
        7 + gap(2.0),
        7 + gap(2.0) + gap(0.5),
    ]
    np.testing.assert_allclose(found.flatten().numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("levels", [(0.1, 0.9), (0.5, 0.1), (0.5, 0.5), ()])
def test_unsorted_or_repeated_levels_or_none_of_0_5_are_refused(
    levels: tuple[float, ...],
) -> None:
    with pytest.raises(ValueError, match=r"sorted, distinct and contain 0\.5"):
        QuantileHead(levels)


def test_the_pinball_loss_agrees_with_a_calculation_by_hand() -> None:
    head = QuantileHead((0.1, 0.5, 0.9))
    raw = raw_for(head, np.array([[[[2.0, 3.0, 5.0]]]]))
    # target 4: 0.1 * (4 - 2), 0.5 * (4 - 3), 0.1 * (5 - 4); doubled, and their mean
    loss = head.loss(raw, torch.tensor([[[4.0]]]), torch.ones(1, 1, 1), IDENTITY)
    assert loss.item() == pytest.approx(2 * (0.2 + 0.5 + 0.1) / 3, rel=1e-6)


def test_the_median_alone_has_the_absolute_error_as_its_loss() -> None:
    raw, target, weight = cell(3.0), torch.tensor([[[5.5]]]), torch.ones(1, 1, 1)
    assert QuantileHead((0.5,)).loss(raw, target, weight, IDENTITY).item() == 2.5


def test_the_pinball_loss_agrees_with_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    head = QuantileHead(LEVELS)
    quantiles = np.sort(rng.normal(0, 2, (4, 3, 2, len(LEVELS))), -1)
    target = rng.normal(0, 2, (4, 3, 2))
    loss = head.loss(
        raw_for(head, quantiles),
        torch.from_numpy(target),
        torch.ones(4, 3, 2),
        identity_scaler(4, 2),
    )
    expected = np.mean(
        [
            2 * sklearn.mean_pinball_loss(target.ravel(), quantiles[..., q].ravel(), alpha=level)
            for q, level in enumerate(LEVELS)
        ]
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_quantiles_are_linear_between_trained_levels_and_exponential_beyond_them() -> None:
    head = QuantileHead((0.1, 0.2, 0.5, 0.8, 0.9))
    # quantiles of the Laplace distribution, whose tails are exponential from the median on
    laplace = np.array([math.log(0.2), math.log(0.4), 0.0, -math.log(0.4), -math.log(0.2)])
    raw = raw_for(head, laplace[None, None, None])
    levels = (0.001, 0.1, 0.15, 0.5, 0.6, 0.9, 0.99)
    found = head.quantiles(raw, IDENTITY, levels)[0, 0, 0].numpy()
    expected = [
        math.log(0.002),
        *(laplace[0], (laplace[0] + laplace[1]) / 2),
        0.0,
        laplace[3] / 3,
        laplace[4],
        -math.log(0.02),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    own = head.quantiles(raw, IDENTITY, tuple(head.levels.tolist()))[0, 0, 0]
    assert found[1] == own[0]
    assert found[5] == own[4]


def test_samples_lie_below_each_quantile_with_its_probability() -> None:
    torch.manual_seed(0)
    head = QuantileHead(LEVELS)
    raw = torch.tensor([0.3, -1.0, 7.0, 2.0, 0.5]).expand(20_000, 1, 1, -1)
    samples = head.sample(raw, identity_scaler(20_000))
    below = (samples.unsqueeze(-1) <= head.trained_quantiles(raw)).float().mean((0, 1, 2))
    np.testing.assert_allclose(below, LEVELS, atol=0.015)


def test_the_median_alone_has_no_other_quantile() -> None:
    found = QuantileHead((0.5,)).quantiles(cell(3.0), IDENTITY, (0.1, 0.5, 0.9))
    assert found.flatten().tolist() == [3.0, 3.0, 3.0]
