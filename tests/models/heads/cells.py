"""Single cells and simple window scalers for the tests of heads."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnforecast.models.scaling.window_scaler import ScaleStats, WindowScaler

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def identity_scaler(windows: int = 1, channels: int = 1) -> WindowScaler:
    """A scaler whose network values are the original ones."""
    one = torch.ones(windows, 1, channels)
    return WindowScaler(ScaleStats(torch.zeros_like(one), one), torch.ones(()))


IDENTITY = identity_scaler()


def cell(*values: float) -> Tensor:
    """One step of one target, `[1, 1, 1, P]`."""
    return torch.tensor(values)[None, None, None]
