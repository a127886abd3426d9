"""Heads: quantiles that cannot cross, and losses that agree with a hand calculation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rnnforecast.models.heads import FIRST_GAP, Head, PointHead, QuantileHead, weighted_mean

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def cell(*values: float) -> Tensor:
    """One step of one target, `[1, 1, 1, P]`."""
    return torch.tensor(values)[None, None, None]


def raw_for(head: QuantileHead, quantiles: np.ndarray) -> Tensor:
    """The raw numbers that give these increasing `quantiles [..., Q]`."""
    gaps = np.diff(quantiles, axis=-1)
    hidden = np.log(np.expm1(gaps)) - FIRST_GAP  # softplus undone
    middle = quantiles[..., head.middle : head.middle + 1]
    parts = [hidden[..., : head.middle], middle, hidden[..., head.middle :]]
    return torch.from_numpy(np.concatenate(parts, -1).astype(np.float32))


levels_with_median = st.lists(
    st.floats(0.01, 0.99).filter(lambda x: x != 0.5), max_size=6, unique=True
).map(lambda found: tuple(sorted([*found, 0.5])))


@settings(max_examples=60, deadline=None)
@given(levels=levels_with_median, data=st.data())
def test_quantiles_never_cross_whatever_the_net_says(
    levels: tuple[float, ...], data: st.DataObject
) -> None:
    number = st.floats(-(2.0**100), 2.0**100, width=32)
    raw = data.draw(st.lists(number, min_size=len(levels), max_size=len(levels)))
    found = QuantileHead(levels).quantiles(cell(*raw))[0, 0, 0]
    assert found.isfinite().all()
    assert (found.diff() >= 0).all()
    assert found[levels.index(0.5)] == torch.tensor(raw)[levels.index(0.5)]


def test_quantiles_are_the_median_and_the_sums_of_the_gaps_on_both_sides() -> None:
    def gap(x: float) -> float:
        return math.log1p(math.exp(x + FIRST_GAP))

    found = QuantileHead(LEVELS).quantiles(cell(0.3, -1.0, 7.0, 2.0, 0.5))
    expected = [
        7 - gap(-1.0) - gap(0.3),
        7 - gap(-1.0),
        7,
        7 + gap(2.0),
        7 + gap(2.0) + gap(0.5),
    ]
    np.testing.assert_allclose(found.flatten().numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("levels", [(0.1, 0.9), (0.5, 0.1), (0.5, 0.5), ()])
def test_levels_unsorted_doubled_or_without_a_median_are_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"sorted, different and hold 0\.5"):
        QuantileHead(levels)


def test_the_pinball_loss_is_that_of_a_calculation_by_hand() -> None:
    head = QuantileHead((0.1, 0.5, 0.9))
    raw = raw_for(head, np.array([[[[2.0, 3.0, 5.0]]]]))
    # target 4: 0.1 * (4 - 2), 0.5 * (4 - 3), 0.1 * (5 - 4); doubled, and their mean
    loss = head.loss(raw, torch.tensor([[[4.0]]]), torch.ones(1, 1, 1))
    assert loss.item() == pytest.approx(2 * (0.2 + 0.5 + 0.1) / 3, rel=1e-6)


def test_the_median_alone_has_the_absolute_error_as_its_loss() -> None:
    raw, target, weight = cell(3.0), torch.tensor([[[5.5]]]), torch.ones(1, 1, 1)
    assert QuantileHead((0.5,)).loss(raw, target, weight).item() == 2.5
    assert PointHead("mae").loss(raw, target, weight).item() == 2.5


def test_the_pinball_loss_agrees_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    head = QuantileHead(LEVELS)
    quantiles = np.sort(rng.normal(0, 2, (4, 3, 2, len(LEVELS))), -1)
    target = rng.normal(0, 2, (4, 3, 2))
    loss = head.loss(
        raw_for(head, quantiles), torch.from_numpy(target).float(), torch.ones(4, 3, 2)
    )
    expected = np.mean(
        [
            2 * metrics.mean_pinball_loss(target.ravel(), quantiles[..., q].ravel(), alpha=level)
            for q, level in enumerate(LEVELS)
        ]
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mae", (0.5 + 3.0) / 2),
        ("mse", (0.25 + 9.0) / 2),
        ("huber", (0.5 * 0.25 + (3.0 - 0.5)) / 2),  # Huber 1964 with delta 1
    ],
)
def test_point_losses_are_those_of_a_calculation_by_hand(loss: str, expected: float) -> None:
    raw, target = torch.tensor([[[[1.0]], [[2.0]]]]), torch.tensor([[[1.5], [-1.0]]])
    assert PointHead(loss).loss(raw, target, torch.ones(1, 2, 1)).item() == pytest.approx(expected)


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(KeyError, match="mape"):
        PointHead("mape")


HEADS: dict[str, Head] = {
    "quantile": QuantileHead(LEVELS),
    **{loss: PointHead(loss) for loss in ("mae", "mse", "huber")},
}
every_head = pytest.mark.parametrize("name", sorted(HEADS))


@every_head
def test_steps_that_were_not_observed_are_left_out(name: str) -> None:
    head = HEADS[name]
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(3, 4, 2, head.width, generator=generator, requires_grad=True)
    target = torch.randn(3, 4, 2, generator=generator)
    weight = (torch.rand(3, 4, 2, generator=generator) < 0.5).float()
    loss = head.loss(raw, target, weight)
    assert torch.equal(loss, head.loss(raw, torch.where(weight > 0, target, 1e6), weight))
    (gradient,) = torch.autograd.grad(loss, raw)
    assert (gradient[weight == 0] == 0).all()
    alone = torch.stack(
        [
            head.loss(
                raw[b, h, c][None, None, None], target[b, h, c].view(1, 1, 1), torch.ones(1, 1, 1)
            )
            for b, h, c in weight.nonzero().tolist()
        ]
    )
    torch.testing.assert_close(loss, alone.mean())


@every_head
def test_a_batch_without_an_observed_step_has_no_loss_and_no_gradient(name: str) -> None:
    head = HEADS[name]
    raw = torch.ones(1, 2, 1, head.width, requires_grad=True)
    loss = head.loss(raw, torch.zeros(1, 2, 1), torch.zeros(1, 2, 1))
    (gradient,) = torch.autograd.grad(loss, raw)
    assert loss.item() == 0
    assert (gradient == 0).all()


def test_the_mean_is_over_what_is_observed() -> None:
    losses, weight = torch.tensor([1.0, 2.0, 30.0]), torch.tensor([1.0, 1.0, 0.0])
    assert weighted_mean(losses, weight).item() == 1.5


def test_a_point_stands_for_every_quantile() -> None:
    raw = torch.ones(2, 3, 1, 1)
    assert torch.equal(PointHead("mse").quantiles(raw), raw)
