"""Occlusion and permutation of inputs, for the importance of steps and covariates.

Axes: B windows, L past steps, C targets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rnnforecast.models.inputs import ModelInputs

MIN_RELATIVE_SCALE = 1e-9
"""Lower bound of a window's scale, relative to its mean absolute value."""


@dataclass(frozen=True)
class PrecedingStep:
    """The step before the lookback, `[B, C]`; masked where the series begins with the lookback."""

    values: Tensor
    input_mask: Tensor
    elapsed: Tensor
    """Steps since the last observation."""


def occlude_steps(
    inputs: ModelInputs,
    target_mask: Tensor,
    preceding: PrecedingStep,
    series_start: Tensor,
    step_range: slice,
) -> ModelInputs:
    """The inputs as if nothing had been observed in the steps of `step_range`.

    As with `missing: mask`, the last value before them is carried forward to the next observation
    in `target_mask [B, L, C]`. `series_start [B]` is the first step of the series.
    """
    step = torch.arange(inputs.steps, device=inputs.values.device)[None, :, None]
    begin = series_start.clamp_min(step_range.start)[:, None, None]
    later = torch.where(target_mask & (step >= step_range.stop), step, inputs.steps)
    end = later.amin(1, keepdim=True)  # [B, 1, C] the next observation
    is_occluded = (step >= begin) & (step < end)
    values, input_mask, elapsed = (
        _value_before(old, first, begin) for old, first in _values_with_preceding(inputs, preceding)
    )
    elapsed = elapsed + (step - begin + 1)
    return replace(
        inputs,
        values=torch.where(is_occluded, values, inputs.values),
        value_mask=inputs.value_mask & ~is_occluded,
        input_mask=torch.where(is_occluded, input_mask, inputs.input_mask),
        elapsed=None
        if inputs.elapsed is None
        else torch.where(is_occluded, elapsed.to(inputs.elapsed.dtype), inputs.elapsed),
        target_mask=None if inputs.target_mask is None else inputs.target_mask & ~is_occluded,
    )


def _values_with_preceding(
    inputs: ModelInputs, preceding: PrecedingStep
) -> list[tuple[Tensor, Tensor]]:
    elapsed = inputs.elapsed
    elapsed = torch.zeros_like(inputs.values) if elapsed is None else elapsed
    return [
        (inputs.values, preceding.values),
        (inputs.input_mask, preceding.input_mask),
        (elapsed, preceding.elapsed.to(elapsed.dtype)),
    ]


def _value_before(values: Tensor, preceding: Tensor, begin: Tensor) -> Tensor:
    """`[B, 1, C]` at the step before `begin [B, 1, 1]`."""
    extended = torch.cat([preceding.unsqueeze(1), values], 1)
    return extended.gather(1, begin.clamp_max(values.shape[1]).expand(-1, 1, values.shape[2]))


def exchange_targets(
    inputs: ModelInputs, other_window: Tensor, step_range: slice, *, use_logs: bool
) -> ModelInputs:
    """The inputs with targets and masks in `step_range` taken from the windows `other_window [B]`.

    Values are rescaled to the receiving window: by the mean if the network reads logarithms
    (`use_logs`), else by mean and standard deviation.
    """
    standardized = _standardize(inputs, use_logs=use_logs)[other_window]
    center, scale = _center_and_scale(inputs, use_logs=use_logs)
    input_mask = inputs.input_mask[other_window]
    parts = {
        "values": (standardized * scale + center) * input_mask,
        "input_mask": input_mask,
        "value_mask": inputs.value_mask[other_window],
    }
    for name in ("elapsed", "target_mask"):
        if (values := getattr(inputs, name)) is not None:
            parts[name] = values[other_window]
    changed = {
        name: _replace_steps(getattr(inputs, name), part, step_range)
        for name, part in parts.items()
    }
    return replace(inputs, **changed)


def exchange_covariates(
    inputs: ModelInputs, other_window: Tensor, covariate_field: str, columns: slice
) -> ModelInputs:
    """The inputs with columns of a covariate field, at all steps, taken from `other_window [B]`."""
    values = getattr(inputs, covariate_field).clone()
    values[..., columns] = values[other_window][..., columns]
    return replace(inputs, **{covariate_field: values})


def _replace_steps(values: Tensor, new_values: Tensor, step_range: slice) -> Tensor:
    changed = values.clone()
    changed[:, step_range] = new_values[:, step_range].to(values.dtype)
    return changed


def _standardize(inputs: ModelInputs, *, use_logs: bool) -> Tensor:
    center, scale = _center_and_scale(inputs, use_logs=use_logs)
    return (inputs.values - center) / scale


def _center_and_scale(inputs: ModelInputs, *, use_logs: bool) -> tuple[Tensor, Tensor]:
    """Center and scale of each window and target, `[B, 1, C]`."""
    count = inputs.value_mask.sum(1, keepdim=True).clamp_min(1)

    def mean(values: Tensor) -> Tensor:
        return torch.where(inputs.value_mask, values, 0.0).sum(1, keepdim=True) / count

    center, size = mean(inputs.values), mean(inputs.values.abs())
    floor = torch.where(size > 0, MIN_RELATIVE_SCALE * size, 1.0)
    if use_logs:
        return torch.zeros_like(center), torch.maximum(size, floor)
    deviation = mean((inputs.values - center) ** 2).sqrt()
    return center, torch.maximum(deviation, floor)
