"""Ratio to the mean absolute value of the last season: `z = y / mean - 1`."""

from __future__ import annotations

from torch import Tensor

from rnnforecast.models.scaling.window_scaler import ScaleStats
from rnnforecast.models.scaling.window_statistics import WindowStatistics, recent_mean_abs

TRAITS = ("level_ratio", "one_sign")


def scale_stats(values: Tensor, value_mask: Tensor, season: int) -> ScaleStats:
    """`[B, L, C]` values in original units and their mask → center and scale `[B, 1, C]`."""
    level = recent_mean_abs(values, value_mask, season)
    return ScaleStats(level, level)


def build(*, season: int, n_items: int, seasons: tuple[int, ...]) -> WindowStatistics:
    """The scaler; `season` is in steps."""
    return WindowStatistics(scale_stats, season)
