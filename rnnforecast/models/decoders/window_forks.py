"""Forking sequences: training windows that end at every patch of the lookback, in one pass.

A window of L steps becomes G windows (forks), one that ends at each of its patches; the backbone
runs once over the patches for all of them. Each fork is normalized by its own history, as in
forecasting, so no fork depends on later values. The scale therefore changes from patch to patch,
and the network reads that change. MQ-RNN (Wen et al. 2017, arXiv:1711.11053), section 3.3.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from rnnforecast.models.inputs import (
    FUTURE_COVARIATES,
    PAST_COVARIATES,
    STATIC_COVARIATES,
    ModelInputs,
)
from rnnforecast.models.scaling.window_scaler import ScaleStats


def fork_windows(
    inputs: ModelInputs,
    future: Tensor,
    weight: Tensor,
    *,
    patch_length: int,
    extra_steps: int,
    min_history: int,
) -> tuple[ModelInputs, Tensor, Tensor]:
    """Forks `[B * G, ...]` of B windows at each of G patches, those of a window side by side.

    The past of a fork is as long as that of a window; steps before the window are masked.

    Args:
        inputs: windows of `extra_steps + lookback` steps; the extra steps are for differencing.
        future: `[B, H, C]` original units; becomes `[B * G, H, C]`.
        weight: `[B, H, C]`; past targets have the weight 1 in `inputs.target_mask`, else 0.
        patch_length: steps of a patch.
        extra_steps: steps before the lookback.
        min_history: forks with a shorter history have weight zero, except the last of a window.
    """
    steps, horizon = inputs.steps, future.shape[1]
    forks = -(-(steps - extra_steps) // patch_length)
    device = future.device
    ends = steps - patch_length * torch.arange(forks - 1, -1, -1, device=device)  # [G]
    past_index = ends[:, None] + torch.arange(-steps, 0, device=device)  # [G, L]
    future_index = ends[:, None] + torch.arange(horizon, device=device)  # [G, H]
    full_index = torch.cat([past_index, future_index], 1)

    def gather(values: Tensor, index: Tensor) -> Tensor:
        """`[B, T, X]` → `[B * G, len(index[0]), X]`."""
        return values[:, index.clamp(0, values.shape[1] - 1)].flatten(0, 1)

    def masked(values: Tensor | None, index: Tensor) -> Tensor | None:
        """As `gather`, but zero before the first step."""
        if values is None:
            return None
        inside = (index >= 0)[None, :, :, None].expand(values.shape[0], -1, -1, -1)
        return gather(values, index) * inside.flatten(0, 1)

    def repeated(values: Tensor | None) -> Tensor | None:
        return None if values is None else values.repeat_interleave(forks, 0)

    target_mask = inputs.value_mask if inputs.target_mask is None else inputs.target_mask
    values = torch.cat([inputs.values, future], 1)
    weights = torch.cat([target_mask.to(weight.dtype), weight], 1)
    enough = (ends >= min(min_history + extra_steps, steps)).repeat(future.shape[0])[:, None, None]
    past_fields = ("values", "value_mask", "input_mask", "elapsed", *PAST_COVARIATES)
    forked = {name: masked(getattr(inputs, name), past_index) for name in past_fields}
    forked |= {name: masked(getattr(inputs, name), full_index) for name in FUTURE_COVARIATES}
    forked |= {name: repeated(getattr(inputs, name)) for name in STATIC_COVARIATES}
    return (
        replace(inputs, target_mask=None, **forked),  # type: ignore[arg-type]
        gather(values, future_index),
        gather(weights, future_index) * enough,
    )


class ScaleChangeEmbedding(nn.Module):
    """Embedding `[B, G, K]` of the change of center and scale from each fork to the next."""

    def __init__(self, channels: int, hidden_size: int) -> None:
        super().__init__()
        self.projection = nn.Linear(2 * channels, hidden_size, bias=False)

    def forward(self, stats: ScaleStats, global_scale: Tensor, n_forks: int) -> Tensor:
        """Changes are relative to the scale, in units of `global_scale`; that of the first fork is
        zero."""
        center, scale = (
            part.expand_as(stats.scale).reshape(-1, n_forks, part.shape[-1])
            for part in (stats.center, stats.scale)
        )  # [B, G, C]
        log_growth = torch.log(scale[:, 1:].abs() / scale[:, :-1].abs())
        shift = (center[:, 1:] - center[:, :-1]) / scale[:, 1:]
        change = torch.cat([log_growth, shift], -1).to(global_scale.dtype) / global_scale
        change = nn.functional.pad(change.clamp(-25.0, 25.0), (0, 0, 1, 0))
        return self.projection(change)  # type: ignore[no-any-return]
