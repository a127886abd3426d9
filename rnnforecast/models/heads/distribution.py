"""Interface of distributions, and numerical functions that several of them share.

Parameters are `[B, H, C]`, quantiles `[B, H, C, Q]` at `levels [Q]`, float64 between 0 and 1.
Quantiles and samples carry no gradient. Most likelihoods are written out: those of
`torch.distributions` take up to three times as long, or lose digits in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

NORMAL_APPROXIMATION_MEAN = 1e8
"""Poisson samples with a larger mean are drawn from the normal approximation."""

INITIAL_SCALE = 0.5
"""Scale of a distribution when training starts, in normalized units or as a multiple of
`relative_scale`."""

INITIAL_DISPERSION = INITIAL_SCALE**2
"""Dispersion when training starts, to be multiplied by `relative_scale`. A variance would call for
its square, but the first gradients of a distribution that starts too narrow would be huge."""

MIN_SCALE = 1e-3
"""Lower bound of a scale, in the same units; without it the likelihood has no upper bound."""


class Distribution:
    """Distributions of the values `[B, H, C]` of a batch."""

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log density of `y [B, H, C]`, elementwise; for counts the negative log
        probability, continued between whole numbers by the gamma function."""
        raise NotImplementedError

    def quantile(self, levels: Tensor) -> Tensor:
        """Quantiles `[B, H, C, Q]` at ascending `levels [Q]`."""
        raise NotImplementedError

    def quantile_of_normal(self, normal_quantiles: Tensor) -> Tensor:
        """Quantiles `[B, H, C, Q]` of a transformed normal from those `[Q]` of the standard
        normal."""
        raise NotImplementedError

    def sample(self) -> Tensor:
        """One random value per element, `[B, H, C]`, from torch's global generator."""
        raise NotImplementedError


def shifted_softplus(raw: Tensor, value_at_zero: float) -> Tensor:
    """Softplus, shifted so that it is `value_at_zero` at zero."""
    return functional.softplus(raw + math.log(math.expm1(value_at_zero)))


def positive_scale(raw: Tensor) -> Tensor:
    """A scale above `MIN_SCALE` from any number, about `INITIAL_SCALE` at zero."""
    return shifted_softplus(raw, INITIAL_SCALE) + MIN_SCALE


def to_float64(x: Tensor) -> Tensor:
    """`x` in float64 without a gradient, on the CPU if its device has no float64."""
    x = x.detach()
    return (x.cpu() if x.device.type == "mps" else x).double()


def apply_scipy(function: Callable[..., object], *tensors: Tensor) -> Tensor:
    """An elementwise `function` of NumPy arrays, applied to tensors; float64, on the device of the
    first."""
    arrays = [to_float64(argument).cpu().numpy() for argument in tensors]
    return torch.as_tensor(function(*arrays)).to(to_float64(tensors[0]))


def sample_poisson(mean: Tensor) -> Tensor:
    """Poisson samples; large means use the normal approximation, as GPUs count to 2^32 only."""
    large = mean + mean.sqrt() * torch.randn_like(mean)
    return torch.where(
        mean > NORMAL_APPROXIMATION_MEAN,
        large.round(),
        torch.poisson(mean.clamp_max(NORMAL_APPROXIMATION_MEAN)),
    )


def quantile_bounds(mean: Tensor, variance: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Bounds of the quantiles of any distribution (Cantelli's inequality)."""
    deviation, odds = variance.sqrt(), (levels / (1 - levels)).sqrt()
    return mean - deviation / odds, mean + deviation * odds
