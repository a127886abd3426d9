"""Histories of which a stretch is hidden, or exchanged between windows: what a forecast hangs on.

Axes: B windows, L past steps, C targets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rnnforecast.models.inputs import ModelInputs

MIN_RELATIVE_SCALE = 1e-9
"""Relative to the window's size: no window is measured by a smaller spread than this."""


@dataclass(frozen=True)
class PrecedingStep:
    """What stands in the step before the lookback, `[B, C]`; nothing where a series begins."""

    values: Tensor
    input_mask: Tensor
    elapsed: Tensor
    """Steps since the last observation."""


def occlude_steps(
    inputs: ModelInputs,
    observed_mask: Tensor,
    preceding: PrecedingStep,
    series_start: Tensor,
    step_range: slice,
) -> ModelInputs:
    """The history as if nothing had been observed in the steps of `stretch`.

    As with `missing: mask` the last value before them stands in, up to the next observation.
    `observed [B, L, C]`; `start [B]` is the first step that belongs to the series.
    """
    step = torch.arange(inputs.steps, device=inputs.values.device)[None, :, None]
    begin = series_start.clamp_min(step_range.start)[:, None, None]
    later = torch.where(observed_mask & (step >= step_range.stop), step, inputs.steps)
    end = later.amin(1, keepdim=True)  # [B, 1, C] the next observation
    gone = (step >= begin) & (step < end)
    values, present, elapsed = (
        _value_before(table, first, begin)
        for table, first in _values_with_preceding(inputs, preceding)
    )
    since = elapsed + (step - begin + 1)
    return replace(
        inputs,
        values=torch.where(gone, values, inputs.values),
        value_mask=inputs.value_mask & ~gone,
        input_mask=torch.where(gone, present, inputs.input_mask),
        elapsed=None
        if inputs.elapsed is None
        else torch.where(gone, since.to(inputs.elapsed.dtype), inputs.elapsed),
        target_mask=None if inputs.target_mask is None else inputs.target_mask & ~gone,
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
    """What stands in the step before `begin [B, 1, 1]`, `[B, 1, C]`."""
    whole = torch.cat([preceding.unsqueeze(1), values], 1)
    return whole.gather(1, begin.clamp_max(values.shape[1]).expand(-1, 1, values.shape[2]))


def exchange_targets(
    inputs: ModelInputs, other_window: Tensor, step_range: slice, *, use_logs: bool
) -> ModelInputs:
    """The targets of the steps of `stretch` are those of the window `other [B]`, gaps and all.

    They are brought to the window's own level: by its mean where the net reads logs (`log`), else
    by mean and deviation; else a large series would stand in for a small one.
    """
    moved = _standardize(inputs, use_logs=use_logs)[other_window]
    center, spread = _center_and_scale(inputs, use_logs=use_logs)
    present = inputs.input_mask[other_window]
    parts = {"values": (moved * spread + center) * present, "input_mask": present}
    parts["value_mask"] = inputs.value_mask[other_window]
    for name in ("elapsed", "target_mask"):
        table = getattr(inputs, name)
        if table is not None:
            parts[name] = table[other_window]
    changed = {
        name: _replace_steps(getattr(inputs, name), part, step_range)
        for name, part in parts.items()
    }
    return replace(inputs, **changed)


def exchange_covariates(
    inputs: ModelInputs, other_window: Tensor, table: str, columns: slice
) -> ModelInputs:
    """The columns of a table of covariates are those of the window `other [B]`, past and ahead."""
    whole = getattr(inputs, table).clone()
    whole[..., columns] = whole[other_window][..., columns]
    return replace(inputs, **{table: whole})


def _replace_steps(values: Tensor, new_values: Tensor, step_range: slice) -> Tensor:
    changed = values.clone()
    changed[:, step_range] = new_values[:, step_range].to(values.dtype)
    return changed


def _standardize(inputs: ModelInputs, *, use_logs: bool) -> Tensor:
    center, spread = _center_and_scale(inputs, use_logs=use_logs)
    return (inputs.values - center) / spread


def _center_and_scale(inputs: ModelInputs, *, use_logs: bool) -> tuple[Tensor, Tensor]:
    """Center and spread of each window and target, `[B, 1, C]`."""
    count = inputs.value_mask.sum(1, keepdim=True).clamp_min(1)

    def mean(values: Tensor) -> Tensor:
        return torch.where(inputs.value_mask, values, 0.0).sum(1, keepdim=True) / count

    center, size = mean(inputs.values), mean(inputs.values.abs())
    floor = torch.where(size > 0, MIN_RELATIVE_SCALE * size, 1.0)
    if use_logs:
        return torch.zeros_like(center), torch.maximum(size, floor)
    deviation = mean((inputs.values - center) ** 2).sqrt()
    return center, torch.maximum(deviation, floor)
