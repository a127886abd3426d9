"""Theta base forecast: the theta method for each window in closed form, plus a trained linear map.

Assimakopoulos & Nikolopoulos (2000), "The theta model: a decomposition approach to forecasting", in
the form of Hyndman & Billah (2003): simple exponential smoothing of the seasonally adjusted values,
with half the slope of their linear trend as drift. It needs only the values of the window, which
suits short series.

Three differences from the textbook form allow one formula for all windows: the seasonal pattern is
shrunk by its signal-to-noise ratio instead of kept or dropped by a test; the smoothed level is an
exponentially weighted mean of the known values, without an initial level; smoothing parameters are
averaged by the likelihood of their one-step errors instead of optimized. A lookback of less than
two seasons has no seasonal pattern.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnforecast.models.base_forecast.base_forecast import BaseForecast
from rnnforecast.models.config import ForecasterConfig

TRAITS = ("candidate", "window_forecast")

ALPHAS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Smoothing parameters that are averaged; a finer grid is no more accurate."""

MIN_DENOMINATOR = 1e-6
"""Lower bound of divisors; its square bounds sums of squared errors."""


class ThetaForecast(nn.Module):
    """Theta forecast of windows; it has no trained weights."""

    smoothing_weights: Tensor

    def __init__(self, lookback: int, horizon: int, season: int) -> None:
        """Sizes in steps; a season of 1 means none."""
        super().__init__()
        self.lookback, self.horizon, self.season = lookback, horizon, season
        with torch.device("cpu"):  # on "meta", torch would load its compiler, which takes a second
            step = torch.arange(lookback)
            lag = step[None, :] - step[:, None]  # [from, to]
            decay = (1 - torch.tensor(ALPHAS))[:, None, None] ** lag.clamp_min(0)
            weights = torch.where(lag >= 0, decay, 0.0)
        self.register_buffer("smoothing_weights", weights, persistent=False)

    def forward(self, values: Tensor, input_mask: Tensor) -> Tensor:
        """`values [B, L, C]` → forecasts `[B, H, C]` in the same units.

        `input_mask [B, L, C]` is false only before the first step of a series.
        """
        with torch.autocast(values.device.type, enabled=False):  # squares need float32
            return self._forecast(values.float(), input_mask.float())

    def _forecast(self, values: Tensor, input_mask: Tensor) -> Tensor:
        windows, steps, channels = values.shape
        season, horizon = self.season, self.horizon
        y = values.transpose(1, 2).reshape(-1, steps)  # [N, L]
        mask = input_mask.expand_as(values).transpose(1, 2).reshape(-1, steps)
        if 1 < season <= steps // 2:
            pattern = _seasonal_pattern(y, mask, season)  # [N, season], ends at the last step
            positions = torch.arange(-steps, horizon, device=y.device) % season
            seasonal = pattern[:, positions]
            level, drift = self._level_and_drift((y - seasonal[:, :steps]) * mask, mask)
            forecast = level + drift + seasonal[:, steps:]  # [N, H]
        else:
            level, drift = self._level_and_drift(y * mask, mask)
            forecast = level + drift
        return forecast.reshape(windows, channels, horizon).transpose(1, 2)

    def _level_and_drift(self, deseasonalized: Tensor, input_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Last smoothed level `[N, 1]` and drift of each step ahead `[N, H]` of seasonally adjusted
        values `[N, L]`, zero outside the mask."""
        levels = torch.matmul(deseasonalized, self.smoothing_weights)  # [alphas, N, L]
        levels = levels / torch.matmul(input_mask, self.smoothing_weights).clamp_min(
            MIN_DENOMINATOR
        )
        error_mask = input_mask[:, 1:] * (input_mask.cumsum(1)[:, :-1] > 0)
        errors = ((levels[..., :-1] - deseasonalized[:, 1:]).square() * error_mask).sum(
            -1
        )  # [alphas, N]
        log_likelihood = -error_mask.sum(1) / 2 * torch.log(errors.clamp_min(MIN_DENOMINATOR**2))
        alpha_weights = torch.softmax(log_likelihood, 0)
        level = (alpha_weights * levels[..., -1]).sum(0).unsqueeze(1)
        time = torch.arange(
            1 - self.lookback, 1, device=deseasonalized.device, dtype=deseasonalized.dtype
        )
        count = input_mask.sum(1, keepdim=True).clamp_min(1)
        centered = (time - (input_mask * time).sum(1, keepdim=True) / count) * input_mask
        variation = centered.square().sum(1, keepdim=True).clamp_min(1.0)
        slope = (centered * deseasonalized).sum(1, keepdim=True) / variation
        alpha = deseasonalized.new_tensor(ALPHAS).unsqueeze(1)
        lag = (1 - (1 - alpha) ** count.T) / alpha  # steps that a level lags behind a trend
        mean_lag = (alpha_weights * lag).sum(0).unsqueeze(1)
        step = torch.arange(self.horizon, device=deseasonalized.device, dtype=deseasonalized.dtype)
        return level, slope / 2 * (step + mean_lag)


def build(config: ForecasterConfig) -> BaseForecast:
    """The theta forecast plus a linear map that starts at zero."""
    theta = ThetaForecast(config.lookback, config.horizon, config.season)
    return BaseForecast(config, theta)


def _seasonal_pattern(values: Tensor, input_mask: Tensor, season: int) -> Tensor:
    """Mean deviation from a centered moving average at each position of the season,
    `[N, season]`, shrunk towards zero."""
    size = season + 1 - season % 2
    kernel = values.new_ones(1, 1, size)
    if season % 2 == 0:  # both ends have the same position in the season
        kernel[..., 0] = kernel[..., -1] = 0.5
    kernel = kernel / season
    trend = functional.conv1d((values * input_mask).unsqueeze(1), kernel).squeeze(1)
    complete = functional.conv1d(input_mask.unsqueeze(1), kernel).squeeze(1) > 0.999  # [N, T]
    margin = size // 2
    residual = torch.where(complete, values[:, margin:-margin] - trend, 0.0)
    position = torch.arange(margin - values.shape[1], -margin, device=values.device) % season
    indicator = functional.one_hot(position, season).to(values.dtype)  # [T, season]
    count = complete.to(values.dtype) @ indicator  # [N, season]
    mean = (residual @ indicator) / count.clamp_min(1)
    mean = mean - mean.mean(1, keepdim=True)
    noise = torch.where(complete, residual - mean[:, position], 0.0).square().sum(1, keepdim=True)
    degrees_of_freedom = (count.sum(1, keepdim=True) - season).clamp_min(1)
    mean_variance = noise / degrees_of_freedom / count.mean(1, keepdim=True).clamp_min(1)
    power = mean.square().mean(1, keepdim=True)
    shrinkage = (1 - mean_variance / power.clamp_min(1e-12)).clamp_min(0.0)
    all_positions = (count > 0).all(1, keepdim=True)
    return torch.where(all_positions, mean * shrinkage, 0.0)
