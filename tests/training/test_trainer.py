"""The training loop: agreement with a plain loop, resumption, and undone steps."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnforecast.errors import TrainingDiverged
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.training import checkpoint
from rnnforecast.training.dataset import Batch
from rnnforecast.training.fit_state import FitState
from rnnforecast.training.schedules import learning_rate_factor
from rnnforecast.training.trainer import (
    LOSS_CHECK_INTERVAL,
    MAX_ROLLBACKS,
    ROLLBACK_FACTOR,
    VALIDATION_COUNT,
    TrainingProgress,
)
from tests.training.fits import (
    GetBatch,
    Weights,
    append_to,
    assert_close,
    assert_same_fit,
    complete_batch,
    config,
    make_get_batch,
    make_validation_loss,
    net,
    resume,
    same,
    short_config,
    trainer,
    weights_of,
)

OPTIONS: list[dict[str, Any]] = [
    {},
    {"optimizer": "adam", "schedule": "step"},
    {"optimizer": "sgd", "gradient_accumulation": 3},
    {"optimizer": "rmsprop", "l1": 0.01},
    {"schedule": "plateau"},
    {"swa_fraction": 0.6},
]


def scripted(losses: Iterable[float]) -> Callable[[], float]:
    """A validation with these losses, one after the other."""
    remaining = iter(losses)
    return lambda: next(remaining)


def spoilt(draw: GetBatch, at: int, times: int) -> GetBatch:
    """Batches whose targets are NaN at a step, the first `times` times."""
    left = [times]

    def again(step: int) -> Batch:
        batch = draw(step)
        if step == at and left[0]:
            left[0] -= 1
            return dataclasses.replace(batch, targets=batch.targets * math.nan)
        return batch

    return again


def test_a_fit_agrees_with_a_plain_loop() -> None:
    fit_config = config(max_steps=25, early_stopping=False)
    model, plain, draw = net(dropout=0.0), net(dropout=0.0), make_get_batch()
    trainer(model, fit_config, compute_validation_loss=None).fit()

    optimizer = torch.optim.AdamW(plain.parameters(), weight_decay=0.01)
    for step in range(25):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * learning_rate_factor("one_cycle", step, 25)
        batch = draw(step)
        optimizer.zero_grad()
        loss = plain.loss(batch.history, batch.targets, batch.weight)
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [parameter.grad for parameter in plain.parameters()]
        for gradient in gradients:
            assert gradient is not None
            gradient.clamp_(-1, 1)
        norm = torch.cat([g.flatten() for g in gradients if g is not None]).norm()
        for gradient in gradients:
            assert gradient is not None
            gradient.mul_(min(1.0, 1.0 / (norm.item() + 1e-6)))
        optimizer.step()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_a_fit_reduces_the_loss() -> None:
    model = net(dropout=0.0)
    loss = make_validation_loss(model)
    with torch.no_grad():
        before = loss()
    trainer(model, config(max_steps=150)).fit()
    with torch.no_grad():
        assert loss() < 0.7 * before


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    def fit(seed: int, windows_seed: int) -> Weights:
        model = net(seed=seed)
        trainer(model, get_batch=make_get_batch(windows_seed)).fit()
        return weights_of(model)

    assert same(fit(1, 1), fit(1, 1))
    assert not same(fit(1, 1), fit(2, 1))
    assert not same(fit(1, 1), fit(1, 2))


@pytest.mark.parametrize(
    ("options", "validated"), [*((options, True) for options in OPTIONS), ({}, False)], ids=str
)
def test_a_fit_resumed_from_any_saved_state_ends_as_the_uninterrupted_one(
    options: dict[str, Any], validated: bool
) -> None:
    changes: dict[str, Any] = {} if validated else {"compute_validation_loss": None}
    fit_config = config(**options, early_stopping=validated)
    whole, states = net(), list[FitState]()
    end = trainer(whole, fit_config, save_state=append_to(states), **changes).fit()
    assert len(states) == VALIDATION_COUNT
    for state in states[:: 7 if options else 3]:
        stored = checkpoint.state_from_bytes(checkpoint.state_to_bytes(state))
        again, weights = resume(stored, fit_config, **changes)
        assert_same_fit(end, again)
        assert same(weights, weights_of(whole))


def test_a_fit_stopped_between_two_validations_and_resumed_ends_as_the_uninterrupted_one() -> None:
    whole = net()
    end = trainer(whole).fit()
    answers = iter([False, False, False, True])  # after steps 3, 6, 9, 10
    stopped = trainer(net(), should_stop=lambda: next(answers)).fit()
    assert (stopped.step, stopped.loss_count) == (10, 1)
    again, weights = resume(copy.deepcopy(stopped), config())
    assert_same_fit(end, again)
    assert same(weights, weights_of(whole))


def test_a_fit_with_an_undone_step_resumes_at_its_lower_rate() -> None:
    draw = make_get_batch()
    whole, states = net(), list[FitState]()
    end = trainer(whole, get_batch=spoilt(draw, 4, 1), save_state=append_to(states)).fit()
    again, weights = resume(states[5], config())
    assert again.rollback_factor == end.rollback_factor == ROLLBACK_FACTOR
    assert_same_fit(end, again)
    assert same(weights, weights_of(whole))


def test_the_best_weights_are_restored() -> None:
    model, seen = net(), list[Weights]()
    losses = [3.0, 2.0, 1.0, 5.0, *[4.0] * 16]

    def validate() -> float:
        seen.append(weights_of(model))
        return losses[len(seen) - 1]

    state = trainer(model, compute_validation_loss=validate).fit()
    assert len(seen) == VALIDATION_COUNT
    assert (state.best_loss, state.best_step, state.validations_since_best) == (1.0, 9, 17)
    assert same(weights_of(model), seen[2])
    assert same(state.best_weights, seen[2])
    assert same(state.weights, seen[-1])


def test_without_patience_the_last_weights_stay_and_nothing_ends_early() -> None:
    model, seen = net(), list[Weights]()

    def validate() -> float:
        seen.append(weights_of(model))
        return float(len(seen))

    state = trainer(model, config(early_stopping=False), compute_validation_loss=validate).fit()
    assert state.step == 60
    assert state.best_step == 3
    assert same(weights_of(model), seen[-1])


def test_after_so_many_validations_without_improvement_it_ends() -> None:
    losses = [3.0, 2.0, 2.5, 1.0, 1.0, 1.5, 1.2, *[0.0] * 20]
    fit_config = config(patience=3)
    state = trainer(net(), fit_config, compute_validation_loss=scripted(losses)).fit()
    # the fourth validation, at step 12, is the best; the same loss again is no improvement
    assert (state.best_step, state.step) == (12, 21)
    assert [row.validation_loss for row in state.history] == losses[:7]


def test_there_are_rows_for_every_validation_with_mean_loss_and_rate() -> None:
    fit_config = config(learning_rate=1e-30, weight_decay=0.0, max_steps=40)
    model, draw = net(dropout=0.0), make_get_batch()
    with torch.no_grad():  # at no rate to speak of the net stays as it is
        losses = [model.loss(b.history, b.targets, b.weight).item() for b in map(draw, range(40))]
        validation = make_validation_loss(model)()
    rows = trainer(model, fit_config).fit().history
    assert [row.step for row in rows] == list(range(2, 41, 2))
    for row in rows:
        assert row.train_loss == pytest.approx(np.mean(losses[row.step - 2 : row.step]), rel=1e-5)
        assert row.validation_loss == pytest.approx(validation, rel=1e-5)
        assert row.learning_rate == pytest.approx(
            1e-30 * learning_rate_factor("one_cycle", row.step - 1, 40)
        )


def test_a_step_with_a_loss_of_nan_is_undone_and_repeated_at_a_lower_rate() -> None:
    model, draw, seen = net(), spoilt(make_get_batch(), 31, 1), list[tuple[int, Weights]]()

    def drawn(step: int) -> Batch:
        seen.append((step, weights_of(model)))
        return draw(step)

    state = trainer(model, get_batch=drawn).fit()
    assert (state.step, state.rollback_count, state.rollback_factor) == (60, 1, ROLLBACK_FACTOR)
    steps = [step for step, _ in seen]
    assert steps == [*range(33), *range(30, 60)]  # looked at after 30 and 33
    assert same(seen[30][1], seen[33][1])
    assert all(value.isfinite().all() for value in weights_of(model).values())
    assert all(math.isfinite(row.train_loss) for row in state.history)
    for row in state.history:
        scale = 1 if row.step <= 30 else ROLLBACK_FACTOR
        expected = 0.01 * scale * learning_rate_factor("one_cycle", row.step - 1, 60)
        assert row.learning_rate == pytest.approx(expected)


def test_a_validation_loss_of_nan_is_undone_too() -> None:
    losses = [2.0, math.nan, *[1.0] * 30]
    state = trainer(net(), compute_validation_loss=scripted(losses)).fit()
    assert (state.step, state.rollback_count) == (60, 1)
    assert [row.validation_loss for row in state.history] == [2.0, *[1.0] * 19]


@pytest.mark.parametrize("at", [4, 5, 59])
@pytest.mark.parametrize("validated", [True, False])
def test_a_gradient_of_nan_never_reaches_the_snapshot(at: int, validated: bool) -> None:
    model, backward = net(), [0]

    def spoil(gradient: Tensor) -> Tensor:
        backward[0] += 1
        return gradient * math.nan if backward[0] == at + 1 else gradient

    model.output_layer.weight.register_hook(spoil)  # type: ignore[no-untyped-call]
    changes: dict[str, Any] = {} if validated else {"compute_validation_loss": None}
    state = trainer(model, **changes).fit()
    assert (state.step, state.rollback_count) == (60, 1)
    assert all(value.isfinite().all() for value in weights_of(model).values())


def test_after_three_rollbacks_the_fit_fails_with_a_cure_and_exit_code_5() -> None:
    with pytest.raises(TrainingDiverged, match=r"near step 30: .* 3 times") as caught:
        trainer(net(), get_batch=spoilt(make_get_batch(), 31, MAX_ROLLBACKS)).fit()
    assert caught.value.exit_code == 5
    assert "training.learning_rate below 0.01" in str(caught.value)


def test_two_rollbacks_are_survived() -> None:
    state = trainer(net(), get_batch=spoilt(make_get_batch(), 31, MAX_ROLLBACKS - 1)).fit()
    assert (state.step, state.rollback_count) == (60, MAX_ROLLBACKS - 1)
    assert state.rollback_factor == pytest.approx(ROLLBACK_FACTOR ** (MAX_ROLLBACKS - 1))


def test_a_stopped_fit_ends_at_the_next_check_saves_and_keeps_the_best_weights() -> None:
    states, model, reported = list[FitState](), net(), list[TrainingProgress]()
    state = trainer(
        model,
        compute_validation_loss=scripted([1.0, 2.0, 3.0, 4.0]),
        should_stop=lambda: len(reported) == 3,
        on_progress=reported.append,
        save_state=append_to(states),
    ).fit()
    # reported after steps 3, 6 and 9; asked after 10
    assert (state.step, state.stopped) == (10, True)
    assert_same_fit(state, states[-1])
    assert same(weights_of(model), state.best_weights)
    assert not same(weights_of(model), state.weights)


def test_progress_is_reported_at_every_check() -> None:
    reported: list[TrainingProgress] = []
    fit_config = config(max_steps=300)
    state = trainer(net(), fit_config, on_progress=reported.append).fit()
    expected = sorted({*range(LOSS_CHECK_INTERVAL, 301, LOSS_CHECK_INTERVAL), *range(15, 301, 15)})
    assert [progress.step for progress in reported] == expected
    assert {progress.total_steps for progress in reported} == {300}
    assert all(math.isfinite(progress.train_loss) for progress in reported)
    assert reported[-1].history == tuple(state.history)


@pytest.mark.parametrize("steps", [1, 7, 19, 41])
def test_any_number_of_steps_ends_with_a_validation(steps: int) -> None:
    state = trainer(net(), config(max_steps=steps)).fit()
    assert state.step == state.history[-1].step == steps


def test_without_a_validation_part_the_losses_are_nan() -> None:
    state = trainer(net(), compute_validation_loss=None).fit()
    assert all(math.isnan(row.validation_loss) for row in state.history)
    assert state.best_weights == {}


def test_dropout_is_on_while_fitting_and_off_while_validating_and_afterwards() -> None:
    model, modes = net(), {"draw": set[bool](), "validate": set[bool]()}
    draw = make_get_batch()

    def drawn(step: int) -> Batch:
        modes["draw"].add(model.training)
        return draw(step)

    def validate() -> float:
        modes["validate"].add(model.training)
        return 1.0

    trainer(model, get_batch=drawn, compute_validation_loss=validate).fit()
    assert modes == {"draw": {True}, "validate": {False}}
    assert not model.training


def test_a_fit_in_bfloat16_keeps_its_weights_in_float32() -> None:
    model = net()
    state = trainer(model, config(precision="bfloat16")).fit()
    assert all(math.isfinite(row.train_loss) for row in state.history)
    assert {value.dtype for value in weights_of(model).values()} == {torch.float32}


def concatenate(*batches: Batch) -> Batch:
    """The windows of all batches as one."""
    histories = [batch.history for batch in batches]
    history = ModelInputs(
        values=torch.cat([one.values for one in histories]),
        value_mask=torch.cat([one.value_mask for one in histories]),
        input_mask=torch.cat([one.input_mask for one in histories]),
    )
    future = torch.cat([batch.targets for batch in batches])
    return Batch(history, future, torch.cat([batch.weight for batch in batches]))


def test_accumulated_batches_are_the_same_as_one_batch_of_all_their_windows() -> None:
    small, large = net(dropout=0.0), net(dropout=0.0)
    first = trainer(
        small, short_config(gradient_accumulation=3, optimizer="sgd"), get_batch=complete_batch
    ).fit()

    def draw(step: int) -> Batch:
        return concatenate(*(complete_batch(3 * step + part) for part in range(3)))

    second = trainer(large, short_config(optimizer="sgd"), get_batch=draw).fit()
    assert_close(weights_of(small), weights_of(large))
    losses = [[row.train_loss for row in state.history] for state in (first, second)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_accumulated_batches_with_gaps_count_by_what_was_observed_in_them() -> None:
    small, large, draw_batch = net(dropout=0.0), net(dropout=0.0), make_get_batch()

    def draw(step: int) -> Batch:
        return concatenate(draw_batch(2 * step), draw_batch(2 * step + 1))

    # sgd: the others make much of the last bit of a gradient near zero
    trainer(
        small, short_config(gradient_accumulation=2, optimizer="sgd"), get_batch=draw_batch
    ).fit()
    trainer(large, short_config(optimizer="sgd"), get_batch=draw).fit()
    assert_close(weights_of(small), weights_of(large))


@pytest.mark.cuda
def test_a_fit_on_a_card_agrees_with_one_on_the_cpu_and_resumes_with_its_random_numbers() -> None:
    cuda, fits = torch.device("cuda"), list[FitState]()
    for device in (torch.device("cpu"), cuda):
        model = net(dropout=0.0).to(device)
        validation = make_validation_loss(model, device)
        batches = make_get_batch()

        def draw(step: int, device: torch.device = device) -> Batch:
            batch = batches(step)  # noqa: B023
            history = ModelInputs(
                **{k: v.to(device) for k, v in vars(batch.history).items() if v is not None}
            )
            return Batch(history, batch.targets.to(device), batch.weight.to(device))

        fit = trainer(model, get_batch=draw, compute_validation_loss=validation)
        fits.append(fit.fit())
    losses = [[row.train_loss for row in state.history] for state in fits]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)

    whole, states = net().to(cuda), list[FitState]()
    given = {"get_batch": make_get_batch(device=cuda), "compute_validation_loss": None}
    trainer(whole, save_state=append_to(states), **given).fit()
    again = net(seed=88).to(cuda)
    trainer(again, state=states[7], **given).fit()
    assert_close(weights_of(whole), weights_of(again), tolerance=1e-4)
