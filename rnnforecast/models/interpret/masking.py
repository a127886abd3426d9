"""Histories of which a stretch is hidden, or exchanged between windows: what a forecast hangs on.

Axes: B windows, L past steps, C targets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rnnforecast.models.inputs import History

SMALLEST = 1e-9
"""Relative to the window's size: no window is measured by a smaller spread than this."""


@dataclass(frozen=True)
class Before:
    """What stands in the step before the lookback, `[B, C]`; nothing where a series begins."""

    values: Tensor
    present: Tensor
    elapsed: Tensor
    """Steps since the last observation."""


def hidden(
    inputs: History, observed_mask: Tensor, preceding: Before, series_start: Tensor, step_range: slice
) -> History:
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
        _before(table, first, begin) for table, first in _with_before(inputs, preceding)
    )
    since = elapsed + (step - begin + 1)
    return replace(
        inputs,
        values=torch.where(gone, values, inputs.values),
        visible=inputs.visible & ~gone,
        present=torch.where(gone, present, inputs.present),
        elapsed=None
        if inputs.elapsed is None
        else torch.where(gone, since.to(inputs.elapsed.dtype), inputs.elapsed),
        counted=None if inputs.counted is None else inputs.counted & ~gone,
    )


def _with_before(inputs: History, preceding: Before) -> list[tuple[Tensor, Tensor]]:
    elapsed = inputs.elapsed
    elapsed = torch.zeros_like(inputs.values) if elapsed is None else elapsed
    return [
        (inputs.values, preceding.values),
        (inputs.present, preceding.present),
        (elapsed, preceding.elapsed.to(elapsed.dtype)),
    ]


def _before(values: Tensor, preceding: Tensor, begin: Tensor) -> Tensor:
    """What stands in the step before `begin [B, 1, 1]`, `[B, 1, C]`."""
    whole = torch.cat([preceding.unsqueeze(1), values], 1)
    return whole.gather(1, begin.clamp_max(values.shape[1]).expand(-1, 1, values.shape[2]))


def exchanged(inputs: History, other_window: Tensor, step_range: slice, *, use_logs: bool) -> History:
    """The targets of the steps of `stretch` are those of the window `other [B]`, gaps and all.

    They are brought to the window's own level: by its mean where the net reads logs (`log`), else
    by mean and deviation; else a large series would stand in for a small one.
    """
    moved = _measured(inputs, use_logs=use_logs)[other_window]
    center, spread = _size(inputs, use_logs=use_logs)
    present = inputs.present[other_window]
    parts = {"values": (moved * spread + center) * present, "present": present}
    parts["visible"] = inputs.visible[other_window]
    for name in ("elapsed", "counted"):
        table = getattr(inputs, name)
        if table is not None:
            parts[name] = table[other_window]
    changed = {name: _put(getattr(inputs, name), part, step_range) for name, part in parts.items()}
    return replace(inputs, **changed)


def swapped(inputs: History, other_window: Tensor, table: str, columns: slice) -> History:
    """The columns of a table of covariates are those of the window `other [B]`, past and ahead."""
    whole = getattr(inputs, table).clone()
    whole[..., columns] = whole[other_window][..., columns]
    return replace(inputs, **{table: whole})


def _put(values: Tensor, new_values: Tensor, step_range: slice) -> Tensor:
    changed = values.clone()
    changed[:, step_range] = new_values[:, step_range].to(values.dtype)
    return changed


def _measured(inputs: History, *, use_logs: bool) -> Tensor:
    center, spread = _size(inputs, use_logs=use_logs)
    return (inputs.values - center) / spread


def _size(inputs: History, *, use_logs: bool) -> tuple[Tensor, Tensor]:
    """Center and spread of each window and target, `[B, 1, C]`."""
    count = inputs.visible.sum(1, keepdim=True).clamp_min(1)

    def mean(values: Tensor) -> Tensor:
        return torch.where(inputs.visible, values, 0.0).sum(1, keepdim=True) / count

    center, size = mean(inputs.values), mean(inputs.values.abs())
    floor = torch.where(size > 0, SMALLEST * size, 1.0)
    if use_logs:
        return torch.zeros_like(center), torch.maximum(size, floor)
    deviation = mean((inputs.values - center) ** 2).sqrt()
    return center, torch.maximum(deviation, floor)
