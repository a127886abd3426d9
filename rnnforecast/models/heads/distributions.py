"""Distributions of one number each: likelihood, quantiles and draws, for a batch at once.

| name | parameters | of |
| --- | --- | --- |
| `Normal` | location, scale | the net's values |
| `StudentT` | location, scale, degrees of freedom above 2 | the net's values |
| `LogNormal` | median, deviation of the logarithm | original values over the level's scale |
| `Poisson` | mean | original values |
| `NegativeBinomial` | mean m, dispersion a: the variance is m + a m² | original values |

`mixtures` has the others. Parameters are `[B, H, C]`, quantiles `[B, H, C, Q]` at `levels [Q]`,
float64 between 0 and 1. Each `surprise` is the negative logarithm of the density (of the
probability, for counts); counts between two whole numbers get the same formula by the gamma
function. Quantiles and draws carry no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

MIN_RATIO = 1e-4
"""Smaller shares of the level, zero and less, count as this one where a logarithm is taken."""

MAX_LOG_VALUE = 60.0
"""The logarithm of a quantile or draw goes no further, so that float32 can hold it."""

NORMAL_APPROXIMATION_MEAN = 1e8
"""A Poisson number with a larger mean is drawn as a normal one, which it is up to 1 in 10000."""

MAX_BISECTIONS = 80
"""A bracket halved so often is as narrow as float64 can make it."""


class Distribution(Protocol):
    """What every distribution offers."""

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log-likelihood of `y [B, H, C]`, elementwise."""

    def quantile(self, levels: Tensor) -> Tensor:
        """`[B, H, C, Q]` at ascending `levels [Q]`."""

    def sample(self) -> Tensor:
        """One random value each, `[B, H, C]`, with torch's global generator."""


@dataclass(frozen=True)
class Normal:
    """Gauss' own."""

    loc: Tensor
    scale: Tensor

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log density."""
        distance = (y - self.loc) / self.scale
        return distance.square() / 2 + self.scale.log() + math.log(2 * math.pi) / 2

    def quantile(self, levels: Tensor) -> Tensor:
        """Location and so many scales."""
        standard: Tensor = torch.special.ndtri(levels).to(self.loc)
        return self.loc[..., None] + self.scale[..., None] * standard

    def sample(self) -> Tensor:
        """One random value each."""
        return self.loc + self.scale * torch.randn_like(self.loc)


@dataclass(frozen=True)
class StudentT:
    """Heavier tails than the normal's, which errors far out pull about less (Lange et al. 1989)."""

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
        """Location and so many scales."""
        from scipy.special import stdtrit  # slow to import

        standard = _apply_scipy(stdtrit, self.df[..., None], levels)
        return self.loc[..., None] + self.scale[..., None] * standard.to(self.loc)

    def sample(self) -> Tensor:
        """One random value each: a normal one over the root of a mean of squares."""
        square = torch.distributions.Chi2(self.df, validate_args=False).sample() / self.df
        return self.loc + self.scale * torch.randn_like(self.loc) / square.sqrt()


@dataclass(frozen=True)
class LogNormal:
    """The logarithm is normal."""

    median: Tensor
    sigma: Tensor

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log density of y itself, not of its logarithm."""
        log = y.clamp_min(MIN_RATIO).log()
        return Normal(self.median.log(), self.sigma).negative_log_likelihood(log) + log

    def quantile(self, levels: Tensor) -> Tensor:
        """The exponential of the logarithm's."""
        found = Normal(self.median.log(), self.sigma).quantile(levels)
        return found.clamp(-MAX_LOG_VALUE, MAX_LOG_VALUE).exp()

    def sample(self) -> Tensor:
        """One random value each."""
        found = Normal(self.median.log(), self.sigma).sample()
        return found.clamp(-MAX_LOG_VALUE, MAX_LOG_VALUE).exp()


