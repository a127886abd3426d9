"""Negative binomial distribution of counts that vary more than Poisson's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.models.heads.distribution import (
    INITIAL_DISPERSION,
    Distribution,
    apply_scipy,
    sample_poisson,
    shifted_softplus,
)
from rnnforecast.models.heads.distribution_head import DistributionHead

TRAITS = ("positive", "amounts")

MIN_DISPERSION = 1e-6
"""Added to the dispersion; at this value the distribution is practically a Poisson distribution."""


def build(levels: Sequence[float], options: Mapping[str, object]) -> DistributionHead:
    """A head with two parameters, mean and dispersion; it has no options."""

    def build_distribution(
        location: Tensor, params: Tensor, relative_scale: Tensor
    ) -> NegativeBinomial:
        dispersion = relative_scale * shifted_softplus(params[..., 0], INITIAL_DISPERSION)
        return NegativeBinomial(location, dispersion + MIN_DISPERSION)

    return DistributionHead(2, "original", build_distribution)


@dataclass(frozen=True)
class NegativeBinomial(Distribution):
    """Poisson distributions with a gamma distributed mean: the variance is
    ``mean + dispersion * mean ** 2``."""

    mean: Tensor
    dispersion: Tensor

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log probability."""
        odds = (self.mean * self.dispersion).log()
        distribution = torch.distributions.NegativeBinomial(
            1 / self.dispersion, logits=odds, validate_args=False
        )
        log_probability: Tensor = distribution.log_prob(y.clamp_min(0))  # type: ignore[no-untyped-call]
        return -log_probability

    def quantile(self, levels: Tensor) -> Tensor:
        """The smallest k with P(X <= k) >= level."""
        from scipy.stats import nbinom  # slow to import

        mean, dispersion = self.mean[..., None], self.dispersion[..., None]
        return apply_scipy(
            lambda m, a, p: nbinom.ppf(p, 1 / a, 1 / (1 + m * a)), mean, dispersion, levels
        ).to(self.mean)

    def sample(self) -> Tensor:
        """One random value per element: Poisson, with a gamma distributed mean."""
        shape, scale = 1 / self.dispersion.detach(), (self.mean * self.dispersion).detach()
        gamma = torch.distributions.Gamma(shape, 1.0, validate_args=False)
        return sample_poisson(gamma.sample() * scale)
