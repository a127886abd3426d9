"""The first forecast: what the recurrent part adds to.

A linear map from the lookback to the horizon, which starts as a simple forecast, or on top of the
theta forecast of the window, and is then learnt with everything else.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rnnforecast.models.base_forecast.theta import Theta
from rnnforecast.models.config import Architecture


class First(nn.Module):
    """Values of the lookback `[B, L, C]` to the horizon `[B, H, C]`, for each target alike."""

    def __init__(self, a: Architecture) -> None:
        """The map starts as the seasonal naive forecast, which is what is to be beaten; of theta,
        of differences and of values without their season, as nothing."""
        super().__init__()
        self.map = nn.Linear(a.lookback, a.horizon)
        self.theta = Theta(a.lookback, a.horizon, a.season) if a.first == "theta" else None
        with torch.no_grad():
            self.map.weight.copy_(next(iter(starts(a).values())))
            self.map.bias.zero_()

    def forward(self, seen: Tensor, present: Tensor) -> Tensor:
        """`present [B, L, C]` is 0 before a series begins; there `seen` is zero."""
        mapped: Tensor = self.map(seen.transpose(1, 2)).transpose(1, 2)
        return mapped + self.theta_of(seen, present)

    def theta_of(self, seen: Tensor, present: Tensor) -> Tensor:
        """What the theta forecast says, or zero where there is none."""
        return seen.new_zeros(()) if self.theta is None else self.theta(seen, present)


def starts(a: Architecture) -> dict[str, Tensor]:
    """Simple forecasts that the map may start as, by name, each `[H, L]`."""
    if a.first == "theta":
        return {"theta": torch.zeros(a.horizon, a.lookback)}
    if a.difference or a.normalize == "exponential_smoothing":
        return {"no change": torch.zeros(a.horizon, a.lookback)}
    season = min(a.season, a.lookback)
    several = a.lookback // season
    return {
        "seasonal naive": _repeated(a, 1, season),
        "seasonal mean": _repeated(a, several, season),
    }


def _repeated(a: Architecture, seasons: int, season: int) -> Tensor:
    """`[H, L]` of the mean of the last `seasons` seasons, repeated."""
    weights = torch.zeros(a.horizon, a.lookback)
    step = torch.arange(a.horizon)
    for back in range(1, seasons + 1):
        weights[step, a.lookback - back * season + step % season] = 1.0 / seasons
    return weights
