"""Learning-rate schedules as pure functions of the step, so that resuming needs no state.

What `plateau` makes of the validations so far is the one exception: it lies in the fit's state.
"""

from __future__ import annotations

import math

WARMUP_FRACTION = 0.1
"""Share of the steps in which one-cycle and cosine climb to the peak."""

WARMUP_START_FACTOR = 0.04
"""Share of the peak at which the climb begins."""

STEP_FACTOR = 0.1
"""What `step` leaves of the rate each time it falls."""

STEP_MILESTONES = (0.5, 0.75)
"""Shares of the steps after which it falls (He et al. 2016, arXiv:1512.03385, on CIFAR-10)."""

PLATEAU_FACTOR = 0.3
"""What `plateau` leaves of the rate each time it falls."""

PLATEAU_PATIENCE = 3
"""Validations without improvement after which it falls; fewer than end a fit early."""

SCHEDULES = ("one_cycle", "cosine", "constant", "step", "plateau")


def learning_rate_factor(schedule: str, step: int, total_steps: int) -> float:
    """Share of the peak learning rate at `step` of `total` (0-based), in (0, 1].

    `one_cycle` climbs and falls along a half cosine (Smith & Topin 2019, arXiv:1708.07120);
    `cosine` climbs in a straight line, then falls along a half cosine (Loshchilov & Hutter 2017);
    `constant` climbs in a straight line and stays; `step` then falls to a tenth, twice; `plateau`
    stays too: its falls hang on the validations and are counted by the loop, see `fallen`.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"unknown schedule {schedule!r}")
    climb = max(1, round(WARMUP_FRACTION * total_steps))
    if step < climb:
        share = (step + 1) / climb
        if schedule == "one_cycle":
            share = (1 - math.cos(math.pi * share)) / 2
        return WARMUP_START_FACTOR + (1 - WARMUP_START_FACTOR) * share
    if schedule in ("constant", "plateau"):
        return 1.0
    if schedule == "step":
        return STEP_FACTOR ** sum(
            step >= math.ceil(share * total_steps) for share in STEP_MILESTONES
        )
    # the last step still learns: the cosine would reach zero one step after it
    done = (step + 1 - climb) / (total_steps - climb + 1)
    return (1 + math.cos(math.pi * done)) / 2


def update_plateau(
    factor: float, validations_since_reduction: int, *, improved: bool
) -> tuple[float, int]:
    """What `plateau` makes of one more validation: its share of the rate, and the validations
    without improvement since it last fell, both as they were before and as they are now."""
    if improved:
        return factor, 0
    if validations_since_reduction + 1 >= PLATEAU_PATIENCE:
        return factor * PLATEAU_FACTOR, 0
    return factor, validations_since_reduction + 1
