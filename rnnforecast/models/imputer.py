"""Recurrent imputer, which estimates a missing value from the rows before and after it.

After BRITS (Cao et al. 2018, arXiv:1805.10572): one network reads the W rows before the missing
value forwards, a second one the W rows after it backwards, and a third one combines both estimates.
Unlike in BRITS, the window is fixed and of one target. The forward estimate depends only on the W
rows before and on the last observation, which may be earlier; the combined one also on the W rows
after.

Without training, the forward estimate is the last observation, and the combined one interpolates
linearly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

MAX_NORMALIZED_VALUE = 16.0
"""Bound of absolute normalized values, which limits the effect of outliers."""

DOWNSCALE = 2.0**-10
"""Factor on values inside the networks, so that sums and differences of huge values are finite."""


@dataclass(frozen=True)
class Estimate:
    """B estimates relative to a simple baseline; all fields `[B]`.

    `baseline` and `scale` are in original units times `DOWNSCALE`, `z` is normalized. If the window
    is constant, `scale` is 0 and the estimate is the baseline.
    """

    baseline: Tensor
    scale: Tensor
    z: Tensor

    def downscaled(self) -> Tensor:
        """The estimates in original units times `DOWNSCALE`."""
        # rounded to float32: further digits depend on the other windows of the batch
        return self.baseline + self.scale * self.z.float().to(self.scale.dtype)

    def values(self) -> Tensor:
        """The estimates in original units, finite."""
        limit = torch.finfo(self.baseline.dtype).max
        return (self.downscaled() / DOWNSCALE).clamp(-limit, limit)

    def error(self, truth: Tensor) -> Tensor:
        """Absolute error `[B]` in units of `scale`, given `truth [B]` in original units; 0 where
        the scale is 0."""
        expected = _normalize(truth * DOWNSCALE - self.baseline, self.scale)
        return (expected - self.z).abs() * (self.scale > 0)


class DirectionalImputer(nn.Module):
    """Estimate of a missing value from W rows on one side.

    A GRU reads value, mask and distance to the last observation. A linear map of the window, which
    learns a seasonal pattern in few training steps, is added to its output.
    """

    def __init__(self, window_length: int, hidden_size: int) -> None:
        super().__init__()
        self.rnn = nn.GRU(3, hidden_size, batch_first=True)
        self.output_layer = _zero_linear(hidden_size)
        self.window_layer = _zero_linear(window_length)

    def forward(
        self, values: Tensor, observed_mask: Tensor, last_observed: Tensor, age: Tensor
    ) -> tuple[Estimate, Tensor, Tensor]:
        """Estimates, hidden states `[B, K]`, and distances `[B]` of the last observation, in rows.

        Args:
            values: `[B, W]` times `DOWNSCALE`; the last column is next to the missing value. Masked
                values may be any finite number.
            observed_mask: `[B, W]` bool.
            last_observed: `[B]` times `DOWNSCALE`: the baseline if the window has no observation.
            age: `[B]` rows from `last_observed` to the missing value.
        """
        width = values.shape[1]
        steps = torch.arange(width, device=values.device)
        last = torch.where(observed_mask, steps, -1).cummax(1).values  # [B, W]
        level, scale = _mean_and_deviation(values, observed_mask)
        filled = values.gather(1, last.clamp_min(0))
        dtype = self.output_layer.weight.dtype
        z = (_normalize(filled - level, scale) * (last >= 0)).to(dtype)
        since = ((steps - last) / width).to(dtype)
        mask = observed_mask.to(dtype)
        state = self.rnn(torch.stack([z * mask, mask, since], -1))[1][-1]  # [B, K]
        has_observation = last[:, -1] >= 0
        estimate = Estimate(
            baseline=torch.where(has_observation, filled[:, -1], last_observed),
            scale=scale.squeeze(1),
            z=(self.output_layer(state) + self.window_layer(z))
            .squeeze(1)
            .clamp(-MAX_NORMALIZED_VALUE, MAX_NORMALIZED_VALUE),
        )
        return estimate, state, torch.where(has_observation, width - last[:, -1], age)


class RnnImputer(nn.Module):
    """Estimates of a missing value from the W rows on either side."""

    def __init__(self, window_length: int, hidden_size: int) -> None:
        """`window_length` is W in rows, `hidden_size` is K."""
        super().__init__()
        self.window_length, self.hidden_size = window_length, hidden_size
        self.forward_imputer = DirectionalImputer(window_length, hidden_size)
        self.backward_imputer = DirectionalImputer(window_length, hidden_size)
        self.hidden_layer = nn.Linear(2 * hidden_size + 4, hidden_size)
        self.output_layer = _zero_linear(hidden_size)

    def forward(
        self, values: Tensor, observed_mask: Tensor, last_observed: Tensor, age: Tensor
    ) -> tuple[Estimate, Estimate, Estimate]:
        """The forward, the backward and the combined estimates.

        Args:
            values: `[B, 2W + 1]` original units, the missing value in the middle; it and masked
                values may be any finite number.
            observed_mask: `[B, 2W + 1]` bool.
            last_observed: `[B]` the last observation before the window, 0 if there is none.
            age: `[B]` rows from `last_observed` to the missing value, 0 if there is none.
        """
        values, last_observed = values * DOWNSCALE, last_observed * DOWNSCALE
        width = self.window_length
        forward, forward_state, rows_before = self.forward_imputer(
            values[:, :width], observed_mask[:, :width], last_observed, age
        )
        after = slice(width + 1, None)
        # without an observation after the missing value, the last one before it is the baseline
        backward, backward_state, rows_after = self.backward_imputer(
            values[:, after].flip(1), observed_mask[:, after].flip(1), forward.baseline, rows_before
        )
        rows_before, rows_after = rows_before.to(values.dtype), rows_after.to(values.dtype)
        position = rows_before / (rows_before + rows_after).clamp_min(1)
        line = forward.baseline * (1 - position) + backward.baseline * position
        scale = torch.maximum(forward.scale, backward.scale)
        summary = [
            _normalize(forward.downscaled() - line, scale),
            _normalize(backward.downscaled() - line, scale),
            (rows_before / width).clamp_max(1.0),
            (rows_after / width).clamp_max(1.0),
        ]
        dtype = self.output_layer.weight.dtype
        mixed = self.hidden_layer(
            torch.cat([forward_state, backward_state, torch.stack(summary, 1).to(dtype)], 1)
        )
        z = (
            self.output_layer(nn.functional.gelu(mixed))
            .squeeze(1)
            .clamp(-MAX_NORMALIZED_VALUE, MAX_NORMALIZED_VALUE)
        )
        return forward, backward, Estimate(line, scale, z)


def _zero_linear(in_features: int) -> nn.Linear:
    """A linear map to one number, initially 0."""
    layer = nn.Linear(in_features, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _mean_and_deviation(values: Tensor, observed_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and mean absolute deviation of observed values, `[B, 1]`; zeros without any."""
    count = observed_mask.sum(1, keepdim=True).clamp_min(1)
    level = (values * observed_mask).sum(1, keepdim=True) / count
    deviation = ((values - level).abs() * observed_mask).sum(1, keepdim=True) / count
    size = (values.abs() * observed_mask).sum(1, keepdim=True) / count
    # equal values differ from their mean by a rounding error
    rounding_error = 64 * torch.finfo(values.dtype).eps * size
    return level, torch.where(deviation > rounding_error, deviation, 0.0)


def _normalize(distance: Tensor, scale: Tensor) -> Tensor:
    """`distance / scale`, clipped to ±`MAX_NORMALIZED_VALUE`; 0 where the scale is 0."""
    ratio = distance / torch.where(scale > 0, scale, 1.0)
    return ratio.clamp(-MAX_NORMALIZED_VALUE, MAX_NORMALIZED_VALUE) * (scale > 0)
