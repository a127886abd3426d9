"""Pretrained base forecast: the median of the pretrained network, plus a trained linear map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rnnforecast.models.base_forecast.base_forecast import BaseForecast
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.pretrained.context import PATCH_LENGTH, build_context
from rnnforecast.models.pretrained.network import MEDIAN_INDEX
from rnnforecast.models.pretrained.weights import load_pretrained_network

TRAITS = ("candidate", "window_forecast")


class PretrainedForecast(nn.Module):
    """Median of the pretrained network for each window; its weights are not trained further."""

    def __init__(self, lookback: int, horizon: int, season: int) -> None:
        """Sizes in steps; a season of 1 means none."""
        super().__init__()
        self.network = load_pretrained_network().requires_grad_(False)
        self.horizon = horizon
        self.padding = -lookback % PATCH_LENGTH
        self.seasons = [season if season > 1 else 0, 0]

    @torch.no_grad()
    def forward(self, values: Tensor, input_mask: Tensor) -> Tensor:
        """`values [B, L, C]` → forecasts `[B, H, C]` in the same units."""
        windows, steps, channels = values.shape
        y = nn.functional.pad(values.transpose(1, 2).reshape(-1, steps), (self.padding, 0))
        mask = input_mask.expand_as(values).transpose(1, 2).reshape(-1, steps)
        mask = nn.functional.pad(mask, (self.padding, 0)) > 0
        seasons = torch.tensor(self.seasons, device=y.device).expand(len(y), 2)
        context = build_context(y, mask, seasons)
        median = self.network(context, -(-self.horizon // PATCH_LENGTH))[..., MEDIAN_INDEX]
        forecast = context.denormalize(median)[:, : self.horizon]
        return forecast.reshape(windows, channels, self.horizon).transpose(1, 2)


def build(config: ForecasterConfig) -> BaseForecast:
    """The pretrained forecast plus a linear map that starts at zero."""
    network = PretrainedForecast(config.lookback, config.horizon, config.season)
    return BaseForecast(config, network)
