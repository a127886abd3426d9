"""Weight averaging against torch, and its validation as a candidate."""

from __future__ import annotations

import dataclasses
import math

import pytest
from torch.optim import swa_utils

from rnnforecast.training.dataset import Batch
from rnnforecast.training.weight_averaging import swa_start_step
from tests.training.fits import (
    Weights,
    assert_close,
    make_get_batch,
    net,
    same,
    short_config,
    trainer,
    weights_of,
)


@pytest.mark.parametrize(("share", "first"), [(0.0, 20), (0.5, 10), (0.25, 15), (0.01, 19)])
def test_the_average_is_that_of_torchs_averaged_model(share: float, first: int) -> None:
    assert swa_start_step(20, share) == first
    found, watched = net(), net()
    twin, seen = swa_utils.AveragedModel(watched), 0
    draw_batch = make_get_batch()

    def draw(step: int) -> Batch:
        nonlocal seen
        if step > first:  # what the last step left is seen at the next
            watched.load_state_dict(found.state_dict())
            twin.update_parameters(watched)
            seen += 1
        return draw_batch(step)

    fit = trainer(
        found, short_config(swa_fraction=share), get_batch=draw, compute_validation_loss=None
    )
    state = fit.fit()
    if not share:
        assert (state.averaged_steps, state.average_weights, seen) == (0, {}, 0)
        return
    watched.load_state_dict(state.weights)
    twin.update_parameters(watched)
    assert state.averaged_steps == seen + 1 == 20 - first
    assert_close(weights_of(found), twin.module.state_dict())


@pytest.mark.parametrize("wins", [True, False])
def test_where_it_validates_the_average_is_one_more_candidate(wins: bool) -> None:
    found, told = net(), list[Weights]()

    def validate() -> float:
        told.append(weights_of(found))
        if len(told) == 21:
            return 0.1 if wins else 3.0
        return 2.0 if len(told) == 7 else 2.5

    state = trainer(
        found, short_config(swa_fraction=0.5, patience=100), compute_validation_loss=validate
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
        short_config(max_steps=40, swa_fraction=0.9, patience=100),
        compute_validation_loss=lambda: next(losses),
        should_stop=lambda: True,
    ).fit()
    assert state.stopped
    assert same(weights_of(found), state.best_weights)


def test_an_undone_step_is_not_in_the_average() -> None:
    plain, spoilt, left = net(dropout=0.0), net(dropout=0.0), [1]
    draw_batch = make_get_batch()

    def draw(step: int) -> Batch:
        batch = draw_batch(step)
        if step == 15 and left[0]:
            left[0] = 0
            return dataclasses.replace(batch, targets=batch.targets * math.nan)
        return batch

    state = trainer(spoilt, short_config(swa_fraction=0.5), get_batch=draw).fit()
    assert (state.rollback_count, state.averaged_steps) == (1, 10)
    assert all(value.isfinite().all() for value in state.average_weights.values())
    trainer(plain, short_config(swa_fraction=0.5)).fit()
    assert not same(weights_of(plain), weights_of(spoilt))


@pytest.mark.parametrize(("swa_fraction", "first_averaged"), [(0.0, None), (0.5, 11)])
def test_with_a_constant_validation_loss_the_first_weights_are_kept(
    swa_fraction: float, first_averaged: int | None
) -> None:
    model, seen = net(), list[Weights]()

    def validate() -> float:
        seen.append(weights_of(model))
        return 1.0

    state = trainer(
        model,
        short_config(swa_fraction=swa_fraction, patience=100),
        compute_validation_loss=validate,
    ).fit()
    # an equal loss is no improvement, neither of later weights nor of the average
    assert (state.best_step, state.best_loss, state.validations_since_best) == (1, 1.0, 19)
    assert same(weights_of(model), seen[0])
    assert state.averaged_steps == (0 if first_averaged is None else 20 - first_averaged + 1)
    assert len(seen) == 20 + (first_averaged is not None)


def test_patience_ends_a_fit_of_constant_loss_before_its_average_is_complete() -> None:
    model = net()
    state = trainer(
        model, short_config(swa_fraction=0.9, patience=3), compute_validation_loss=lambda: 1.0
    ).fit()
    assert (state.step, state.best_step, state.averaged_steps) == (4, 1, 2)
    assert same(weights_of(model), state.best_weights)
