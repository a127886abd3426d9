"""Distributions that are mixtures: of normals, and of sums of gammas (Tweedie's).

Axes and offers as in `distributions`. Their distribution functions are sums and are inverted
numerically, with nothing random.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.models.heads.distributions import (
    MAX_BISECTIONS,
    Normal,
    quantile_bounds,
    sample_poisson,
    to_float64,
)

CDF_TERMS, DENSITY_TERMS = 64, 32
"""Of the series of a Tweedie distribution function and of its density, which is narrower: single
ones, or where there are more of weight, evenly spaced ones."""

TERM_DEVIATIONS = 6.5
"""Terms so many deviations from the largest are without weight."""

MAX_TERMS_IN_MEMORY = 2_000_000
"""Terms of distribution functions that are held in memory at a time."""

MAX_LOG_DISTANCE, LOG_TOLERANCE = 700.0, 1e-11
"""Quantiles are looked for in the logarithm down to so far, and to this exactness."""

PROBABILITY_BOUNDS = (1e-300, 1 - 1e-16)
"""Probabilities whose logit is finite."""


@dataclass(frozen=True)
class NormalMixture:
    """One of K normals at a time, with the probability of its share (Bishop 1994).

    `log_share`, `loc` and `scale` are `[B, H, C, K]`.
    """

    log_weights: Tensor
    loc: Tensor
    scale: Tensor

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log density."""
        each = self.log_weights - Normal(self.loc, self.scale).negative_log_likelihood(
            y.unsqueeze(-1)
        )
        return -torch.logsumexp(each, -1)

    def quantile(self, levels: Tensor) -> Tensor:
        """By halving: it lies between the quantiles of the parts."""
        share, loc, scale = (
            to_float64(x).unsqueeze(-2) for x in (self.log_weights.exp(), self.loc, self.scale)
        )  # [B, H, C, 1, K]
        levels = levels.to(loc)
        parts = loc + scale * torch.special.ndtri(levels).unsqueeze(-1)  # [B, H, C, Q, K]

        def cdf(y: Tensor) -> Tensor:
            reached: Tensor = torch.special.ndtr((y.unsqueeze(-1) - loc) / scale)
            return (share * reached).sum(-1)

        return bisect_quantile(cdf, parts.amin(-1), parts.amax(-1), levels).to(self.loc)

    def sample(self) -> Tensor:
        """One random value each, from a part that is drawn first (by Gumbel's trick)."""
        gumbel = -torch.empty_like(self.loc).exponential_().log()
        part = (self.log_weights + gumbel).argmax(-1, keepdim=True)
        return Normal(self.loc.gather(-1, part), self.scale.gather(-1, part)).sample()[..., 0]


