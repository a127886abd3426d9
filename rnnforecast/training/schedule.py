"""Learning-rate schedules as pure functions of the step, so that resuming needs no state."""

from __future__ import annotations

import math

WARM_UP = 0.1
"""Share of the steps in which one-cycle and cosine climb to the peak."""

FIRST_SHARE = 0.04
"""Share of the peak at which the climb begins."""


def rate(kind: str, step: int, total: int) -> float:
    """Share of the peak learning rate at `step` of `total` (0-based), in (0, 1].

    `one_cycle` climbs and falls along a half cosine (Smith & Topin 2019, arXiv:1708.07120);
    `cosine` climbs in a straight line, then falls along a half cosine (Loshchilov & Hutter 2017);
    `constant` climbs in a straight line and stays.
    """
    if kind not in ("one_cycle", "cosine", "constant"):
        raise ValueError(f"unknown schedule {kind!r}")
    climb = max(1, round(WARM_UP * total))
    if step < climb:
        share = (step + 1) / climb
        if kind == "one_cycle":
            share = (1 - math.cos(math.pi * share)) / 2
        return FIRST_SHARE + (1 - FIRST_SHARE) * share
    if kind == "constant":
        return 1.0
    # the last step still learns: the cosine would reach zero one step after it
    done = (step + 1 - climb) / (total - climb + 1)
    return (1 + math.cos(math.pi * done)) / 2
