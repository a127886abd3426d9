"""A missing value estimated from the rows around it by two recurrent nets, one from either side.

The idea is BRITS (Cao et al. 2018, arXiv:1805.10572): a net reads towards the gap from before it,
a second one from behind it, each estimates the value on its own, and the two are joined. Other
than there, a net meets a window of W rows of one target and one cell at its end, so that it is
certain which rows an estimate rests on: `forward_only` rests on the W rows before the cell (and
the last observation, should it lie further back), `both` on W more behind it and on nothing else.

An untrained imputer carries the last observation forward and draws a straight line across gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

MAX_NORMALIZED_VALUE = 16.0
"""Normalised inputs are cut to this size: one wild value must not drown the others."""

DOWNSCALE = 2.0**-10
"""Values are this much smaller inside, so that sums and differences of huge ones stay finite."""


@dataclass(frozen=True)
class Estimate:
    """B estimates, as a distance from a simple guess; all fields `[B]`.

    `base` and `scale` are in original units times `SHRINK`, `z` is normalised. A scale of 0 says
    that nothing varies around the cell: the estimate is the guess itself.
    """

    baseline: Tensor
    scale: Tensor
    z: Tensor

    def downscaled(self) -> Tensor:
        """The estimates in original units times `SHRINK`."""
        # rounded to single digits: those behind them depend on who shares the batch
        return self.baseline + self.scale * self.z.float().to(self.scale.dtype)

    def values(self) -> Tensor:
        """The estimates in original units, finite."""
        most = torch.finfo(self.baseline.dtype).max
        return (self.downscaled() / DOWNSCALE).clamp(-most, most)

    def error(self, truth: Tensor) -> Tensor:
        """Distance `[B]` of the estimate from `truth [B]` in units of `scale`; 0 where that is."""
        wanted = _normalize(truth * DOWNSCALE - self.baseline, self.scale)
        return (wanted - self.z).abs() * (self.scale > 0)


class DirectionalImputer(nn.Module):
    """Reads W rows towards a cell and estimates it from the last one observed.

    A GRU reads value, mask and distance to the last observation row by row. A linear map of the
    window is added to what it says: that finds a season in a few steps of training.
    """

    def __init__(self, window_length: int, hidden_size: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, hidden_size, batch_first=True)
        self.output_layer = _zero_linear(hidden_size)
        self.window_layer = _zero_linear(window_length)

    def forward(
        self, values: Tensor, observed_mask: Tensor, last_observed: Tensor, age: Tensor
    ) -> tuple[Estimate, Tensor, Tensor]:
        """The estimates, the states `[B, K]`, and the distance `[B]` in rows to the last observed.

        Args:
            values: `[B, W]` shrunk, in reading order: the last column is next to the cell.
            seen: `[B, W]` bool; what is not seen may hold any finite number.
            earlier: `[B]` what stands in for the last observation where none is seen.
            age: `[B]` rows from there to the cell.
        """
        width = values.shape[1]
        steps = torch.arange(width, device=values.device)
        last = torch.where(observed_mask, steps, -1).cummax(1).values  # [B, W]
        level, spread = _mean_and_deviation(values, observed_mask)
        carried = values.gather(1, last.clamp_min(0))
        kind = self.output_layer.weight.dtype
        z = (_normalize(carried - level, spread) * (last >= 0)).to(kind)
        since = ((steps - last) / width).to(kind)
        mask = observed_mask.to(kind)
        state = self.rnn(torch.stack([z * mask, mask, since], -1))[1][-1]  # [B, K]
        found = last[:, -1] >= 0
        estimate = Estimate(
            baseline=torch.where(found, carried[:, -1], last_observed),
            scale=spread.squeeze(1),
            z=(self.output_layer(state) + self.window_layer(z))
            .squeeze(1)
            .clamp(-MAX_NORMALIZED_VALUE, MAX_NORMALIZED_VALUE),
        )
        return estimate, state, torch.where(found, width - last[:, -1], age)


class RnnImputer(nn.Module):
    """One missing cell and the W rows to either side of it → its value."""

    def __init__(self, window_length: int, hidden_size: int) -> None:
        """`width` is W in rows, `hidden_size` the states' size."""
        super().__init__()
        self.window_length, self.hidden_size = window_length, hidden_size
        self.forward_imputer, self.backward_imputer = (
            DirectionalImputer(window_length, hidden_size),
            DirectionalImputer(window_length, hidden_size),
        )
        self.hidden_layer = nn.Linear(2 * hidden_size + 4, hidden_size)
        self.output_layer = _zero_linear(hidden_size)

    def forward(
        self, values: Tensor, observed_mask: Tensor, last_observed: Tensor, age: Tensor
    ) -> tuple[Estimate, Estimate, Estimate]:
        """`forward_only`, `backward_only` and `both`.

        Args:
            values: `[B, 2W + 1]` original units, the cell in the middle; what is not seen, the
                cell included, may hold any finite number.
            seen: `[B, 2W + 1]` bool.
            earlier: `[B]` the last observation before the window, 0 where there is none.
            age: `[B]` rows from that one to the cell, 0 where there is none.
        """
        values, last_observed, width = (
            values * DOWNSCALE,
            last_observed * DOWNSCALE,
            self.window_length,
        )
        forward, ahead, near = self.forward_imputer(
            values[:, :width], observed_mask[:, :width], last_observed, age
        )
        behind = slice(width + 1, None)
        # nothing seen behind the cell: the line goes on as it came
        backward, back, far = self.backward_imputer(
            values[:, behind].flip(1), observed_mask[:, behind].flip(1), forward.baseline, near
        )
        near, far = near.to(values.dtype), far.to(values.dtype)
        share = near / (near + far).clamp_min(1)
        line = forward.baseline * (1 - share) + backward.baseline * share
        scale = torch.maximum(forward.scale, backward.scale)
        hints = [
            _normalize(forward.downscaled() - line, scale),
            _normalize(backward.downscaled() - line, scale),
            (near / width).clamp_max(1.0),
            (far / width).clamp_max(1.0),
        ]
        kind = self.output_layer.weight.dtype
        mixed = self.hidden_layer(torch.cat([ahead, back, torch.stack(hints, 1).to(kind)], 1))
        z = (
            self.output_layer(nn.functional.gelu(mixed))
            .squeeze(1)
            .clamp(-MAX_NORMALIZED_VALUE, MAX_NORMALIZED_VALUE)
        )
        return forward, backward, Estimate(line, scale, z)


def _zero_linear(in_features: int) -> nn.Linear:
    """A linear map to one number, which is 0 until it is trained."""
    layer = nn.Linear(in_features, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _mean_and_deviation(values: Tensor, observed_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and mean absolute deviation of the seen values, `[B, 1]`; zeros where none is seen."""
    count = observed_mask.sum(1, keepdim=True).clamp_min(1)
    level = (values * observed_mask).sum(1, keepdim=True) / count
    spread = ((values - level).abs() * observed_mask).sum(1, keepdim=True) / count
    size = (values.abs() * observed_mask).sum(1, keepdim=True) / count
    # equal values differ from their own mean by a rounding error, and that is no spread
    noise = 64 * torch.finfo(values.dtype).eps * size
    return level, torch.where(spread > noise, spread, 0.0)


def _normalize(distance: Tensor, scale: Tensor) -> Tensor:
    """`distance / scale` within `LIMIT`; 0 where the scale is."""
    ratio = distance / torch.where(scale > 0, scale, 1.0)
    return ratio.clamp(-MAX_NORMALIZED_VALUE, MAX_NORMALIZED_VALUE) * (scale > 0)
