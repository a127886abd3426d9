"""The options of a fit agree with torch's own, with hand calculations, or with a larger batch."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import swa_utils
from torch.optim.lr_scheduler import MultiStepLR, ReduceLROnPlateau

from rnnforecast.models.inputs import ModelInputs
from rnnforecast.training.compile import compile_forward
from rnnforecast.training.dataset import Batch
from rnnforecast.training.optimizers import UPDATE_FUNCTIONS, Optimizer, add_l1_gradient
from rnnforecast.training.schedules import (
    PLATEAU_FACTOR,
    PLATEAU_PATIENCE,
    STEP_FACTOR,
    learning_rate_factor,
    update_plateau,
)
from rnnforecast.training.trainer import Trainer, TrainerConfig
from rnnforecast.training.weight_averaging import swa_start_step
from tests.training.fits import (
    Weights,
    config,
    make_get_batch,
    make_validation_loss,
    net,
    same,
    trainer,
    weights_of,
)


def short(**changes: Any) -> TrainerConfig:
    """A fit of 20 steps that keeps its last weights."""
    return config(**{"max_steps": 20, "early_stopping": "patience" in changes, **changes})


def observed(step: int) -> Batch:
    """Four windows without a gap."""
    rng = np.random.default_rng(step)
    values = torch.from_numpy(rng.normal(5, 1, (4, 12, 1)))
    seen = torch.ones(4, 8, 1, dtype=torch.bool)
    history = ModelInputs(values=values[:, :8], value_mask=seen, input_mask=seen)
    return Batch(history, values[:, 8:], torch.ones(4, 4, 1))


def together(*batches: Batch) -> Batch:
    """The windows of all batches as one."""
    histories = [batch.history for batch in batches]
    history = ModelInputs(
        values=torch.cat([one.values for one in histories]),
        value_mask=torch.cat([one.value_mask for one in histories]),
        input_mask=torch.cat([one.input_mask for one in histories]),
    )
    future = torch.cat([batch.targets for batch in batches])
    return Batch(history, future, torch.cat([batch.weight for batch in batches]))


def close(left: Weights, right: Weights, *, tolerance: float = 2e-5) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        torch.testing.assert_close(value, right[name], rtol=tolerance, atol=tolerance)


def one_weight() -> nn.Parameter:
    return nn.Parameter(torch.tensor([2.0, -3.0]))


# optimizers


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
    trainer(found, short(optimizer=kind, max_steps=150, learning_rate=rate, weight_decay=0.0)).fit()
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
    one = short(max_steps=1, weight_decay=0.0)
    first = trainer(plain, one).fit()
    second = trainer(pulled, short(max_steps=1, weight_decay=0.0, l1=10.0)).fit()
    assert first.history[0].train_loss == second.history[0].train_loss
    assert not same(weights_of(plain), weights_of(pulled))
    trainer(plain, short(max_steps=60)).fit()
    trainer(pulled, short(max_steps=60, l1=0.1)).fit()

    def size(found: nn.Module) -> float:
        return sum(float(p.detach().abs().sum()) for p in found.parameters() if p.dim() > 1)

    assert size(pulled) < 0.8 * size(plain)


def test_weights_that_need_no_gradient_stay_as_they_are() -> None:
    found = net()
    found.backbone.requires_grad_(requires_grad=False)
    before = weights_of(found)
    trainer(found, short(l1=0.1, weight_decay=0.5, swa_fraction=0.5)).fit()
    after = weights_of(found)
    for name, value in before.items():
        assert torch.equal(value, after[name]) == name.startswith(("backbone.", "global_scale")), (
            name
        )


# schedules


def test_step_is_torchs_steps_at_half_and_three_quarters_after_the_climb() -> None:
    weight = one_weight()
    optimizer = torch.optim.SGD([weight], lr=1.0)
    twin = MultiStepLR(optimizer, milestones=[50, 75], gamma=STEP_FACTOR)
    for step in range(100):
        if step >= 10:
            assert learning_rate_factor("step", step, 100) == pytest.approx(
                optimizer.param_groups[0]["lr"]
            )
        optimizer.step()
        twin.step()


def test_plateau_is_torchs_reduction_on_a_plateau() -> None:
    optimizer = torch.optim.SGD([one_weight()], lr=1.0)
    twin = ReduceLROnPlateau(
        optimizer, factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE - 1, threshold=0.0, eps=0.0
    )
    scale, bad, best = 1.0, 0, math.inf
    for loss in [5, 4, 4, 6, 4, 3, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, 1, 1, 0.5]:
        scale, bad = update_plateau(scale, bad, improved=loss < best)
        best = min(loss, best)
        twin.step(loss)
        assert scale == pytest.approx(optimizer.param_groups[0]["lr"])
    assert scale == pytest.approx(PLATEAU_FACTOR**3)


def test_on_a_plateau_the_rate_of_a_fit_falls_and_without_validation_it_stays() -> None:
    losses = iter([3.0, 1.0, *[2.0] * 18])
    found = short(schedule="plateau", max_steps=40, patience=100)
    rows = trainer(net(), found, compute_validation_loss=lambda: next(losses)).fit().history
    falls = [round(math.log(row.learning_rate / 0.01, PLATEAU_FACTOR), 6) for row in rows[2:]]
    # the row's own steps ran before its validation was known
    assert falls == [count // PLATEAU_PATIENCE for count in range(18)]
    rows = trainer(net(), found, compute_validation_loss=None).fit().history
    assert {row.learning_rate for row in rows[2:]} == {0.01}


# accumulation


def test_accumulated_batches_are_the_same_as_one_batch_of_all_their_windows() -> None:
    small, large = net(dropout=0.0), net(dropout=0.0)
    first = trainer(
        small, short(gradient_accumulation=3, optimizer="sgd"), get_batch=observed
    ).fit()

    def draw(step: int) -> Batch:
        return together(*(observed(3 * step + part) for part in range(3)))

    second = trainer(large, short(optimizer="sgd"), get_batch=draw).fit()
    close(weights_of(small), weights_of(large))
    losses = [[row.train_loss for row in state.history] for state in (first, second)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_accumulated_batches_with_gaps_count_by_what_was_observed_in_them() -> None:
    small, large, given = net(dropout=0.0), net(dropout=0.0), make_get_batch()

    def draw(step: int) -> Batch:
        return together(given(2 * step), given(2 * step + 1))

    # sgd: the others make much of the last bit of a gradient near zero
    trainer(small, short(gradient_accumulation=2, optimizer="sgd"), get_batch=given).fit()
    trainer(large, short(optimizer="sgd"), get_batch=draw).fit()
    close(weights_of(small), weights_of(large))


# averaging


@pytest.mark.parametrize(("share", "first"), [(0.0, 20), (0.5, 10), (0.25, 15), (0.01, 19)])
def test_the_average_is_that_of_torchs_averaged_model(share: float, first: int) -> None:
    assert swa_start_step(20, share) == first
    found, watched = net(), net()
    twin, seen = swa_utils.AveragedModel(watched), 0
    given = make_get_batch()

    def draw(step: int) -> Batch:
        nonlocal seen
        if step > first:  # what the last step left is seen at the next
            watched.load_state_dict(found.state_dict())
            twin.update_parameters(watched)
            seen += 1
        return given(step)

    fit = trainer(found, short(swa_fraction=share), get_batch=draw, compute_validation_loss=None)
    state = fit.fit()
    if not share:
        assert (state.averaged_steps, state.average_weights, seen) == (0, {}, 0)
        return
    watched.load_state_dict(state.weights)
    twin.update_parameters(watched)
    assert state.averaged_steps == seen + 1 == 20 - first
    close(weights_of(found), twin.module.state_dict())


@pytest.mark.parametrize("wins", [True, False])
def test_where_it_validates_the_average_is_one_more_candidate(wins: bool) -> None:
    found, told = net(), list[Weights]()

    def validate() -> float:
        told.append(weights_of(found))
        if len(told) == 21:
            return 0.1 if wins else 3.0
        return 2.0 if len(told) == 7 else 2.5

    state = trainer(
        found, short(swa_fraction=0.5, patience=100), compute_validation_loss=validate
    ).fit()
    assert len(told) == 21
    assert same(weights_of(found), told[20 if wins else 6])
    assert (state.best_loss, state.best_step) == ((0.1, 20) if wins else (2.0, 7))
    assert len(state.history) == 20


def test_an_interrupted_fit_keeps_its_best_weights_not_an_unfinished_average() -> None:
    found = net()
    losses = iter([1.0, *[2.0] * 30])
    state = trainer(
        found,
        short(max_steps=40, swa_fraction=0.9, patience=100),
        compute_validation_loss=lambda: next(losses),
        should_stop=lambda: True,
    ).fit()
    assert state.stopped
    assert same(weights_of(found), state.best_weights)


def test_an_undone_step_is_not_in_the_average() -> None:
    plain, spoilt, left = net(dropout=0.0), net(dropout=0.0), [1]
    given = make_get_batch()

    def draw(step: int) -> Batch:
        batch = given(step)
        if step == 15 and left[0]:
            left[0] = 0
            return dataclasses.replace(batch, targets=batch.targets * math.nan)
        return batch

    state = trainer(spoilt, short(swa_fraction=0.5), get_batch=draw).fit()
    assert (state.rollback_count, state.averaged_steps) == (1, 10)
    assert all(value.isfinite().all() for value in state.average_weights.values())
    trainer(plain, short(swa_fraction=0.5)).fit()
    assert not same(weights_of(plain), weights_of(spoilt))


# compilation


def test_a_compiled_net_forecasts_the_same_and_its_weights_keep_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    def compiled(method: Any) -> Any:
        made.append(method)
        return lambda *given: method(*given)

    monkeypatch.setattr(torch, "compile", compiled)
    found, plain, batch = net(), net(), observed(0)
    before, random = weights_of(found), torch.get_rng_state()
    assert compile_forward(found, batch, torch.float32) is None
    assert compile_forward(found, batch, torch.float32) is None
    assert len(made) == 1
    assert torch.equal(random, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in found.parameters())
    assert same(before, weights_of(found))
    torch.manual_seed(3)
    trainer(found, short()).fit()
    torch.manual_seed(3)
    trainer(plain, short()).fit()
    assert same(weights_of(found), weights_of(plain))


def test_where_the_compiler_is_missing_the_net_is_as_it_was_and_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def compiled(method: Any) -> Any:
        def fail(*given: Any) -> Any:
            raise RuntimeError("Failed to find C++ compiler.\nA long story follows.")

        return fail

    monkeypatch.setattr(torch, "compile", compiled)
    found = net()
    reason = compile_forward(found, observed(0), torch.float32)
    assert reason == "RuntimeError: Failed to find C++ compiler."
    assert "forward" not in vars(found)
    assert isinstance(trainer(found, short()), Trainer)
    trainer(found, short()).fit()


def test_a_training_does_not_wait_for_the_compiler() -> None:
    """It takes two seconds to load, and is of use only to who asks for it."""
    code = (
        "import sys\n"
        "from rnnforecast.training.trainer import Trainer\n"
        "from tests.training.fits import config, make_get_batch, net\n"
        "trainer = Trainer(net(), config(), get_batch=make_get_batch())\n"
        "state = trainer.fit()\n"
        "trainer._restore_state()\n"
        "print(state.step, 'torch._dynamo' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["60", "False"]
