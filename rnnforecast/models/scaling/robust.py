"""Robust scaling over the lookback: `z = (y - median) / interquartile range`."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnforecast.models.scaling.window_scaler import ScaleStats
from rnnforecast.models.scaling.window_statistics import WindowStatistics, floor_scale

TRAITS = ("divides_by_scale",)


def scale_stats(values: Tensor, value_mask: Tensor, season: int) -> ScaleStats:
    """`[B, L, C]` values in original units and their mask → center and scale `[B, 1, C]`."""
    # torch.nanquantile written out: ONNX has no operator that sorts NaN
    ordered = torch.where(value_mask, values, torch.inf).sort(1).values
    last = value_mask.sum(1, keepdim=True) - 1
    low, center, high = (_interpolate_sorted(ordered, level * last) for level in (0.25, 0.5, 0.75))
    center = torch.where(center.isnan(), values[:, -1:], center)
    return ScaleStats(center, floor_scale((high - low).nan_to_num(0.0), values, value_mask))


def build(*, season: int, n_items: int, seasons: tuple[int, ...]) -> WindowStatistics:
    """The scaler, without weights."""
    return WindowStatistics(scale_stats, season)


def _interpolate_sorted(sorted_values: Tensor, position: Tensor) -> Tensor:
    """`sorted_values [B, L, C]` at `position [B, 1, C]`, interpolated linearly; NaN in a window of
    masked values."""
    position = position.clamp_min(0).to(sorted_values.dtype)
    below = sorted_values.gather(1, position.floor().long())
    above = sorted_values.gather(1, position.ceil().long())
    return torch.lerp(below, above, position - position.floor())
