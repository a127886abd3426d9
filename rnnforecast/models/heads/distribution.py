"""The interface of distributions, and numerical tools that several of them share.

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
"""A Poisson number with a larger mean is sampled as a normal one, equal up to 1 in 10000."""

INITIAL_SCALE = 0.5
"""The scale when training starts: of the network's unit, or of the window's scale if smaller."""

INITIAL_DISPERSION = INITIAL_SCALE**2
"""The dispersion when training starts, for a window's scale of 1: it grows as the variance. It is
multiplied by the relative scale alone, not its square: too wide a start costs less than too narrow
a one, at which the first gradients would be huge."""

MIN_SCALE = 1e-3
"""On the same scale; without it the likelihood has no upper bound."""


class Distribution:
    """A distribution of each number of a batch."""

    def negative_log_likelihood(self, y: Tensor) -> Tensor:
        """Negative log density of `y [B, H, C]`, elementwise; of counts the log probability, which
        the gamma function continues between whole numbers."""
        raise NotImplementedError

    def quantile(self, levels: Tensor) -> Tensor:
        """`[B, H, C, Q]` at ascending `levels [Q]`."""
        raise NotImplementedError

    def quantile_of_normal(self, normal_quantiles: Tensor) -> Tensor:
        """`[B, H, C, Q]` from the standard normal's quantiles `[Q]`, for transformed normals."""
        raise NotImplementedError

    def sample(self) -> Tensor:
        """One random value each, `[B, H, C]`, with torch's global generator."""
        raise NotImplementedError


def shifted_softplus(raw: Tensor, value_at_zero: float) -> Tensor:
    """A positive number from any: a softplus, shifted to give `value_at_zero` at zero."""
    return functional.softplus(raw + math.log(math.expm1(value_at_zero)))


def positive_scale(raw: Tensor) -> Tensor:
    """A scale from any number, `INITIAL_SCALE` at zero."""
    return shifted_softplus(raw, INITIAL_SCALE) + MIN_SCALE


def to_float64(x: Tensor) -> Tensor:
    """`x` in float64 without a gradient, on the CPU if its device has no float64."""
    x = x.detach()
    return (x.cpu() if x.device.type == "mps" else x).double()


def apply_scipy(function: Callable[..., object], *tensors: Tensor) -> Tensor:
    """An elementwise `function` of numpy arrays, on tensors: float64, on their device."""
    arrays = [to_float64(argument).cpu().numpy() for argument in tensors]
    return torch.as_tensor(function(*arrays)).to(to_float64(tensors[0]))


def sample_poisson(mean: Tensor) -> Tensor:
    """A Poisson sample for each `mean`; normal for large ones, as GPUs count up to 2^32 only."""
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
