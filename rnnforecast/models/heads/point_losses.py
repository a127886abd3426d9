"""Scores of point forecasts, step by step: what `heads` takes the mean of.

`smape` and `mase` are taken in original units, the others on the net's values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from rnnforecast.models.scaling.window_scaler import SMALLEST_SPREAD

if TYPE_CHECKING:
    from rnnforecast.models.heads.heads import Frame

NEARLY_ZERO = 1e-30
"""Original values of this size count as zero, lest the slope of a ratio overflows."""

Score = Callable[[Tensor, Tensor, "Frame"], Tensor]
"""`(forecast [B, H, C] of the net, future [B, H, C] original, frame) -> losses [B, H, C]`."""


def _normalised(loss: Callable[..., Tensor]) -> Score:
    return lambda forecast, future, frame: loss(
        forecast, frame.normalised(future), reduction="none"
    )


def _smape(forecast: Tensor, future: Tensor, scaler: Frame) -> Tensor:
    """``2 |y - f| / (|y| + |f|)`` in original units, from 0 to 2, and 0 where both are 0."""
    found = scaler.original(forecast)
    size = future.abs() + found.abs()
    return 2 * (future - found).abs() / torch.where(size > NEARLY_ZERO, size, 1.0)


def _mase(forecast: Tensor, future: Tensor, scaler: Frame) -> Tensor:
    """``|y - f|`` over the mean absolute seasonal change of the history; over the level's scale
    where there was no change."""
    scale = scaler.level.scale
    if scaler.naive is not None:
        floor = SMALLEST_SPREAD * scale
        scale = torch.where(scaler.naive > 0, torch.maximum(scaler.naive, floor), scale)
    return (future - scaler.original(forecast)).abs() / scale


POINTS: dict[str, Score] = {
    "mae": _normalised(functional.l1_loss),  # teaches the median
    "mse": _normalised(functional.mse_loss),  # teaches the mean
    "rmse": _normalised(functional.mse_loss),
    "huber": _normalised(functional.smooth_l1_loss),  # between the two (Huber 1964)
    "smape": _smape,
    "mase": _mase,
}
