"""Standardization over the lookback: `z = (y - mean) / standard deviation`."""

from __future__ import annotations

from torch import Tensor

from rnnforecast.models.scaling.window_scaler import ScaleStats
from rnnforecast.models.scaling.window_statistics import WindowStatistics, floor_scale, masked_mean

TRAITS = ("divides_by_scale",)


def scale_stats(values: Tensor, value_mask: Tensor, season: int) -> ScaleStats:
    """`[B, L, C]` values in original units and their mask → center and scale `[B, 1, C]`."""
    center = masked_mean(values, value_mask)
    deviation = masked_mean((values - center) ** 2, value_mask).sqrt()
    return ScaleStats(center, floor_scale(deviation, values, value_mask))


def build(*, season: int, n_items: int, seasons: tuple[int, ...]) -> WindowStatistics:
    """The scaler, without weights."""
    return WindowStatistics(scale_stats, season)
