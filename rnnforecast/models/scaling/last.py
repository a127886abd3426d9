"""Distance from the last value: `z = (y - last) / mean absolute distance from it`."""

from __future__ import annotations

from torch import Tensor

from rnnforecast.models.scaling.window_scaler import ScaleStats
from rnnforecast.models.scaling.window_statistics import WindowStatistics, floor_scale, masked_mean

TRAITS = ("divides_by_scale",)


def scale_stats(values: Tensor, value_mask: Tensor, season: int) -> ScaleStats:
    """`[B, L, C]` values in original units and their mask → center and scale `[B, 1, C]`."""
    center = values[:, -1:]
    distance = masked_mean((values - center).abs(), value_mask)
    return ScaleStats(center, floor_scale(distance, values, value_mask))


def build(*, season: int, n_items: int, seasons: tuple[int, ...]) -> WindowStatistics:
    """The scaler, without weights."""
    return WindowStatistics(scale_stats, season)
