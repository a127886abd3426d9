"""The tasks of `benchmarks/memory.py` ask for what they say, and every backbone can try them."""

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
def test_adding_asks_for_the_sum_of_two_marked_values_one_a_half(
    memory: ModuleType, full: bool
) -> None:
    x, asked = memory.adding(50, torch.Generator().manual_seed(0), full=full)
    assert x.shape[1] == 200 if full else 2 <= x.shape[1] <= 200
    for one, total in zip(x.tolist(), asked.tolist(), strict=True):
        places = [step for step, (_, mark) in enumerate(one) if mark == 1]
        assert all(mark in (0, 1) for _, mark in one)
        assert len(places) == 2
        assert places[0] < len(one) // 2 <= places[1]
        assert total == [pytest.approx(one[places[0]][0] + one[places[1]][0])]


def test_always_saying_one_has_an_error_of_a_sixth_in_adding(memory: ModuleType) -> None:
    # the variance of a value from 0 to 1 is 1 / 12
    _, asked = memory.adding(20_000, torch.Generator().manual_seed(0), full=True)
    assert memory.error(torch.ones(20_000, 1, 1), asked).item() == pytest.approx(1 / 6, rel=0.05)


@pytest.mark.parametrize("full", [True, False])
def test_copy_asks_for_the_first_eight_signs_in_their_order(memory: ModuleType, full: bool) -> None:
    x, asked = memory.copy(50, torch.Generator().manual_seed(0), full=full)
    assert x.shape[1] == 60 if full else 16 <= x.shape[1] <= 60
    assert (x.sum(-1) == 1).all()
    blanks = x.shape[1] - 16
    for one, symbols in zip(x.argmax(-1).tolist(), asked.tolist(), strict=True):
        assert one == [*symbols, *[8] * blanks, *[9] * 8]
        assert max(symbols) < 8


def test_a_guess_at_copying_costs_log_8_and_is_right_once_in_8(memory: ModuleType) -> None:
    _, asked = memory.copy(2_000, torch.Generator().manual_seed(0), full=True)
    out = torch.zeros(2_000, 8, 8)
    assert memory.entropy(out, asked).item() == pytest.approx(math.log(8))
    assert memory.right(out, asked) == pytest.approx(1 / 8, abs=0.01)


@pytest.mark.parametrize("task", ["adding", "copy"])
@pytest.mark.parametrize("name", BACKBONES.names())
def test_every_backbone_answers_what_each_task_asks(
    memory: ModuleType, name: str, task: str
) -> None:
    asks = memory.TASKS[task]
    net = memory.Net(name, memory.CELLS.get(name, memory.Cell()), asks)
    x, asked = asks.draw(2, torch.Generator().manual_seed(0), full=False)
    assert asks.loss(net(x), asked).isfinite()


def test_a_task_is_learnt_from_its_threshold_on(memory: ModuleType) -> None:
    adding, copy = memory.TASKS["adding"], memory.TASKS["copy"]
    assert adding.better(0.009, adding.learnt)
    assert not adding.better(0.011, adding.learnt)
    assert copy.better(0.96, copy.learnt)
    assert not copy.better(0.94, copy.learnt)
    assert not adding.better(math.nan, adding.learnt)
