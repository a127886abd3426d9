"""Heads that forecast a distribution of each number, trained by its likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from rnnforecast.models.heads.distribution import Distribution
from rnnforecast.models.heads.head import Head
from rnnforecast.models.scaling.window_scaler import WindowScaler

LINEAR_MEAN_THRESHOLD = 0.1
"""From this share of the window's scale upwards a mean is the location itself."""

DistributionBuilder = Callable[[Tensor, Tensor, Tensor], Distribution]
"""`(location [B, H, C], other raw outputs [B, H, C, P - 1], relative_scale) -> distribution`;
`relative_scale` is a rough spread relative to the window's scale, a scalar of at most 1."""


class DistributionHead(Head):
    """A distribution of each number; the loss is its mean negative log-likelihood.

    Raw outputs of zero, with which training starts, give a wide distribution of about half of the
    network's unit. The first raw output is the location.
    """

    def __init__(
        self,
        n_params: int,
        domain: Literal["normalized", "ratio", "original"],
        build_distribution: DistributionBuilder,
    ) -> None:
        """`domain`: whether it is a distribution of the network's values, of original values over
        the window's scale, or of original values. In the latter two the location is positive."""
        super().__init__()
        self.n_params, self.domain = n_params, domain
        self.build_distribution = build_distribution

    def quantiles(self, raw: Tensor, scaler: WindowScaler, levels: Sequence[float]) -> Tensor:
        """`[B, H, C, Q]` at ascending `levels`; they carry no gradient."""
        with torch.no_grad():
            requested = torch.tensor(levels, dtype=torch.float64)
            quantiles = self.distribution(raw, scaler).quantile(requested)
            # numerical inverses may decrease by their last digit
            return self.to_normalized(quantiles, scaler).cummax(-1).values

    def export_quantiles(
        self, raw: Tensor, scaler: WindowScaler, normal_quantiles: Tensor
    ) -> Tensor:
        """As `quantiles`, where the distribution is a transformed normal."""
        quantiles = self.distribution(raw, scaler).quantile_of_normal(normal_quantiles)
        return self.to_normalized(quantiles, scaler)

    def sample(self, raw: Tensor, scaler: WindowScaler) -> Tensor:
        """`[B, H, C]`: one random value each."""
        with torch.no_grad():
            return self.to_normalized(self.distribution(raw, scaler).sample(), scaler)

    def step_losses(self, raw: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
        """The negative log-likelihood of each step, `[B, H, C]`."""
        y = scaler.normalize_future(future) if self.domain == "normalized" else future
        return self.distribution(raw, scaler).negative_log_likelihood(
            y / scaler.stats.scale if self.domain == "ratio" else y
        )

    def distribution(self, raw: Tensor, scaler: WindowScaler) -> Distribution:
        """The distribution of each step, as precise as original values where it is of these."""
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
        """`[B, H, C]` or `[B, H, C, Q]` of the domain to network values."""
        if self.domain == "normalized":
            return y
        scale = scaler.stats.scale
        scale = scale.unsqueeze(-1) if y.dim() > scale.dim() else scale
        return scaler.normalize_future(y * scale if self.domain == "ratio" else y)


def positive_mean(location: Tensor) -> Tensor:
    """A positive mean from any `location`, both relative to the window's scale.

    The location itself from `LINEAR_MEAN_THRESHOLD` upwards, so that a linear base forecast keeps
    its meaning, and below a hyperbola without a kink, whose logarithm has a gradient everywhere.
    """
    below = LINEAR_MEAN_THRESHOLD**2 / (
        2 * LINEAR_MEAN_THRESHOLD - location.clamp_max(LINEAR_MEAN_THRESHOLD)
    )
    return torch.where(location > LINEAR_MEAN_THRESHOLD, location, below)
