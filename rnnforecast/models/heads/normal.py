"""Normal distribution of normalized values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.models.heads.distribution import Distribution, positive_scale
from rnnforecast.models.heads.distribution_head import DistributionHead

TRAITS = ("exportable",)


def build(levels: Sequence[float], options: Mapping[str, object]) -> DistributionHead:
    """A head of location and scale; without options."""
    return DistributionHead(
        2, "normalized", lambda loc, params, _: Normal(loc, positive_scale(params[..., 0]))
    )


@dataclass(frozen=True)
class Normal(Distribution):
    """The normal distribution."""

    loc: Tensor
    scale: Tensor

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log density."""
        distance = (y - self.loc) / self.scale
        return distance.square() / 2 + self.scale.log() + math.log(2 * math.pi) / 2

    def quantile(self, levels: Tensor) -> Tensor:
        """By the quantiles of the standard normal."""
        return self.quantile_of_normal(torch.special.ndtri(levels))

    def quantile_of_normal(self, normal_quantiles: Tensor) -> Tensor:
        """Location plus multiples of the scale."""
        return self.loc[..., None] + self.scale[..., None] * normal_quantiles.to(self.loc)

    def sample(self) -> Tensor:
        """One random value each."""
        return self.loc + self.scale * torch.randn_like(self.loc)
