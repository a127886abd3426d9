"""Student's t distribution of normalized values; robust to outliers (Lange et al. 1989)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.models.heads.distribution import (
    Distribution,
    apply_scipy,
    positive_scale,
    shifted_softplus,
)
from rnnforecast.models.heads.distribution_head import DistributionHead

TRAITS = ()

MIN_DF, INITIAL_DF = 2.001, 5.0
"""Degrees of freedom: the lower bound, with which the variance is finite, and the initial value."""


def build(levels: Sequence[float], options: Mapping[str, object]) -> DistributionHead:
    """A head with three parameters: location, scale and degrees of freedom; it has no options."""

    def build_distribution(location: Tensor, params: Tensor, relative_scale: Tensor) -> StudentT:
        df = MIN_DF + shifted_softplus(params[..., 1], INITIAL_DF - MIN_DF)
        return StudentT(location, positive_scale(params[..., 0]), df)

    return DistributionHead(3, "normalized", build_distribution)


@dataclass(frozen=True)
class StudentT(Distribution):
    """Student's t distributions with more than 2 degrees of freedom."""

    loc: Tensor
    scale: Tensor
    df: Tensor

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log density."""
        squared = ((y - self.loc) / self.scale).square()
        size = (
            self.scale.log() + (self.df * math.pi).log() / 2 - _lgamma_half_difference(self.df / 2)
        )
        return size + (self.df + 1) / 2 * torch.log1p(squared / self.df)

    def quantile(self, levels: Tensor) -> Tensor:
        """Location plus scale times the quantiles of the standard t distribution."""
        from scipy.special import stdtrit  # what `scipy.stats.t.ppf` calls, and quicker to import

        standard = apply_scipy(stdtrit, self.df[..., None], levels)
        return self.loc[..., None] + self.scale[..., None] * standard.to(self.loc)

    def sample(self) -> Tensor:
        """One random value per element."""
        square = torch.distributions.Chi2(self.df, validate_args=False).sample() / self.df
        return self.loc + self.scale * torch.randn_like(self.loc) / square.sqrt()


def _lgamma_half_difference(x: Tensor) -> Tensor:
    """``lgamma(x + 1/2) - lgamma(x)``, by its series where the difference would lose digits."""
    large = x > 50
    small = torch.where(large, 1.0, x)
    inverse = 1 / x
    series = x.log() / 2 - inverse / 8 + inverse**3 / 192
    return torch.where(large, series, torch.lgamma(small + 0.5) - torch.lgamma(small))
