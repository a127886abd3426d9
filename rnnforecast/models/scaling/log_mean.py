"""Logarithm of the ratio to the mean of the last season: `z = log(y / mean)`; for positive data."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnforecast.models.scaling.window_scaler import ScaleStats
from rnnforecast.models.scaling.window_statistics import WindowStatistics, recent_mean_abs

TRAITS = ("log", "level_ratio", "one_sign")


def scale_stats(values: Tensor, value_mask: Tensor, season: int) -> ScaleStats:
    """`[B, L, C]` values in original units and their mask → center and scale `[B, 1, C]`."""
    level = recent_mean_abs(values, value_mask, season)
    return ScaleStats(torch.zeros_like(level), level, is_log=True)


def build(*, season: int, n_items: int, seasons: tuple[int, ...]) -> WindowStatistics:
    """The scaler; `season` is in steps."""
    return WindowStatistics(scale_stats, season)
