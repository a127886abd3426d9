"""Heads: what a forecast is, and the loss that teaches it. All values here are normalised.

A head says how many numbers it needs for each step and target (`width`), turns them into
quantiles and scores them. Losses are means over the observed steps: `weight [B, H, C]` is zero
where the target was not observed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

FIRST_GAP = -2.0
"""Before softplus: neighbouring quantiles start about 0.13 normalised units apart."""


def weighted_mean(losses: Tensor, weight: Tensor) -> Tensor:
    """Mean of `losses [B, H, C]` under `weight [B, H, C]`; zero where nothing was observed."""
    return (losses * weight).sum() / weight.sum().clamp_min(1.0)


class PointHead(nn.Module):
    """One number a step: the mean (`mse`), the median (`mae`) or between the two (`huber`)."""

    width, middle = 1, 0

    def __init__(self, loss: str) -> None:
        super().__init__()
        self.score = {
            "mae": functional.l1_loss,
            "mse": functional.mse_loss,
            "huber": functional.smooth_l1_loss,
        }[loss]

    def quantiles(self, raw: Tensor) -> Tensor:
        """`[B, H, C, 1]` → `[B, H, C, 1]`: the point forecast stands for every quantile."""
        return raw

    def loss(self, raw: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Scalar mean loss of `raw [B, H, C, 1]` against `target [B, H, C]`."""
        return weighted_mean(self.score(raw[..., 0], target, reduction="none"), weight)


class QuantileHead(nn.Module):
    """Quantiles that cannot cross: the median, and positive gaps upwards and downwards from it.

    `levels [Q]` are sorted and hold 0.5. Loss: mean pinball loss (Koenker & Bassett 1978), doubled,
    so that the median's share is the absolute error.
    """

    levels: Tensor

    def __init__(self, levels: Sequence[float]) -> None:
        super().__init__()
        if 0.5 not in levels or list(levels) != sorted(set(levels)):
            raise ValueError(f"levels must be sorted, different and hold 0.5, found {list(levels)}")
        self.width = len(levels)
        self.middle = list(levels).index(0.5)
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32), persistent=False)

    def quantiles(self, raw: Tensor) -> Tensor:
        """Raw `[B, H, C, Q]` → quantiles `[B, H, C, Q]`, never decreasing along Q."""
        median = raw[..., self.middle : self.middle + 1]
        below = (
            functional.softplus(raw[..., : self.middle] + FIRST_GAP).flip(-1).cumsum(-1).flip(-1)
        )
        above = functional.softplus(raw[..., self.middle + 1 :] + FIRST_GAP).cumsum(-1)
        return torch.cat([median - below, median, median + above], -1)

    def loss(self, raw: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Scalar mean loss of `raw [B, H, C, Q]` against `target [B, H, C]`."""
        error = target.unsqueeze(-1) - self.quantiles(raw)
        pinball = 2 * torch.maximum(self.levels * error, (self.levels - 1) * error)
        return weighted_mean(pinball.mean(-1), weight)


Head = PointHead | QuantileHead
