"""No scaling: `z = y`."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnforecast.models.scaling.window_scaler import ScaleStats
from rnnforecast.models.scaling.window_statistics import WindowStatistics

TRAITS = ("level_ratio",)


def scale_stats(values: Tensor, value_mask: Tensor, season: int) -> ScaleStats:
    """`[B, L, C]` values in original units and their mask → center and scale `[B, 1, C]`."""
    center = torch.zeros_like(values[:, -1:])
    return ScaleStats(center, torch.ones_like(center))


def build(*, season: int, n_items: int, seasons: tuple[int, ...]) -> WindowStatistics:
    """The scaler, without weights."""
    return WindowStatistics(scale_stats, season)
