"""Scores of point forecasts, step by step: what `heads` takes the mean of.

`smape` and `mase` are taken in original units, the others on the net's values.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from rnnforecast.models.scaling.window_scaler import MIN_RELATIVE_SCALE, WindowScaler

MIN_DENOMINATOR = 1e-30
"""Original values of this size count as zero, lest the slope of a ratio overflows."""

PointLoss = Callable[[Tensor, Tensor, WindowScaler], Tensor]
"""`(forecast [B, H, C] of the net, future [B, H, C] original, frame) -> losses [B, H, C]`."""


def _on_normalized_values(loss: Callable[..., Tensor]) -> PointLoss:
    return lambda forecast, future, frame: loss(
        forecast, frame.normalize_future(future), reduction="none"
    )


def _smape(forecast: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
    """``2 |y - f| / (|y| + |f|)`` in original units, from 0 to 2, and 0 where both are 0."""
    found = scaler.denormalize(forecast)
    size = future.abs() + found.abs()
    return 2 * (future - found).abs() / torch.where(size > MIN_DENOMINATOR, size, 1.0)


def _mase(forecast: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
    """``|y - f|`` over the mean absolute seasonal change of the history; over the level's scale
    where there was no change."""
    scale = scaler.stats.scale
    if scaler.mase_scale is not None:
        floor = MIN_RELATIVE_SCALE * scale
        scale = torch.where(scaler.mase_scale > 0, torch.maximum(scaler.mase_scale, floor), scale)
    return (future - scaler.denormalize(forecast)).abs() / scale


POINT_LOSSES: dict[str, PointLoss] = {
    "mae": _on_normalized_values(functional.l1_loss),  # teaches the median
    "mse": _on_normalized_values(functional.mse_loss),  # teaches the mean
    "rmse": _on_normalized_values(functional.mse_loss),
    "huber": _on_normalized_values(functional.smooth_l1_loss),  # between the two (Huber 1964)
    "smape": _smape,
    "mase": _mase,
}
