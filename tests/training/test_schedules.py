"""Learning-rate schedules: they climb to one, fall, and never reach zero."""

from __future__ import annotations

import math

import pytest

from rnnforecast.training.schedules import WARMUP_START_FACTOR, learning_rate_factor

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
