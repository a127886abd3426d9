"""Absolute error relative to that of the seasonal naive forecast in the window's history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from rnnforecast.models.heads.point_head import PointHead
from rnnforecast.models.scaling.window_scaler import MIN_RELATIVE_SCALE, WindowScaler

TRAITS = ("point", "exportable")


def build(levels: Sequence[float], options: Mapping[str, object]) -> PointHead:
    """A head with this loss; it has no options."""
    return PointHead(scaled_absolute_error, uses_mase_scale=True)


def scaled_absolute_error(forecast: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
    """``|y - f|`` divided by the mean absolute seasonal change of the history, or by the scale of
    the window if there was no change, `[B, H, C]`."""
    scale = scaler.stats.scale
    if scaler.mase_scale is not None:
        floor = MIN_RELATIVE_SCALE * scale
        scale = torch.where(scaler.mase_scale > 0, torch.maximum(scaler.mase_scale, floor), scale)
    return (future - scaler.denormalize(forecast)).abs() / scale