@dataclass(frozen=True)
class Poisson:
    """Counts of what happens independently."""

    mean: Tensor

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log probability."""
        y = y.clamp_min(0)
        return self.mean - y * self.mean.log() + torch.lgamma(y + 1)

    def quantile(self, levels: Tensor) -> Tensor:
        """The smallest whole number that is reached with this probability."""
        mean = to_float64(self.mean)[..., None]
        return integer_quantile(
            lambda k: torch.special.gammaincc(k + 1, mean.expand_as(k)), mean, mean, levels
        ).to(self.mean)

    def sample(self) -> Tensor:
        """One random value each."""
        return sample_poisson(self.mean.detach())


@dataclass(frozen=True)
class NegativeBinomial:
    """Counts that vary more than Poisson's: the mean itself is gamma distributed."""

    mean: Tensor
    dispersion: Tensor

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log probability."""
        y, r, scatter = y.clamp_min(0), 1 / self.dispersion, self.mean * self.dispersion
        ways = torch.lgamma(y + r) - torch.lgamma(r) - torch.lgamma(y + 1)
        return (r + y) * torch.log1p(scatter) - y * scatter.log() - ways

    def quantile(self, levels: Tensor) -> Tensor:
        """The smallest whole number that is reached with this probability."""
        from scipy.special import betainc  # slow to import

        mean, dispersion = (to_float64(x)[..., None] for x in (self.mean, self.dispersion))
        scatter = mean * dispersion
        return integer_quantile(
            lambda k: _apply_scipy(betainc, 1 / dispersion, k + 1, 1 / (1 + scatter)),
            mean,
            mean * (1 + scatter),
            levels,
        ).to(self.mean)

    def sample(self) -> Tensor:
        """One random value each: Poisson's, of a random mean."""
        shape, scale = 1 / self.dispersion.detach(), (self.mean * self.dispersion).detach()
        gamma = torch.distributions.Gamma(shape, 1.0, validate_args=False)
        return sample_poisson(gamma.sample() * scale)


def to_float64(x: Tensor) -> Tensor:
    """`x` in float64 without a gradient, on the processor if its device has no float64."""
    x = x.detach()
    return (x.cpu() if x.device.type == "mps" else x).double()


def sample_poisson(mean: Tensor) -> Tensor:
    """A draw of each `mean`; a large one's is normal, as graphics cards count to 2^32 only."""
    large = mean + mean.sqrt() * torch.randn_like(mean)
    return torch.where(
        mean > NORMAL_APPROXIMATION_MEAN,
        large.round(),
        torch.poisson(mean.clamp_max(NORMAL_APPROXIMATION_MEAN)),
    )


def quantile_bounds(mean: Tensor, variance: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Between which bounds the quantiles lie whatever the distribution (Cantelli's inequality)."""
    deviation, odds = variance.sqrt(), (levels / (1 - levels)).sqrt()
    return mean - deviation / odds, mean + deviation * odds


def integer_quantile(
    cdf: Callable[[Tensor], Tensor], mean: Tensor, variance: Tensor, levels: Tensor
) -> Tensor:
    """The smallest whole numbers from 0 whose `cdf` reaches the levels, float64.

    `mean` and `variance` are `[B, H, C, 1]`, `levels` `[Q]`; `cdf` takes whole `[B, H, C, Q]`.
    """
    levels = levels.to(mean)
    low, high = quantile_bounds(mean, variance, levels)
    low, high = low.floor().clamp_min(0) - 1, high.ceil()
    for _ in range(MAX_BISECTIONS):
        if not bool((high - low > 1).any()):
            break
        middle = ((low + high) / 2).ceil()  # never below 0, and the upper end once they touch
        reached = cdf(middle) >= levels
        low, high = torch.where(reached, low, middle), torch.where(reached, middle, high)
    return high


def _lgamma_half_difference(x: Tensor) -> Tensor:
    """``lgamma(x + 1/2) - lgamma(x)`` at `half`, by its series where the difference cancels."""
    large = x > 50
    small = torch.where(large, 1.0, x)
    inverse = 1 / x
    series = x.log() / 2 - inverse / 8 + inverse**3 / 192
    return torch.where(large, series, torch.lgamma(small + 0.5) - torch.lgamma(small))


def _apply_scipy(function: Callable[..., object], *tensors: Tensor) -> Tensor:
    """`function` of numpy arrays, elementwise, on tensors: float64, on their device."""
    arrays = [to_float64(argument).cpu().numpy() for argument in tensors]
    return torch.as_tensor(function(*arrays)).to(to_float64(tensors[0]))
