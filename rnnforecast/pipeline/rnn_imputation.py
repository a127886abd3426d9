"""`missing: rnn`: the recurrent imputer, fitted when the plan is learnt and asked by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.data.cleaning.imputation_plan import RnnImputerFunction
from rnnforecast.data.cleaning_plan import CleaningPlan, TransformedTargets
from rnnforecast.data.panel.panel import Panel
from rnnforecast.training import device
from rnnforecast.training.rnn_imputer import (
    apply_imputer,
    fit_imputer,
    imputer_from_bytes,
    imputer_to_bytes,
)
from rnnforecast.types import Bools

CPU = device.select_device("cpu")
"""A small net, and the same weights on every machine."""

HIDDEN_SIZE = 32
STEPS = 400
BATCH_SIZE = 128
MIN_WIDTH, MAX_WIDTH = 16, 64
"""Rows to either side of a gap that are read: a season within these bounds."""


def fit_rnn_imputer(
    plan: CleaningPlan, transformed: TransformedTargets, panel: Panel, train_mask: Bools
) -> CleaningPlan:
    """`plan` with a recurrent imputer, if a target asks for one, fitted to the rows `told [N]`."""
    columns = plan.imputation.columns_of_method("rnn")
    if not columns:
        return plan
    net = fit_imputer(
        transformed.values[:, columns],
        transformed.target_mask[:, columns],
        panel.offsets,
        train_mask,
        width=imputer_width(plan),
        hidden_size=HIDDEN_SIZE,
        steps=STEPS,
        batch_size=BATCH_SIZE,
        seed=plan.imputation.seed,
        device=CPU,
    )
    weights = {"bytes": np.frombuffer(imputer_to_bytes(net), dtype=np.uint8)}
    return replace(plan, imputation=replace(plan.imputation, rnn_weights=weights))


def load_rnn_imputer(plan: CleaningPlan) -> RnnImputerFunction | None:
    """The imputer of a plan that has one, as the plan asks it."""
    if not plan.imputation.rnn_weights:
        return None
    data = plan.imputation.rnn_weights["bytes"].tobytes()
    net = imputer_from_bytes(data, name="cleaning.safetensors", device=CPU)
    return lambda values, observed, offsets: apply_imputer(net, values, observed, offsets)


def imputer_width(plan: CleaningPlan) -> int:
    """Rows to either side of a gap that the imputer reads."""
    return int(np.clip(plan.season, MIN_WIDTH, MAX_WIDTH))
