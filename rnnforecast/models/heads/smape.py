"""Symmetric absolute percentage error in original units; between 0 and 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from rnnforecast.models.heads.point_head import PointHead
from rnnforecast.models.scaling.window_scaler import WindowScaler

TRAITS = ("point", "exportable")

MIN_DENOMINATOR = 1e-30
"""Denominators up to this are replaced by 1, so that the gradient does not overflow."""


def build(levels: Sequence[float], options: Mapping[str, object]) -> PointHead:
    """A head with this loss; it has no options."""
    return PointHead(symmetric_percentage_error)


def symmetric_percentage_error(forecast: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
    """``2 |y - f| / (|y| + |f|)`` in original units, and 0 where both are 0, `[B, H, C]`."""
    forecast = scaler.denormalize(forecast)
    size = future.abs() + forecast.abs()
    return 2 * (future - forecast).abs() / torch.where(size > MIN_DENOMINATOR, size, 1.0)
