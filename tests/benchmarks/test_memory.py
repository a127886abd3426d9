"""The tasks of `benchmarks/memory.py`, and every backbone on them."""

from __future__ import annotations

import math
from types import ModuleType

import pytest
import torch

from rnnforecast.registry import BACKBONES
from tests.benchmarks.scripts import script


@pytest.fixture(scope="module")
def memory() -> ModuleType:
    return script("memory")


@pytest.mark.parametrize("full", [True, False])
def test_the_target_of_adding_is_the_sum_of_two_marked_values_one_in_each_half(
    memory: ModuleType, full: bool
) -> None:
    x, target = memory.adding(50, torch.Generator().manual_seed(0), full=full)
    assert x.shape[1] == 200 if full else 2 <= x.shape[1] <= 200
    for one, total in zip(x.tolist(), target.tolist(), strict=True):
        positions = [step for step, (_, mark) in enumerate(one) if mark == 1]
        assert all(mark in (0, 1) for _, mark in one)
        assert len(positions) == 2
        assert positions[0] < len(one) // 2 <= positions[1]
        assert total == [pytest.approx(one[positions[0]][0] + one[positions[1]][0])]


def test_a_constant_forecast_of_one_has_a_squared_error_of_one_sixth_in_adding(
    memory: ModuleType,
) -> None:
    # the variance of a value from 0 to 1 is 1 / 12
    _, target = memory.adding(20_000, torch.Generator().manual_seed(0), full=True)
    assert memory.squared_error(torch.ones(20_000, 1, 1), target).item() == pytest.approx(
        1 / 6, rel=0.05
    )


@pytest.mark.parametrize("full", [True, False])
def test_the_targets_of_copy_are_the_first_eight_symbols_in_order(
    memory: ModuleType, full: bool
) -> None:
    x, target = memory.copy(50, torch.Generator().manual_seed(0), full=full)
    assert x.shape[1] == 60 if full else 16 <= x.shape[1] <= 60
    assert (x.sum(-1) == 1).all()
    blanks = x.shape[1] - 16
    for one, symbols in zip(x.argmax(-1).tolist(), target.tolist(), strict=True):
        assert one == [*symbols, *[8] * blanks, *[9] * 8]
        assert max(symbols) < 8


def test_chance_at_copying_has_a_cross_entropy_of_log_8_and_an_accuracy_of_one_eighth(
    memory: ModuleType,
) -> None:
    _, target = memory.copy(2_000, torch.Generator().manual_seed(0), full=True)
    out = torch.zeros(2_000, 8, 8)
    assert memory.entropy(out, target).item() == pytest.approx(math.log(8))
    assert memory.accuracy(out, target) == pytest.approx(1 / 8, abs=0.01)


@pytest.mark.parametrize("task", ["adding", "copy"])
@pytest.mark.parametrize("name", BACKBONES.names())
def test_every_backbone_has_a_finite_loss_on_each_task(
    memory: ModuleType, name: str, task: str
) -> None:
    given = memory.TASKS[task]
    net = memory.Network(name, memory.SETTINGS.get(name, memory.Setting()), given)
    x, target = given.sample(2, torch.Generator().manual_seed(0), full=False)
    assert given.loss(net(x), target).isfinite()


def test_a_task_is_solved_from_its_threshold_on(memory: ModuleType) -> None:
    adding, copy = memory.TASKS["adding"], memory.TASKS["copy"]
    assert adding.is_as_good(0.009, adding.threshold)
    assert not adding.is_as_good(0.011, adding.threshold)
    assert copy.is_as_good(0.96, copy.threshold)
    assert not copy.is_as_good(0.94, copy.threshold)
    assert not adding.is_as_good(math.nan, adding.threshold)
