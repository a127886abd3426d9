"""The first forecast: what the recurrent part adds to.

A linear map from the lookback to the horizon, which starts as a simple forecast, or on top of the
theta forecast of the window, and is then learnt with everything else.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rnnforecast.models.base_forecast.theta import ThetaForecast
from rnnforecast.models.config import ForecasterConfig


class BaseForecast(nn.Module):
    """Values of the lookback `[B, L, C]` to the horizon `[B, H, C]`, for each target alike."""

    def __init__(self, config: ForecasterConfig) -> None:
        """The map starts as the seasonal naive forecast, which is what is to be beaten; of theta,
        of differences and of values without their season, as nothing."""
        super().__init__()
        self.linear = nn.Linear(config.lookback, config.horizon)
        self.theta = (
            ThetaForecast(config.lookback, config.horizon, config.season)
            if config.base_forecast == "theta"
            else None
        )
        with torch.no_grad():
            self.linear.weight.copy_(next(iter(initial_weights(config).values())))
            self.linear.bias.zero_()

    def forward(self, values: Tensor, input_mask: Tensor) -> Tensor:
        """`present [B, L, C]` is 0 before a series begins; there `seen` is zero."""
        mapped: Tensor = self.linear(values.transpose(1, 2)).transpose(1, 2)
        return mapped + self.theta_forecast(values, input_mask)

    def theta_forecast(self, values: Tensor, input_mask: Tensor) -> Tensor:
        """What the theta forecast says, or zero where there is none."""
        return values.new_zeros(()) if self.theta is None else self.theta(values, input_mask)


def initial_weights(config: ForecasterConfig) -> dict[str, Tensor]:
    """Simple forecasts that the map may start as, by name, each `[H, L]`."""
    if config.base_forecast == "theta":
        return {"theta": torch.zeros(config.horizon, config.lookback)}
    if config.difference_lag or config.normalize == "exponential_smoothing":
        return {"no change": torch.zeros(config.horizon, config.lookback)}
    season = min(config.season, config.lookback)
    several = config.lookback // season
    return {
        "seasonal naive": _seasonal_mean_weights(config, 1, season),
        "seasonal mean": _seasonal_mean_weights(config, several, season),
    }


def _seasonal_mean_weights(config: ForecasterConfig, n_seasons: int, season: int) -> Tensor:
    """`[H, L]` of the mean of the last `seasons` seasons, repeated."""
    weights = torch.zeros(config.horizon, config.lookback)
    step = torch.arange(config.horizon)
    for back in range(1, n_seasons + 1):
        weights[step, config.lookback - back * season + step % season] = 1.0 / n_seasons
    return weights
