"""Log-normal distribution of positive values relative to the window's scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.models.heads.distribution import Distribution, positive_scale
from rnnforecast.models.heads.distribution_head import DistributionHead
from rnnforecast.models.heads.normal import Normal

TRAITS = ("positive", "exportable")

MIN_RATIO = 1e-4
"""Lower bound of values divided by the window's scale, so that their logarithm is finite."""

MAX_LOG_VALUE = 60.0
"""Bound of the absolute logarithm of a quantile or sample, so that float32 can hold it."""


def build(levels: Sequence[float], options: Mapping[str, object]) -> DistributionHead:
    """A head with two parameters, the median and the standard deviation of the logarithm; it has
    no options."""

    def build_distribution(location: Tensor, params: Tensor, relative_scale: Tensor) -> LogNormal:
        return LogNormal(location, relative_scale * positive_scale(params[..., 0]))

    return DistributionHead(2, "ratio", build_distribution)


@dataclass(frozen=True)
class LogNormal(Distribution):
    """Log-normal distributions; `sigma` is the standard deviation of the logarithm."""

    median: Tensor
    sigma: Tensor

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log density of `y`, not of its logarithm."""
        log = y.clamp_min(MIN_RATIO).log()
        return self._log_distribution.negative_log_likelihood(log) + log

    def quantile(self, levels: Tensor) -> Tensor:
        """Quantiles from those of the standard normal."""
        return self.quantile_of_normal(torch.special.ndtri(levels))

    def quantile_of_normal(self, normal_quantiles: Tensor) -> Tensor:
        """The exponential of the quantiles of the logarithm."""
        logarithms = self._log_distribution.quantile_of_normal(normal_quantiles)
        return logarithms.clamp(-MAX_LOG_VALUE, MAX_LOG_VALUE).exp()

    def sample(self) -> Tensor:
        """One random value per element."""
        return self._log_distribution.sample().clamp(-MAX_LOG_VALUE, MAX_LOG_VALUE).exp()

    @property
    def _log_distribution(self) -> Normal:
        return Normal(self.median.log(), self.sigma)
