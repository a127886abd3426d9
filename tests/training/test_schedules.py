"""Learning-rate schedules: rise, decay, and positive rates."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import MultiStepLR, ReduceLROnPlateau

from rnnforecast.training.schedules import (
    PLATEAU_FACTOR,
    PLATEAU_PATIENCE,
    STEP_FACTOR,
    WARMUP_START_FACTOR,
    learning_rate_factor,
    update_plateau,
)
from tests.training.fits import (
    net,
    short_config,
    trainer,
)

KINDS = ["one_cycle", "cosine", "constant"]
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
@pytest.mark.parametrize("total", [1, 2, 3, 7, 10, 100, 1999])
def test_every_share_is_above_zero_and_at_most_one(kind: str, total: int) -> None:
    shares = [learning_rate_factor(kind, step, total) for step in range(total)]
    assert all(0 < share <= 1 for share in shares)
    assert max(shares) == pytest.approx(1)


@every_kind
def test_it_climbs_for_a_tenth_of_the_steps_and_never_again(kind: str) -> None:
    shares = [learning_rate_factor(kind, step, 200) for step in range(200)]
    assert shares.index(max(shares)) == 19
    assert shares[:20] == sorted(shares[:20])
    assert shares[19:] == sorted(shares[19:], reverse=True)
    assert shares[0] < 0.15


@pytest.mark.parametrize(
    ("kind", "step", "expected"),
    [
        # 10 steps of warm-up out of 100; 0-based step 4 is half of it
        ("one_cycle", 4, WARMUP_START_FACTOR + (1 - WARMUP_START_FACTOR) * 0.5),
        ("cosine", 4, WARMUP_START_FACTOR + (1 - WARMUP_START_FACTOR) * 0.5),
        ("constant", 4, WARMUP_START_FACTOR + (1 - WARMUP_START_FACTOR) * 0.5),
        (
            "one_cycle",
            0,
            WARMUP_START_FACTOR + (1 - WARMUP_START_FACTOR) * (1 - math.cos(math.pi / 10)) / 2,
        ),
        ("cosine", 0, WARMUP_START_FACTOR + (1 - WARMUP_START_FACTOR) / 10),
        ("constant", 0, WARMUP_START_FACTOR + (1 - WARMUP_START_FACTOR) / 10),
        ("one_cycle", 9, 1.0),
        ("cosine", 9, 1.0),
        # the descent: 91 parts, step 99 ends the 90th
        ("one_cycle", 99, (1 + math.cos(math.pi * 90 / 91)) / 2),
        ("cosine", 99, (1 + math.cos(math.pi * 90 / 91)) / 2),
        ("constant", 99, 1.0),
    ],
)
def test_the_numbers_are_those_of_a_calculation_by_hand(
    kind: str, step: int, expected: float
) -> None:
    assert learning_rate_factor(kind, step, 100) == pytest.approx(expected, abs=1e-12)


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown schedule 'steps'"):
        learning_rate_factor("steps", 0, 10)


def one_weight() -> nn.Parameter:
    return nn.Parameter(torch.tensor([2.0, -3.0]))


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
    found = short_config(schedule="plateau", max_steps=40, patience=100)
    rows = trainer(net(), found, compute_validation_loss=lambda: next(losses)).fit().history
    falls = [round(math.log(row.learning_rate / 0.01, PLATEAU_FACTOR), 6) for row in rows[2:]]
    # the row's own steps ran before its validation was known
    assert falls == [count // PLATEAU_PATIENCE for count in range(18)]
    rows = trainer(net(), found, compute_validation_loss=None).fit().history
    assert {row.learning_rate for row in rows[2:]} == {0.01}
