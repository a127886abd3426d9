"""Pinball loss of several quantiles at once, which cannot cross (Koenker & Bassett 1978)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from rnnforecast.models.heads.head import Head
from rnnforecast.models.scaling.window_scaler import WindowScaler

TRAITS = ("on_normalized_values", "fixed_levels", "exportable")

INITIAL_GAP = -2.0
"""Added to gaps before softplus: adjacent quantiles start about 0.13 normalized units apart."""

MIN_QUANTILE_LEVEL = 1e-6
"""Random samples lie between the quantiles at this level and at 1 minus it."""


def build(levels: Sequence[float], options: Mapping[str, object]) -> QuantileHead:
    """A head trained at `levels`; it has no options."""
    return QuantileHead(levels)


class QuantileHead(Head):
    """The median, and positive gaps upwards and downwards from it to the other quantiles.

    `levels [P]` are sorted and contain 0.5. The loss is twice the mean pinball loss of normalized
    values, so that the median contributes its absolute error.
    """

    levels: Tensor

    def __init__(self, levels: Sequence[float]) -> None:
        super().__init__()
        if 0.5 not in levels or list(levels) != sorted(set(levels)):
            raise ValueError(
                f"levels must be sorted, distinct and contain 0.5, found {list(levels)}"
            )
        self.n_params = len(levels)
        self.location_index = list(levels).index(0.5)
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32), persistent=False)

    def trained_quantiles(self, raw: Tensor) -> Tensor:
        """Raw outputs `[B, H, C, P]` → quantiles at the trained levels, `[B, H, C, P]`."""
        middle = self.location_index
        median = raw[..., middle : middle + 1]
        lower_gaps = functional.softplus(raw[..., :middle] + INITIAL_GAP)
        below = lower_gaps.flip(-1).cumsum(-1).flip(-1)
        above = functional.softplus(raw[..., middle + 1 :] + INITIAL_GAP).cumsum(-1)
        return torch.cat([median - below, median, median + above], -1)

    def quantiles(self, raw: Tensor, scaler: WindowScaler, levels: Sequence[float]) -> Tensor:
        """Quantiles `[B, H, C, Q]` at ascending `levels`, interpolated unless these are the trained
        levels."""
        return self.at_levels(self.trained_quantiles(raw), levels)

    def at_levels(self, trained: Tensor, levels: Sequence[float]) -> Tensor:
        """Quantiles `[..., Q]` at ascending `levels`, from the trained ones `[..., P]`."""
        requested = torch.tensor(levels, dtype=self.levels.dtype, device=trained.device)
        if torch.equal(requested, self.levels):
            return trained
        requested = requested.to(trained.dtype).expand(*trained.shape[:-1], -1)
        interpolated = self._interpolate(trained, requested)
        return interpolated.cummax(-1).values  # rounding may break the order

    def export_quantiles(
        self, raw: Tensor, scaler: WindowScaler, normal_quantiles: Tensor
    ) -> Tensor:
        """The trained quantiles, `[B, H, C, P]`."""
        return self.trained_quantiles(raw)

    def sample(self, raw: Tensor, scaler: WindowScaler) -> Tensor:
        """Quantiles at random levels, `[B, H, C]`."""
        level = torch.rand_like(raw[..., :1]).clamp(MIN_QUANTILE_LEVEL, 1 - MIN_QUANTILE_LEVEL)
        return self._interpolate(self.trained_quantiles(raw), level)[..., 0]

    def step_losses(self, raw: Tensor, future: Tensor, scaler: WindowScaler) -> Tensor:
        """The pinball loss of each step, `[B, H, C]`."""
        return self.pinball_losses(self.trained_quantiles(raw), scaler.normalize_future(future))

    def pinball_losses(self, trained: Tensor, truth: Tensor) -> Tensor:
        """Twice the mean pinball loss `[...]` of the trained quantiles `[..., P]` of values
        `truth [...]`."""
        error = truth.unsqueeze(-1) - trained
        return 2 * torch.maximum(self.levels * error, (self.levels - 1) * error).mean(-1)

    def _interpolate(self, quantiles: Tensor, level: Tensor) -> Tensor:
        """Quantiles at `level [..., N]` from the trained ones `[..., P]`: linear between
        two of them, and beyond them on exponential tails through the two outermost."""
        if self.n_params == 1:
            return quantiles.expand_as(level)
        own = self.levels.to(quantiles.dtype)
        above = torch.searchsorted(own, level.contiguous()).clamp(1, self.n_params - 1)
        low, high = own[above - 1], own[above]
        inside = ((level - low) / (high - low)).clamp(0, 1)
        value = torch.lerp(quantiles.gather(-1, above - 1), quantiles.gather(-1, above), inside)
        lower = (quantiles[..., 1:2] - quantiles[..., :1]) / torch.log(own[1] / own[0])
        upper = (quantiles[..., -1:] - quantiles[..., -2:-1]) / torch.log(
            (1 - own[-2]) / (1 - own[-1])
        )
        value = value + lower * torch.log(level / own[0]).clamp_max(0)
        return value - upper * torch.log((1 - level) / (1 - own[-1])).clamp_max(0)
