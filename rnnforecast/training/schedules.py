"""Learning-rate schedules as pure functions of the step, so that resuming needs no state.

The exception is ``plateau``, whose reductions depend on the validations and are part of `FitState`.
"""

from __future__ import annotations

import math

WARMUP_FRACTION = 0.1
"""Fraction of the steps in which the rate rises to its peak."""

WARMUP_START_FACTOR = 0.04
"""Fraction of the peak at which the warm-up starts."""

STEP_FACTOR = 0.1
"""Factor of each reduction by ``step``."""

STEP_MILESTONES = (0.5, 0.75)
"""Fractions of the steps at which ``step`` reduces the rate (He et al. 2016, arXiv:1512.03385, on
CIFAR-10)."""

PLATEAU_FACTOR = 0.3
"""Factor of each reduction by ``plateau``."""

PLATEAU_PATIENCE = 3
"""Validations without improvement before a reduction; fewer than the default of early stopping."""

SCHEDULES = ("one_cycle", "cosine", "constant", "step", "plateau")


def learning_rate_factor(schedule: str, step: int, total_steps: int) -> float:
    """Learning rate at a step (0-based) as a fraction of its peak, in (0, 1].

    ``one_cycle`` rises and falls along a half cosine (Smith & Topin 2019, arXiv:1708.07120). The
    others rise linearly: ``cosine`` falls along a half cosine (Loshchilov & Hutter 2017), ``step``
    falls to a tenth, twice, ``constant`` stays at its peak, and so does ``plateau``, whose
    reductions depend on the validations, see `update_plateau`.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"unknown schedule {schedule!r}")
    warmup_steps = max(1, round(WARMUP_FRACTION * total_steps))
    if step < warmup_steps:
        fraction = (step + 1) / warmup_steps
        if schedule == "one_cycle":
            fraction = (1 - math.cos(math.pi * fraction)) / 2
        return WARMUP_START_FACTOR + (1 - WARMUP_START_FACTOR) * fraction
    if schedule in ("constant", "plateau"):
        return 1.0
    if schedule == "step":
        return STEP_FACTOR ** sum(
            step >= math.ceil(fraction * total_steps) for fraction in STEP_MILESTONES
        )
    # the cosine reaches zero one step after the last step
    fraction = (step + 1 - warmup_steps) / (total_steps - warmup_steps + 1)
    return (1 + math.cos(math.pi * fraction)) / 2


def update_plateau(
    factor: float, validations_since_reduction: int, *, improved: bool
) -> tuple[float, int]:
    """Factor of ``plateau``, and the validations without improvement since its last reduction,
    after one more validation."""
    if improved:
        return factor, 0
    if validations_since_reduction + 1 >= PLATEAU_PATIENCE:
        return factor * PLATEAU_FACTOR, 0
    return factor, validations_since_reduction + 1
