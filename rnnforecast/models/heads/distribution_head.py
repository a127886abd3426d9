"""Heads that forecast a distribution of each value, trained by its likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from rnnforecast.models.heads.distribution import Distribution
from rnnforecast.models.heads.head import Head
from rnnforecast.models.scaling.window_scaler import WindowScaler

LINEAR_MEAN_THRESHOLD = 0.1
"""Above this fraction of the window's scale, a mean is the location itself."""

DistributionBuilder = Callable[[Tensor, Tensor, Tensor], Distribution]
"""`(location [B, H, C], other raw outputs [B, H, C, P - 1], relative_scale) -> distribution`;
`relative_scale` is `global_scale`, at most 1: the typical spread relative to the window's scale."""


class DistributionHead(Head):
    """A distribution of each value; the loss is its mean negative log-likelihood.

    The first raw output is the location. The others are zero when training starts.
    """

    def __init__(
        self,
        n_params: int,
        domain: Literal["normalized", "ratio", "original"],
        build_distribution: DistributionBuilder,
    ) -> None:
        """`domain`: what the distribution is of: normalized values, original values divided by the
        window's scale (``ratio``), or original values. In the last two the location is positive."""
        super().__init__()
        self.n_params, self.domain = n_params, domain
        self.build_distribution = build_distribution

    def quantiles(self, raw: Tensor, scaler: WindowScaler, levels: Sequence[float]) -> Tensor:
        """Normalized quantiles `[B, H, C, Q]` at ascending `levels`, without gradient."""
        with torch.no_grad():
            requested = torch.tensor(levels, dtype=torch.float64)
            quantiles = self.distribution(raw, scaler).quantile(requested)
            # quantiles found numerically may decrease in their last digit
            return self.to_normalized(quantiles, scaler).cummax(-1).values

    def export_quantiles(
        self, raw: Tensor, scaler: WindowScaler, normal_quantiles: Tensor
    ) -> Tensor:
        """As `quantiles`, for transformed normals."""
        quantiles = self.distribution(raw, scaler).quantile_of_normal(normal_quantiles)
        return self.to_normalized(quantiles, scaler)

    def sample(self, raw: Tensor, scaler: WindowScaler) -> Tensor:
        """One random normalized value per step and target, `[B, H, C]`."""
        with torch.no_grad():
            return self.to_normalized(self.distribution(raw, scaler).sample(), scaler)

    def step_losses(self, raw: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
        """The negative log-likelihood of each step, `[B, H, C]`."""
        y = scaler.normalize_future(future) if self.domain == "normalized" else future
        return self.distribution(raw, scaler).negative_log_likelihood(
            y / scaler.stats.scale if self.domain == "ratio" else y
        )

    def distribution(self, raw: Tensor, scaler: WindowScaler) -> Distribution:
        """The distribution of each step; in the precision of `scaler.stats` unless of normalized
        values."""
        location, stats = raw[..., 0], scaler.stats
        if self.domain != "normalized":
            location = scaler.denormalize(location) / stats.scale
            if not stats.is_log or stats.difference_base is not None:
                location = positive_mean(location)
        if self.domain == "original":
            location = location * stats.scale
        return self.build_distribution(
            location, raw[..., 1:].to(location.dtype), scaler.global_scale.clamp(max=1.0)
        )

    def to_normalized(self, y: Tensor, scaler: WindowScaler) -> Tensor:
        """Values of the domain, `[B, H, C]` or `[B, H, C, Q]` → normalized values."""
        if self.domain == "normalized":
            return y
        scale = scaler.stats.scale
        scale = scale.unsqueeze(-1) if y.dim() > scale.dim() else scale
        return scaler.normalize_future(y * scale if self.domain == "ratio" else y)


def positive_mean(location: Tensor) -> Tensor:
    """A positive mean from any `location`, both relative to the window's scale.

    Above `LINEAR_MEAN_THRESHOLD` it is the location itself, so that a base forecast is unchanged;
    below, a hyperbola that continues it smoothly.
    """
    below = LINEAR_MEAN_THRESHOLD**2 / (
        2 * LINEAR_MEAN_THRESHOLD - location.clamp_max(LINEAR_MEAN_THRESHOLD)
    )
    return torch.where(location > LINEAR_MEAN_THRESHOLD, location, below)
