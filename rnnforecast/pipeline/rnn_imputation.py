"""`missing: rnn`: the recurrent imputer, fitted when the plan is learnt and asked by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.data.cleaning.imputation_plan import Estimate
from rnnforecast.data.cleaning_plan import CleaningPlan, Treated
from rnnforecast.data.panel.panel import Panel
from rnnforecast.training import device
from rnnforecast.training.rnn_imputer import (
    apply_imputer,
    fit_imputer,
    imputer_from_bytes,
    imputer_to_bytes,
)
from rnnforecast.types import Bools

CPU = device.choose("cpu")
"""A small net, and the same weights on every machine."""

HIDDEN_SIZE = 32
STEPS = 400
BATCH_SIZE = 128
NARROWEST, WIDEST = 16, 64
"""Rows to either side of a gap that are read: a season within these bounds."""


def fitted(plan: CleaningPlan, transformed: Treated, panel: Panel, train_mask: Bools) -> CleaningPlan:
    """`plan` with a recurrent imputer, if a target asks for one, fitted to the rows `told [N]`."""
    columns = plan.filling.columns("rnn")
    if not columns:
        return plan
    net = fit_imputer(
        transformed.values[:, columns],
        transformed.counted[:, columns],
        panel.offsets,
        train_mask,
        width=width_of(plan),
        hidden_size=HIDDEN_SIZE,
        steps=STEPS,
        batch_size=BATCH_SIZE,
        seed=plan.filling.seed,
        device=CPU,
    )
    weights = {"bytes": np.frombuffer(imputer_to_bytes(net), dtype=np.uint8)}
    return replace(plan, filling=replace(plan.filling, weights=weights))


def estimate_of(plan: CleaningPlan) -> Estimate | None:
    """The imputer of a plan that has one, as the plan asks it."""
    if not plan.filling.weights:
        return None
    data = plan.filling.weights["bytes"].tobytes()
    net = imputer_from_bytes(data, name="cleaning.safetensors", device=CPU)
    return lambda values, observed, offsets: apply_imputer(net, values, observed, offsets)


def width_of(plan: CleaningPlan) -> int:
    """Rows to either side of a gap that the imputer reads."""
    return int(np.clip(plan.season, NARROWEST, WIDEST))
