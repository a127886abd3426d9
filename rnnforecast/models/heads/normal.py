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
    """A head with two parameters, location and scale; it has no options."""
    return DistributionHead(
        2, "normalized", lambda loc, params, _: Normal(loc, positive_scale(params[..., 0]))
    )


@dataclass(frozen=True)
class Normal(Distribution):
    """Normal distributions."""

    loc: Tensor
    scale: Tensor

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log density."""
        distance = (y - self.loc) / self.scale
        return distance.square() / 2 + self.scale.log() + math.log(2 * math.pi) / 2

    def quantile(self, levels: Tensor) -> Tensor:
        """Quantiles from those of the standard normal."""
        return self.quantile_of_normal(torch.special.ndtri(levels))

    def quantile_of_normal(self, normal_quantiles: Tensor) -> Tensor:
        """Location plus scale times the standard normal's quantiles."""
        return self.loc[..., None] + self.scale[..., None] * normal_quantiles.to(self.loc)

    def sample(self) -> Tensor:
        """One random value per element."""
        return self.loc + self.scale * torch.randn_like(self.loc)
