"""Trained linear map from lookback to horizon, alone or added to a forecast of the window."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rnnforecast.models.config import ForecasterConfig
from rnnforecast.registry import BASE_FORECASTS, WINDOW_SCALERS


class BaseForecast(nn.Module):
    """`[B, L, C]` normalized → `[B, H, C]`, by the same map for each target."""

    def __init__(self, config: ForecasterConfig, window_forecast: nn.Module | None = None) -> None:
        """The map starts as the first of `initial_weights`."""
        super().__init__()
        self.linear = nn.Linear(config.lookback, config.horizon)
        self.window_forecast = window_forecast
        with torch.no_grad():
            self.linear.weight.copy_(next(iter(initial_weights(config).values())))
            self.linear.bias.zero_()

    def forward(self, values: Tensor, input_mask: Tensor) -> Tensor:
        """`[B, L, C]` values, zero outside `input_mask` → `[B, H, C]`."""
        mapped: Tensor = self.linear(values.transpose(1, 2)).transpose(1, 2)
        return mapped + self.forecast_windows(values, input_mask)

    def forecast_windows(self, values: Tensor, input_mask: Tensor) -> Tensor:
        """The untrained part, `[B, H, C]`; a scalar zero without a `window_forecast`."""
        if self.window_forecast is None:
            return values.new_zeros(())
        return self.window_forecast(values, input_mask)  # type: ignore[no-any-return]


def initial_weights(config: ForecasterConfig) -> dict[str, Tensor]:
    """Weights `[H, L]` of simple forecasts by name: the map starts as the first, and is shrunk
    towards the best when it is fitted."""
    zeros = torch.zeros(config.horizon, config.lookback)
    if "window_forecast" in BASE_FORECASTS.traits(config.base_forecast):
        return {config.base_forecast: zeros}
    if config.difference_lag or "removes_season" in WINDOW_SCALERS.traits(config.normalize):
        return {"no change": zeros}
    season = min(config.season, config.lookback)
    n_seasons = config.lookback // season
    return {
        "seasonal naive": _seasonal_mean_weights(config, 1, season),
        "seasonal mean": _seasonal_mean_weights(config, n_seasons, season),
    }


def _seasonal_mean_weights(config: ForecasterConfig, n_seasons: int, season: int) -> Tensor:
    """Weights `[H, L]` of the mean of the last `n_seasons` seasons, repeated."""
    with torch.device("cpu"):  # on "meta", torch would load its compiler, which takes a second
        weights = torch.zeros(config.horizon, config.lookback)
        step = torch.arange(config.horizon)
        for back in range(1, n_seasons + 1):
            weights[step, config.lookback - back * season + step % season] = 1.0 / n_seasons
    return weights
