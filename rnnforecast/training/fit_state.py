"""All that changes during a fit, in one object that `checkpoint` writes and reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from rnnforecast.models.forecaster import Forecaster

StateDict = dict[str, Tensor]


@dataclass(frozen=True)
class HistoryRow:
    """One line of `history.csv`: mean training loss since the last one, and the validation loss."""

    step: int
    train_loss: float
    validation_loss: float
    learning_rate: float


@dataclass
class FitState:
    """All that changes during a fit; enough to go on later as if nothing had happened."""

    step: int = 0
    rollback_factor: float = 1.0
    """What undone steps have left of the learning rate."""
    plateau_factor: float = 1.0
    """What the schedule `plateau` has left of it."""
    validations_since_reduction: int = 0
    """Validations without improvement since `plateau` lowered the rate."""
    rollback_count: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    validations_since_best: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    averaged_steps: int = 0
    """Steps whose weights are in `average`."""
    history: list[HistoryRow] = field(default_factory=list)
    best_weights: StateDict = field(default_factory=dict)
    average_weights: StateDict = field(default_factory=dict)
    weights: StateDict = field(default_factory=dict)
    optimizer_state: StateDict = field(default_factory=dict)
    rng_state: StateDict = field(default_factory=dict)
    stopped: bool = False


def clone_state_dict(net: Forecaster) -> StateDict:
    """The weights and buffers of `net`, free of later steps."""
    return {name: value.detach().clone() for name, value in net.state_dict().items()}
