"""Normalized values of series before an origin, and their periods.

Values are normalized by mean and standard deviation of the context, then by arcsinh.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.models.pretrained.periods import Periods, estimate_periods

PATCH_LENGTH = 16
"""Steps of a patch."""
MAX_CONTEXT = 1536
"""Steps before the origin that are read at most, and of a series of the pretraining."""
MAX_HORIZON, SHORT_HORIZON = 736, 32
"""Steps ahead of the pretraining: no more than the first, nor than the context or the second."""
MAX_NORMALIZED = 12.0
"""Bound of normalized values."""


@dataclass(frozen=True)
class Context:
    """B normalized series before an origin."""

    z: Tensor
    """`[B, L]` arcsinh of standardized values, 0 where not observed."""
    observed: Tensor
    """`[B, L]` bool."""
    mean: Tensor
    """`[B, 1]` original units."""
    scale: Tensor
    """`[B, 1]` original units."""
    periods: Periods

    def normalize(self, values: Tensor) -> Tensor:
        """Original values `[B, ...]` to normalized ones."""
        shape = (-1,) + (1,) * (values.ndim - 1)
        z = (values - self.mean.view(shape)) / self.scale.view(shape)
        return torch.asinh(z).clamp(-MAX_NORMALIZED, MAX_NORMALIZED)

    def denormalize(self, z: Tensor) -> Tensor:
        """Normalized values `[B, ...]` to original ones."""
        shape = (-1,) + (1,) * (z.ndim - 1)
        return self.mean.view(shape) + self.scale.view(shape) * torch.sinh(z)


def build_context(values: Tensor, observed: Tensor, seasons: Tensor) -> Context:
    """Normalizes `values [B, L]`, whose periods are estimated.

    Args:
        values: original units; anything where not observed. L is a multiple of the patch length.
        observed: `[B, L]` bool; series begin with unobserved steps if they are shorter.
        seasons: `[B, 2]` int64 likely periods, in steps; 0 for none.
    """
    weight = observed.to(values.dtype)
    values = torch.where(observed, values, 0.0)  # float64 for large offsets
    count = weight.sum(1, keepdim=True).clamp_min(1)
    mean = values.sum(1, keepdim=True) / count
    centered = (values - mean) * weight
    scale = (centered.square().sum(1, keepdim=True) / count).sqrt()
    size = values.abs().amax(1, keepdim=True)
    rounding = 8 * torch.finfo(values.dtype).eps * size
    scale = torch.where(scale > rounding, scale, rounding)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    z = torch.asinh(centered / scale).clamp(-MAX_NORMALIZED, MAX_NORMALIZED).float()
    return Context(z, observed, mean, scale, estimate_periods(z, observed, seasons))