@dataclass(frozen=True)
class Tweedie:
    """Zero, or the sum of a Poisson number of gamma amounts: demand that comes in batches.

    The variance is `dispersion * mean ** power`, `1 < power < 2`. Source: Jørgensen 1987; the
    density by the series of Dunn and Smyth 2005, "Series evaluation of Tweedie exponential
    dispersion model densities".
    """

    mean: Tensor
    dispersion: Tensor
    power: float

    @property
    def poisson_rate(self) -> Tensor:
        """The mean number of amounts."""
        return self.mean ** (2 - self.power) / (self.dispersion * (2 - self.power))

    @property
    def gamma_shape(self) -> float:
        """Of the gamma distribution of an amount."""
        return (2 - self.power) / (self.power - 1)

    @property
    def gamma_scale(self) -> Tensor:
        """The scale of the gamma distribution of an amount."""
        return self.dispersion * (self.power - 1) * self.mean ** (self.power - 1)

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log density, and of zero the negative log probability.

        A density is the one of the same dispersion around y itself, times `exp(-deviance / (2
        dispersion))`; so all the mean has to do with is the deviance.
        """
        y = y.clamp_min(0)
        known = torch.where(y > 0, y, 1.0)
        at_best = (
            self._log_density_at_mean(self.dispersion * known ** (self.power - 2)) - known.log()
        )
        lost = tweedie_deviance(y, self.mean, self.power) / (2 * self.dispersion)
        return lost - torch.where(y > 0, at_best, 0.0)

    def _log_density_at_mean(self, dispersion: Tensor) -> Tensor:
        """Log density of 1 where 1 is the mean: the sum over the number n of amounts."""
        best = Tweedie(torch.ones_like(dispersion), dispersion, self.power)
        rate, size = best.poisson_rate.unsqueeze(-1), best.gamma_scale.unsqueeze(-1)
        with torch.no_grad():  # the terms' places and what they have of these alone
            n, step = _series_terms(
                rate, (rate / (1 + self.gamma_shape)).sqrt(), DENSITY_TERMS, min_index=1
            )
            fixed = step.log() - torch.lgamma(n + 1) - torch.lgamma(n * self.gamma_shape)
        each = fixed + n * (rate.log() - self.gamma_shape * size.log())
        return torch.logsumexp(each, -1) - (rate + 1 / size)[..., 0]

    def quantile(self, levels: Tensor) -> Tensor:
        """Zero up to the probability of zero, behind it by Newton's method."""
        mean, dispersion = to_float64(self.mean).flatten(), to_float64(self.dispersion).flatten()
        pieces = max(1, len(mean) * CDF_TERMS * len(levels) // MAX_TERMS_IN_MEMORY)
        parts = [
            Tweedie(some_means, some, self.power)._flat_quantile(levels.to(mean))
            for some_means, some in zip(mean.chunk(pieces), dispersion.chunk(pieces), strict=True)
        ]
        return torch.cat(parts).reshape(*self.mean.shape, -1).to(self.mean)

    def sample(self) -> Tensor:
        """One random value each: so many gamma amounts are one of as many times the shape."""
        count = sample_poisson(self.poisson_rate.detach())
        shape = torch.where(count > 0, count * self.gamma_shape, 1.0)
        total = torch.distributions.Gamma(shape, 1.0, validate_args=False).sample()
        return torch.where(count > 0, total * self.gamma_scale.detach(), 0.0)

    def _flat_quantile(self, levels: Tensor) -> Tensor:
        """`[N, Q]` of parameters `[N]`.

        Newton's steps are in log y on the logit of the probability, nearly a line for small y; one
        that leaves the bracket is replaced by halving.
        """
        some = -torch.expm1(-self.poisson_rate).unsqueeze(-1)  # the probability of any amount
        wanted = 1 - (1 - levels) / some  # the level among the amounts
        found = torch.zeros_like(wanted)
        _, most = quantile_bounds(self.mean[:, None], self._variance[:, None], levels)
        cell, place = (wanted > 0).nonzero(as_tuple=True)
        left = (cell, place)  # where there is still something to do, [M] each
        target, high = wanted[left].logit(), most[left].log()
        at = torch.minimum((self.mean[cell] / some[cell, 0]).log(), high)
        low = high - MAX_LOG_DISTANCE
        both = self._positive_cdf_and_density()
        for _ in range(MAX_BISECTIONS):
            reached, density = both(at.exp(), left[0])
            share = (reached / some[left[0], 0]).clamp(*PROBABILITY_BOUNDS)
            off = share.logit() - target
            low, high = torch.where(off < 0, at, low), torch.where(off < 0, high, at)
            newton = at - off * share * (1 - share) * some[left[0], 0] / (at.exp() * density)
            inside = (newton > low - LOG_TOLERANCE) & (newton < high + LOG_TOLERANCE)
            after = torch.where(inside, newton, (low + high) / 2)
            found[left] = after.exp()
            todo = (after - at).abs() > LOG_TOLERANCE
            left = (left[0][todo], left[1][todo])
            target, at, low, high = (x[todo] for x in (target, after, low, high))
            if not len(at):
                break
        return found

    @property
    def _variance(self) -> Tensor:
        return self.dispersion * self.mean**self.power

    def _positive_cdf_and_density(self) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """The probability of an amount up to y, and its slope, of `y [M]` of the cells `[M]`."""
        rate, size = self.poisson_rate.unsqueeze(-1), self.gamma_scale.unsqueeze(-1)  # [N, 1]
        # amounts that hardly vary make steps in the sum, which take more terms to see
        most = math.ceil(CDF_TERMS * max(1.0, math.sqrt(self.gamma_shape) / 3))
        needed = rate + TERM_DEVIATIONS * rate.sqrt() + 12
        count = min(most, math.ceil(needed.max().item()) if len(needed) else 1)
        n, step = _series_terms(rate, rate.sqrt(), count, min_index=1)  # [N, T]
        share = (n * rate.log() - rate - torch.lgamma(n + 1)).exp() * step
        amount = n * self.gamma_shape
        log_gamma = torch.lgamma(amount)

        def both(y: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
            x, shape, weight = (y / size[cell, 0]).unsqueeze(-1), amount[cell], share[cell]
            slope = ((shape - 1) * x.log() - x - log_gamma[cell]).exp() / size[cell]
            reached = torch.special.gammainc(shape, x)
            return (weight * reached).sum(-1), (weight * slope).sum(-1)

        return both


def tweedie_deviance(y: Tensor, mean: Tensor, power: float) -> Tensor:
    """Unit deviance of `y >= 0` from a positive `mean`, zero where they agree, `1 < power < 2`."""
    one, two = 1 - power, 2 - power
    own = y**two / (one * two)
    return 2 * (own - y * mean**one / one + mean**two / two)


def bisect_quantile(
    cdf: Callable[[Tensor], Tensor], low: Tensor, high: Tensor, levels: Tensor
) -> Tensor:
    """Where `cdf` reaches the `levels`, between `low` and `high`, to 1e-15 of their distance."""
    for _ in range(50):
        middle = (low + high) / 2
        below = cdf(middle) < levels
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def _series_terms(
    center: Tensor, deviation: Tensor, count: int, min_index: int
) -> tuple[Tensor, Tensor]:
    """The numbers `[..., T]` at which a series with its weight around `middle [..., 1]` is summed,
    and how far they are apart: 1, or more where it is so wide that a coarser sum is as good."""
    start = (center - TERM_DEVIATIONS * deviation).floor().clamp_min(min_index)
    step = ((center + TERM_DEVIATIONS * deviation - start) / (count - 1)).clamp_min(1.0)
    return start + step * torch.arange(count, dtype=center.dtype, device=center.device), step
