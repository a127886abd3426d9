"""Optimizers and penalties against torch and calculations by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rnnforecast.training.optimizers import UPDATE_FUNCTIONS, Optimizer, add_l1_gradient
from tests.training.fits import (
    make_validation_loss,
    net,
    same,
    short_config,
    trainer,
    weights_of,
)


def one_weight() -> nn.Parameter:
    return nn.Parameter(torch.tensor([2.0, -3.0]))


@pytest.mark.parametrize("kind", UPDATE_FUNCTIONS)
def test_weights_shrink_by_themselves_only_where_decay_is_decoupled(kind: str) -> None:
    found = one_weight()
    found.grad = torch.tensor([0.5, 0.5])
    Optimizer(kind, [found], learning_rate=0.1, weight_decay=0.2).step()
    before, gradient = torch.tensor([2.0, -3.0]), torch.tensor([0.5, 0.5])
    coupled = gradient + 0.2 * before
    expected = {
        "adamw": before * (1 - 0.1 * 0.2) - 0.1 * gradient.sign(),
        "adam": before - 0.1 * coupled.sign(),
        "sgd": before - 0.1 * (coupled + 0.9 * coupled),  # Nesterov looks a step ahead
        "rmsprop": before - 0.1 * coupled / (0.1 * coupled.abs()),  # the root of 0.01 of its square
    }[kind]
    torch.testing.assert_close(found.detach(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", UPDATE_FUNCTIONS)
def test_many_updates_are_those_of_torchs_own_optimizers(kind: str) -> None:
    given = {"lr": 0.03, "weight_decay": 0.1}
    twins: dict[str, Callable[[list[Tensor]], torch.optim.Optimizer]] = {
        "adamw": lambda weights: torch.optim.AdamW(weights, **given),
        "adam": lambda weights: torch.optim.Adam(weights, **given),
        "sgd": lambda weights: torch.optim.SGD(weights, momentum=0.9, nesterov=True, **given),
        "rmsprop": lambda weights: torch.optim.RMSprop(weights, **given),
    }
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(3, 2, generator=generator), torch.randn(4, generator=generator)]
    ours, theirs, idle = ([part.clone() for part in start] for _ in range(3))
    optimizer = Optimizer(kind, [*ours, *idle], learning_rate=1.0, weight_decay=0.1)
    optimizer.learning_rate = 0.03
    twin = twins[kind](theirs)
    for _ in range(30):
        for mine, its in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            its.grad = mine.grad.clone()
        optimizer.step()
        twin.step()
    for mine, its in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-6)
    assert all(torch.equal(*pair) for pair in zip(idle, start, strict=True))


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown optimizer 'lion'"):
        Optimizer("lion", [one_weight()], learning_rate=0.1, weight_decay=0.0)


@pytest.mark.parametrize("kind", UPDATE_FUNCTIONS)
def test_every_optimizer_learns(kind: str) -> None:
    found = net(dropout=0.0)
    loss = make_validation_loss(found)
    with torch.no_grad():
        before = loss()
    rate = 0.1 if kind == "sgd" else 0.01
    trainer(
        found, short_config(optimizer=kind, max_steps=150, learning_rate=rate, weight_decay=0.0)
    ).fit()
    with torch.no_grad():
        assert loss() < 0.8 * before


def test_l1_pulls_weights_by_its_strength_in_the_direction_of_zero_and_biases_not_at_all() -> None:
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.5, -2.0], [0.0, 3.0]]))
    x = torch.tensor([[1.0, 4.0]])
    (layer(x).sum() + 0.3 * layer.weight.abs().sum()).backward()
    wanted = [p.grad.clone() for p in layer.parameters() if p.grad is not None]
    layer.zero_grad()
    layer(x).sum().backward()
    add_l1_gradient(list(layer.parameters()), 0.3)
    for parameter, gradient in zip(layer.parameters(), wanted, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient)


def test_l1_makes_weights_smaller_and_leaves_the_recorded_loss_that_of_the_forecasts() -> None:
    plain, pulled = net(dropout=0.0), net(dropout=0.0)
    one = short_config(max_steps=1, weight_decay=0.0)
    first = trainer(plain, one).fit()
    second = trainer(pulled, short_config(max_steps=1, weight_decay=0.0, l1=10.0)).fit()
    assert first.history[0].train_loss == second.history[0].train_loss
    assert not same(weights_of(plain), weights_of(pulled))
    trainer(plain, short_config(max_steps=60)).fit()
    trainer(pulled, short_config(max_steps=60, l1=0.1)).fit()

    def size(found: nn.Module) -> float:
        return sum(float(p.detach().abs().sum()) for p in found.parameters() if p.dim() > 1)

    assert size(pulled) < 0.8 * size(plain)


def test_weights_that_need_no_gradient_stay_as_they_are() -> None:
    found = net()
    found.backbone.requires_grad_(requires_grad=False)
    before = weights_of(found)
    trainer(found, short_config(l1=0.1, weight_decay=0.5, swa_fraction=0.5)).fit()
    after = weights_of(found)
    for name, value in before.items():
        assert torch.equal(value, after[name]) == name.startswith(("backbone.", "global_scale")), (
            name
        )
