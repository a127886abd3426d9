"""What the network reads of a series: patches of normalized values and of their earlier cycles.

Values are normalized by mean and standard deviation of the context, then by arcsinh. A patch of the
context holds its values and masks; a patch of the horizon is masked, and holds only what is known:
for each of its steps, the values at the same phase of the last cycles of both periods.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.models.pretrained.periods import Periods, estimate_periods

PATCH_LENGTH = 16
CYCLES = 4
"""Cycles whose mean is read beside the last one."""
CONTEXT_FEATURES = 12
"""Values that describe the whole context, in each patch."""
STEP_FEATURES = 8
"""Values a step."""
PATCH_FEATURES = STEP_FEATURES * PATCH_LENGTH + CONTEXT_FEATURES
MAX_NORMALIZED = 12.0


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
    scale = torch.where(scale > 1e-6 * size, scale, 1e-6 * size)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    z = torch.asinh(centered / scale).clamp(-MAX_NORMALIZED, MAX_NORMALIZED).float()
    return Context(z, observed, mean, scale, estimate_periods(z, observed, seasons))


def patch_features(context: Context, horizon_patches: int) -> Tensor:
    """Features `[B, G + J, PATCH_FEATURES]` of G patches of the context and J of the horizon."""
    z, weight = context.z, context.observed.to(context.z.dtype)
    batch, length = z.shape
    ahead = horizon_patches * PATCH_LENGTH
    step = torch.arange(length + ahead, device=z.device)
    blank = z.new_zeros(batch, ahead)
    parts = [torch.cat([z, blank], 1), torch.cat([weight, blank], 1)]
    for column in range(2):
        lag = context.periods.lags[:, column, None]  # [B, 1]
        back = torch.where(step < length, 1, (step - length) // lag + 1)
        last = step - back * lag
        sums = counts = z.new_zeros(batch, length + ahead)
        for cycle in range(CYCLES):
            source = last - cycle * lag
            inside = (source >= 0).to(z.dtype)
            source = source.clamp(0, length - 1)
            value, known = z.gather(1, source), weight.gather(1, source) * inside
            if cycle == 0:
                parts += [value * known, known]
            sums, counts = sums + value * known, counts + known
        parts.append(sums / counts.clamp_min(1))
    steps = torch.stack(parts, -1)  # [B, L + T, STEP_FEATURES]
    patches = steps.view(batch, -1, PATCH_LENGTH, STEP_FEATURES).flatten(2)
    summary = _summary(context)[:, None].expand(-1, patches.shape[1], -1)
    number = torch.arange(patches.shape[1], device=z.device) - length // PATCH_LENGTH
    position = torch.stack(
        [
            torch.log1p(number.clamp_min(0).to(z.dtype)),
            torch.log1p((-number).clamp_min(0).to(z.dtype)),
        ],
        -1,
    )
    position = position[None].expand(batch, -1, -1) / 3
    return torch.cat([patches, summary, position], -1)


def _summary(context: Context) -> Tensor:
    """`[B, 10]` periods and their strengths, length, gaps, and where zero lies."""
    weight = context.observed.to(context.z.dtype)
    length = (weight.shape[1] - weight.argmax(1)).to(weight.dtype).clamp_min(1)
    lags = context.periods.lags.to(weight.dtype)
    zero = torch.asinh(-context.mean / context.scale).clamp(-6, 6).to(weight.dtype)
    lowest = torch.where(context.observed, context.z, MAX_NORMALIZED).amin(1, keepdim=True)
    return torch.cat(
        [
            torch.log(lags) / 3,
            context.periods.strength,
            torch.log1p(length[:, None] / lags) / 3,
            torch.log(length[:, None]) / 5,
            weight.sum(1, keepdim=True) / length[:, None],
            zero / 3,
            (lowest >= zero - 1e-3).to(weight.dtype),
        ],
        1,
    )
