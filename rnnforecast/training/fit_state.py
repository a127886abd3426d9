"""All that changes during a fit, in one object that `checkpoint` writes and reads."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from torch import Tensor

from rnnforecast.models.forecaster import Forecaster

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Row:
    """One line of `history.csv`: mean training loss since the last one, and the validation loss."""

    step: int
    train_loss: float
    validation_loss: float
    learning_rate: float


@dataclass
class FitState:
    """All that changes during a fit; enough to go on later as if nothing had happened."""

    step: int = 0
    rate_scale: float = 1.0
    """What undone steps have left of the learning rate."""
    plateau_scale: float = 1.0
    """What the schedule `plateau` has left of it."""
    since_fall: int = 0
    """Validations without improvement since `plateau` lowered the rate."""
    cuts: int = 0
    best_loss: float = math.inf
    best_step: int = 0
    since_best: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    averaged: int = 0
    """Steps whose weights are in `average`."""
    rows: list[Row] = field(default_factory=list)
    best: Weights = field(default_factory=dict)
    average: Weights = field(default_factory=dict)
    weights: Weights = field(default_factory=dict)
    optimizer: Weights = field(default_factory=dict)
    random: Weights = field(default_factory=dict)
    stopped: bool = False


def copied(net: Forecaster) -> Weights:
    """The weights and buffers of `net`, free of later steps."""
    return {name: value.detach().clone() for name, value in net.state_dict().items()}
