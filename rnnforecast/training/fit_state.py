"""State of a fit: step, weights, optimizer state, history; a checkpoint stores it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from rnnforecast.models.forecaster import Forecaster

StateDict = dict[str, Tensor]


@dataclass(frozen=True)
class HistoryRow:
    """One validation: a row of ``history.csv``. Losses are on the normalized scale."""

    step: int
    train_loss: float
    """Mean over the steps since the last row."""
    validation_loss: float
    """NaN without a validation part."""
    learning_rate: float


@dataclass
class FitState:
    """All that changes during a fit; resuming from it gives the same weights to the last bit."""

    step: int = 0
    rollback_factor: float = 1.0
    """Factor on the learning rate after rollbacks."""
    plateau_factor: float = 1.0
    """Factor on the learning rate of the schedule ``plateau``."""
    validations_since_reduction: int = 0
    """Validations without improvement since ``plateau`` last lowered the rate."""
    rollback_count: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    validations_since_best: int = 0
    loss_sum: float = 0.0
    """Sum of the training losses since the last validation."""
    loss_count: int = 0
    """Number of steps in `loss_sum`."""
    averaged_steps: int = 0
    """Number of steps whose weights are in `average_weights`."""
    history: list[HistoryRow] = field(default_factory=list)
    best_weights: StateDict = field(default_factory=dict)
    average_weights: StateDict = field(default_factory=dict)
    weights: StateDict = field(default_factory=dict)
    optimizer_state: StateDict = field(default_factory=dict)
    rng_state: StateDict = field(default_factory=dict)
    stopped: bool = False


def clone_state_dict(net: Forecaster) -> StateDict:
    """Copies of the weights and buffers of `net`."""
    return {name: value.detach().clone() for name, value in net.state_dict().items()}
