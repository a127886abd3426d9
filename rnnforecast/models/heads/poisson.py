"""Poisson distribution of counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.models.heads.distribution import (
    Distribution,
    quantile_bounds,
    sample_poisson,
    to_float64,
)
from rnnforecast.models.heads.distribution_head import DistributionHead

TRAITS = ("positive", "amounts")

MAX_BISECTIONS = 80
"""Enough halvings for any float64 bracket."""


def build(levels: Sequence[float], options: Mapping[str, object]) -> DistributionHead:
    """A head with one parameter, the mean; it has no options."""
    return DistributionHead(1, "original", lambda mean, params, _: Poisson(mean))


@dataclass(frozen=True)
class Poisson(Distribution):
    """Poisson distributions."""

    mean: Tensor

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log probability."""
        y = y.clamp_min(0)
        return self.mean - y * self.mean.log() + torch.lgamma(y + 1)

    def quantile(self, levels: Tensor) -> Tensor:
        """The smallest k with P(X <= k) >= level, by bisection.

        `scipy.stats.poisson.ppf` agrees up to a mean of a million, and takes minutes beyond.
        """
        mean = to_float64(self.mean)[..., None]
        levels = levels.to(mean)
        low, high = quantile_bounds(mean, mean, levels)
        low, high = low.floor().clamp_min(0) - 1, high.ceil()
        for _ in range(MAX_BISECTIONS):
            if not bool((high - low > 1).any()):
                break
            middle = ((low + high) / 2).ceil()  # >= 0; equals `high` once the bracket is 1 wide
            reached = torch.special.gammaincc(middle + 1, mean.expand_as(middle)) >= levels
            low, high = torch.where(reached, low, middle), torch.where(reached, middle, high)
        return high.to(self.mean)

    def sample(self) -> Tensor:
        """One random value per element."""
        return sample_poisson(self.mean.detach())
