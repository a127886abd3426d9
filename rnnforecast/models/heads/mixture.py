"""Mixture of normal distributions of normalized values (Bishop 1994)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rnnforecast.models.heads.distribution import (
    INITIAL_SCALE,
    Distribution,
    positive_scale,
    to_float64,
)
from rnnforecast.models.heads.distribution_head import DistributionHead
from rnnforecast.models.heads.normal import Normal

TRAITS = ()

OPTIONS = {"components": (3, 2, 20)}

N_BISECTIONS = 50
"""Enough to find a quantile to 1e-15 of the range of the components' quantiles."""


def build(levels: Sequence[float], options: Mapping[str, Any]) -> DistributionHead:
    """A head with `components` normals; the location is that of the first."""
    n = options["components"]
    # components that start equal would stay equal: the others start on both sides of the first
    offsets = [INITIAL_SCALE * (-1) ** k * ((k + 1) // 2) for k in range(n)]

    def build_distribution(
        location: Tensor, params: Tensor, relative_scale: Tensor
    ) -> NormalMixture:
        apart = functional.pad(params[..., : n - 1], (1, 0)) + params.new_tensor(offsets)
        return NormalMixture(
            params[..., -n:].log_softmax(-1),
            location.unsqueeze(-1) + apart,
            positive_scale(params[..., n - 1 : -n]),
        )

    return DistributionHead(3 * n, "normalized", build_distribution)


@dataclass(frozen=True)
class NormalMixture(Distribution):
    """Mixtures of n normals; fields `[B, H, C, n]`."""

    log_weights: Tensor
    loc: Tensor
    scale: Tensor

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log density."""
        components = Normal(self.loc, self.scale)
        each = self.log_weights - components.negative_log_likelihood(y.unsqueeze(-1))
        return -torch.logsumexp(each, -1)

    def quantile(self, levels: Tensor) -> Tensor:
        """Quantiles by bisection between the smallest and the largest of the components."""
        weights, loc, scale = (
            to_float64(x).unsqueeze(-2) for x in (self.log_weights.exp(), self.loc, self.scale)
        )  # [B, H, C, 1, n]
        levels = levels.to(loc)
        each = loc + scale * torch.special.ndtri(levels).unsqueeze(-1)  # [B, H, C, Q, n]
        low, high = each.amin(-1), each.amax(-1)
        for _ in range(N_BISECTIONS):
            middle = (low + high) / 2
            component_cdf = torch.special.ndtr((middle.unsqueeze(-1) - loc) / scale)
            below = (weights * component_cdf).sum(-1) < levels
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        quantiles: Tensor = (low + high) / 2
        return quantiles.to(self.loc)

    def sample(self) -> Tensor:
        """One random value per element, from a random component (by the Gumbel-max trick)."""
        gumbel = -torch.empty_like(self.loc).exponential_().log()
        component = (self.log_weights + gumbel).argmax(-1, keepdim=True)
        loc, scale = self.loc.gather(-1, component), self.scale.gather(-1, component)
        return Normal(loc, scale).sample()[..., 0]
