"""The theta forecast of each window, in closed form, for many windows at once.

Assimakopoulos & Nikolopoulos (2000), "The theta model: a decomposition approach to forecasting", in
the form of Hyndman & Billah (2003): simple exponential smoothing of the values without their
season, with half the slope of their straight line as drift. It won the M3 competition's monthly
part and needs nothing but the window itself, so it is a good first forecast for short series.

Three things differ from the textbook, so that every window can be treated alike: the season is not
kept or dropped by a test but shrunk by how well it is told from noise; the smoothed level is an
exponentially weighted mean of what there is, which needs no first level; and smoothing parameters
are not chosen but weighed by their likelihood, that of errors a step ahead. Where there are no two
seasons in the lookback, the forecast has none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

ALPHAS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""Smoothing parameters. A finer choice forecasts no better."""

MIN_DENOMINATOR = 1e-6
"""What is divided by is never taken smaller."""


class ThetaForecast(nn.Module):
    """Forecasts of windows; nothing in it is learnt."""

    smoothing_weights: Tensor

    def __init__(self, lookback: int, horizon: int, season: int) -> None:
        """Windows of `steps`; `season` 1 means none."""
        super().__init__()
        self.lookback, self.horizon, self.season = lookback, horizon, season
        age = torch.arange(lookback)
        back = age[None, :] - age[:, None]  # [from, to]
        kept = (1 - torch.tensor(ALPHAS))[:, None, None] ** back.clamp_min(0)
        # made again from its sizes, so not stored with the weights
        self.register_buffer(
            "smoothing_weights", torch.where(back >= 0, kept, 0.0), persistent=False
        )

    def forward(self, values: Tensor, input_mask: Tensor) -> Tensor:
        """`[B, H, C]` forecasts of windows `values [B, L, C]`, in the same units.

        `present [B, L, C]` is 0 before a series begins, and at no step after that.
        """
        with torch.autocast(values.device.type, enabled=False):  # squares need their digits
            return self._forecast(values.float(), input_mask.float())

    def _forecast(self, values: Tensor, input_mask: Tensor) -> Tensor:
        windows, steps, channels = values.shape
        season, horizon = self.season, self.horizon
        y = values.transpose(1, 2).reshape(-1, steps)  # [N, L]
        seen = input_mask.expand_as(values).transpose(1, 2).reshape(-1, steps)
        if 1 < season <= steps // 2:
            pattern = _seasonal_pattern(
                y, seen, season
            )  # [N, season], the last that of the last step
            places = torch.arange(-steps, horizon, device=y.device) % season
            shape = pattern[:, places]
            level, drift = self._level_and_drift((y - shape[:, :steps]) * seen, seen)
            found = level + drift + shape[:, steps:]  # [N, H]
        else:
            level, drift = self._level_and_drift(y * seen, seen)
            found = level + drift
        return found.reshape(windows, channels, horizon).transpose(1, 2)

    def _level_and_drift(self, deseasonalized: Tensor, input_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Of values without their season `d [N, L]`, zero where not seen: the last smoothed level
        `[N, 1]`, and the drift of each step ahead `[N, H]`."""
        levels = torch.matmul(deseasonalized, self.smoothing_weights)  # [A, N, L]
        levels = levels / torch.matmul(input_mask, self.smoothing_weights).clamp_min(
            MIN_DENOMINATOR
        )
        judged = input_mask[:, 1:] * (input_mask.cumsum(1)[:, :-1] > 0)
        errors = ((levels[..., :-1] - deseasonalized[:, 1:]).square() * judged).sum(-1)  # [A, N]
        evidence = -judged.sum(1) / 2 * torch.log(errors.clamp_min(MIN_DENOMINATOR**2))
        share = torch.softmax(evidence, 0)
        level = (share * levels[..., -1]).sum(0).unsqueeze(1)
        time = torch.arange(
            1 - self.lookback, 1, device=deseasonalized.device, dtype=deseasonalized.dtype
        )
        count = input_mask.sum(1, keepdim=True).clamp_min(1)
        apart = (time - (input_mask * time).sum(1, keepdim=True) / count) * input_mask
        spread = apart.square().sum(1, keepdim=True).clamp_min(1.0)
        slope = (apart * deseasonalized).sum(1, keepdim=True) / spread
        alpha = deseasonalized.new_tensor(ALPHAS).unsqueeze(1)
        lag = (1 - (1 - alpha) ** count.T) / alpha  # how far a level is behind a straight line
        late = (share * lag).sum(0).unsqueeze(1)
        step = torch.arange(self.horizon, device=deseasonalized.device, dtype=deseasonalized.dtype)
        return level, slope / 2 * (step + late)


def _seasonal_pattern(values: Tensor, input_mask: Tensor, season: int) -> Tensor:
    """The mean season `[N, season]` around a centred moving average, shrunk towards none."""
    size = season + 1 - season % 2
    kernel = values.new_ones(1, 1, size)
    if season % 2 == 0:  # centred on a step: half a weight at either end
        kernel[..., 0] = kernel[..., -1] = 0.5
    kernel = kernel / season
    trend = functional.conv1d((values * input_mask).unsqueeze(1), kernel).squeeze(1)
    whole = functional.conv1d(input_mask.unsqueeze(1), kernel).squeeze(1) > 0.999  # [N, T]
    margin = size // 2
    rest = torch.where(whole, values[:, margin:-margin] - trend, 0.0)
    place = torch.arange(margin - values.shape[1], -margin, device=values.device) % season
    member = functional.one_hot(place, season).to(values.dtype)  # [T, season]
    count = whole.to(values.dtype) @ member  # [N, season]
    mean = (rest @ member) / count.clamp_min(1)
    mean = mean - mean.mean(1, keepdim=True)
    noise = torch.where(whole, rest - mean[:, place], 0.0).square().sum(1, keepdim=True)
    freedom = (count.sum(1, keepdim=True) - season).clamp_min(1)
    unsure = noise / freedom / count.mean(1, keepdim=True).clamp_min(1)  # of a mean over seasons
    power = mean.square().mean(1, keepdim=True)
    shrunk = (1 - unsure / power.clamp_min(1e-12)).clamp_min(0.0)
    enough = (count > 0).all(1, keepdim=True)
    return torch.where(enough, mean * shrunk, 0.0)
