"""Tweedie distribution of amounts that are often zero, such as intermittent demand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rnnforecast.models.heads.distribution import (
    INITIAL_DISPERSION,
    MIN_SCALE,
    Distribution,
    quantile_bounds,
    sample_poisson,
    shifted_softplus,
    to_float64,
)
from rnnforecast.models.heads.distribution_head import DistributionHead

TRAITS = ("positive", "amounts")

OPTIONS = {"power": (1.5, 1.01, 1.99)}

CDF_TERMS, DENSITY_TERMS = 64, 32
"""Numbers of terms in the series of the distribution function and of the density; a series with
more terms of weight is summed at evenly spaced ones."""

TERM_DEVIATIONS = 6.5
"""Terms more than this many standard deviations from the center are left out."""

MAX_TERMS_IN_MEMORY = 2_000_000
"""Terms of distribution functions that are held in memory at once."""

MAX_NEWTON_STEPS = 80

MAX_LOG_DISTANCE, LOG_TOLERANCE = 700.0, 1e-11
"""Width of the bracket in which the logarithm of a quantile is searched, and its tolerance."""

PROBABILITY_BOUNDS = (1e-300, 1 - 1e-16)
"""Probabilities are clipped to these bounds, so that their logits are finite."""


def build(levels: Sequence[float], options: Mapping[str, Any]) -> DistributionHead:
    """A head with two parameters, mean and dispersion; `power` is that of the variance."""

    def build_distribution(location: Tensor, params: Tensor, relative_scale: Tensor) -> Tweedie:
        dispersion = shifted_softplus(params[..., 0], INITIAL_DISPERSION) + MIN_SCALE
        return Tweedie(location, relative_scale * dispersion, options["power"])

    return DistributionHead(2, "ratio", build_distribution)


@dataclass(frozen=True)
class Tweedie(Distribution):
    """Sums of a Poisson number of gamma distributed amounts; zero without any.

    The variance is ``dispersion * mean ** power`` with ``1 < power < 2``. Source: Jørgensen 1987;
    the density by the series of Dunn and Smyth 2005, "Series evaluation of Tweedie exponential
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
        """The shape of the gamma distribution of an amount."""
        return (2 - self.power) / (self.power - 1)

    @property
    def gamma_scale(self) -> Tensor:
        """The scale of the gamma distribution of an amount."""
        return self.dispersion * (self.power - 1) * self.mean ** (self.power - 1)

    @property
    def variance(self) -> Tensor:
        """The variance."""
        return self.dispersion * self.mean**self.power

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log density, and at zero the negative log probability.

        The density is that for the mean y and the same dispersion, times ``exp(-deviance / (2
        dispersion))``, so the mean enters through the deviance alone.
        """
        y = y.clamp_min(0)
        positive = torch.where(y > 0, y, 1.0)
        relative_dispersion = self.dispersion * positive ** (self.power - 2)
        at_mean = self._log_density_at_mean(relative_dispersion) - positive.log()
        loss = tweedie_deviance(y, self.mean, self.power) / (2 * self.dispersion)
        return loss - torch.where(y > 0, at_mean, 0.0)

    def _log_density_at_mean(self, dispersion: Tensor) -> Tensor:
        """Log density at 1 for the mean 1: a series over the number n of amounts."""
        unit = Tweedie(torch.ones_like(dispersion), dispersion, self.power)
        rate, size = unit.poisson_rate.unsqueeze(-1), unit.gamma_scale.unsqueeze(-1)
        with torch.no_grad():  # these depend only on the indices of the terms
            n, step = _series_terms(
                rate, (rate / (1 + self.gamma_shape)).sqrt(), DENSITY_TERMS, min_index=1
            )
            constant = step.log() - torch.lgamma(n + 1) - torch.lgamma(n * self.gamma_shape)
        terms = constant + n * (rate.log() - self.gamma_shape * size.log())
        return torch.logsumexp(terms, -1) - (rate + 1 / size)[..., 0]

    def quantile(self, levels: Tensor) -> Tensor:
        """Quantiles: zero up to the probability of zero, beyond it by Newton's method."""
        mean, dispersion = to_float64(self.mean).flatten(), to_float64(self.dispersion).flatten()
        n_chunks = max(1, len(mean) * CDF_TERMS * len(levels) // MAX_TERMS_IN_MEMORY)
        chunks = zip(mean.chunk(n_chunks), dispersion.chunk(n_chunks), strict=True)
        quantiles = [Tweedie(m, d, self.power)._flat_quantile(levels.to(m)) for m, d in chunks]
        return torch.cat(quantiles).reshape(*self.mean.shape, -1).to(self.mean)

    def sample(self) -> Tensor:
        """One random value per element; the sum of n gamma amounts is gamma with n times the
        shape."""
        count = sample_poisson(self.poisson_rate.detach())
        shape = torch.where(count > 0, count * self.gamma_shape, 1.0)
        total = torch.distributions.Gamma(shape, 1.0, validate_args=False).sample()
        return torch.where(count > 0, total * self.gamma_scale.detach(), 0.0)

    def _flat_quantile(self, levels: Tensor) -> Tensor:
        """Quantiles `[N, Q]` for parameters `[N]`.

        Newton's method solves for log y with logits of probabilities, which are nearly linear in
        log y for small y; a step that leaves the bracket is replaced by bisection.
        """
        positive = -torch.expm1(-self.poisson_rate).unsqueeze(-1)  # the probability of any amount
        conditional_level = 1 - (1 - levels) / positive  # the level among the amounts
        quantiles = torch.zeros_like(conditional_level)
        _, upper = quantile_bounds(self.mean[:, None], self.variance[:, None], levels)
        row, column = (conditional_level > 0).nonzero(as_tuple=True)
        remaining = (row, column)  # the cells that have not converged, [M] each
        target, high = conditional_level[remaining].logit(), upper[remaining].log()
        current = torch.minimum((self.mean[row] / positive[row, 0]).log(), high)
        low = high - MAX_LOG_DISTANCE
        cdf_and_density = self._positive_cdf_and_density()
        for _ in range(MAX_NEWTON_STEPS):
            any_amount = positive[remaining[0], 0]
            cdf, density = cdf_and_density(current.exp(), remaining[0])
            share = (cdf / any_amount).clamp(*PROBABILITY_BOUNDS)
            error = share.logit() - target
            low, high = torch.where(error < 0, current, low), torch.where(error < 0, high, current)
            newton = current - error * share * (1 - share) * any_amount / (current.exp() * density)
            inside = (newton > low - LOG_TOLERANCE) & (newton < high + LOG_TOLERANCE)
            updated = torch.where(inside, newton, (low + high) / 2)
            quantiles[remaining] = updated.exp()
            moving = (updated - current).abs() > LOG_TOLERANCE
            remaining = (remaining[0][moving], remaining[1][moving])
            target, current, low, high = (x[moving] for x in (target, updated, low, high))
            if not len(current):
                break
        return quantiles

    def _positive_cdf_and_density(self) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """A function of values `y [M]` and rows `[M]` of the parameters, which returns
        P(0 < Y <= y) and the density at y."""
        rate, size = self.poisson_rate.unsqueeze(-1), self.gamma_scale.unsqueeze(-1)  # [N, 1]
        # amounts that hardly vary make the distribution function stepped, which needs more terms
        max_terms = math.ceil(CDF_TERMS * max(1.0, math.sqrt(self.gamma_shape) / 3))
        needed = rate + TERM_DEVIATIONS * rate.sqrt() + 12
        n_terms = min(max_terms, math.ceil(needed.max().item()) if len(needed) else 1)
        n, step = _series_terms(rate, rate.sqrt(), n_terms, min_index=1)  # [N, T]
        probability = (n * rate.log() - rate - torch.lgamma(n + 1)).exp() * step
        shape = n * self.gamma_shape
        log_gamma = torch.lgamma(shape)

        def cdf_and_density(y: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
            x, a, weight = (y / size[row, 0]).unsqueeze(-1), shape[row], probability[row]
            density = ((a - 1) * x.log() - x - log_gamma[row]).exp() / size[row]
            cdf = torch.special.gammainc(a, x)
            return (weight * cdf).sum(-1), (weight * density).sum(-1)

        return cdf_and_density


def tweedie_deviance(y: Tensor, mean: Tensor, power: float) -> Tensor:
    """Unit deviance of `y >= 0` from a positive `mean`, for `1 < power < 2`."""
    one, two = 1 - power, 2 - power
    own = y**two / (one * two)
    return 2 * (own - y * mean**one / one + mean**two / two)


def _series_terms(
    center: Tensor, deviation: Tensor, count: int, min_index: int
) -> tuple[Tensor, Tensor]:
    """The indices `[..., T]` at which a series concentrated around `center [..., 1]` is summed, and
    their spacing: 1, or more if `count` terms would not cover it."""
    start = (center - TERM_DEVIATIONS * deviation).floor().clamp_min(min_index)
    step = ((center + TERM_DEVIATIONS * deviation - start) / (count - 1)).clamp_min(1.0)
    return start + step * torch.arange(count, dtype=center.dtype, device=center.device), step
