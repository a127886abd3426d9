"""Window scalers without weights, whose statistics come from the history of each window."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.scaling.window_scaler import MIN_RELATIVE_SCALE, ScaleStats

Statistics = Callable[[Tensor, Tensor, int], ScaleStats]
"""`(values [B, L, C], value_mask [B, L, C] bool, season in steps) -> ScaleStats`."""


class WindowStatistics(nn.Module):
    """A scaler whose statistics are a function of values and mask."""

    def __init__(self, statistics: Statistics, season: int) -> None:
        super().__init__()
        self.statistics, self.season = statistics, season

    def forward(self, inputs: ModelInputs, horizon: int) -> ScaleStats:
        """The statistics of B windows."""
        return self.statistics(inputs.values, inputs.value_mask, self.season)

    def per_item_weights(self) -> list[str]:
        """An empty list: there are no weights."""
        return []

    def initialize(self, inputs: ModelInputs) -> None:
        """Does nothing: there are no weights."""


def masked_mean(values: Tensor, value_mask: Tensor) -> Tensor:
    """Mean over the mask, `[B, 1, C]`; the last (imputed) value if the mask is empty."""
    count = value_mask.sum(1, keepdim=True)
    total = (values * value_mask).sum(1, keepdim=True)
    return torch.where(count > 0, total / count.clamp_min(1), values[:, -1:])


def recent_mean_abs(values: Tensor, value_mask: Tensor, season: int) -> Tensor:
    """Mean absolute value of the last season, `[B, 1, C]` original units; of the whole lookback if
    that of the last season is negligible beside it."""
    recent = slice(-max(season, 1), None)
    level = masked_mean(values[:, recent].abs(), value_mask[:, recent])
    overall = masked_mean(values.abs(), value_mask)
    return _replace_zero_scale(torch.where(level > MIN_RELATIVE_SCALE * overall, level, overall))


def floor_scale(scale: Tensor, values: Tensor, value_mask: Tensor) -> Tensor:
    """The scale, at least `MIN_RELATIVE_SCALE` of the window's mean absolute value."""
    floor = MIN_RELATIVE_SCALE * masked_mean(values.abs(), value_mask)
    return _replace_zero_scale(torch.maximum(scale, floor))


def _replace_zero_scale(scale: Tensor) -> Tensor:
    return torch.where(scale > torch.finfo(scale.dtype).tiny, scale, torch.ones_like(scale))
