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
    history: History, observed: Tensor, before: Before, start: Tensor, stretch: slice
) -> History:
    """The history as if nothing had been observed in the steps of `stretch`.

    As with `missing: mask` the last value before them stands in, up to the next observation.
    `observed [B, L, C]`; `start [B]` is the first step that belongs to the series.
    """
    step = torch.arange(history.steps, device=history.values.device)[None, :, None]
    begin = start.clamp_min(stretch.start)[:, None, None]
    later = torch.where(observed & (step >= stretch.stop), step, history.steps)
    end = later.amin(1, keepdim=True)  # [B, 1, C] the next observation
    gone = (step >= begin) & (step < end)
    values, present, elapsed = (
        _before(table, first, begin) for table, first in _with_before(history, before)
    )
    since = elapsed + (step - begin + 1)
    return replace(
        history,
        values=torch.where(gone, values, history.values),
        visible=history.visible & ~gone,
        present=torch.where(gone, present, history.present),
        elapsed=None
        if history.elapsed is None
        else torch.where(gone, since.to(history.elapsed.dtype), history.elapsed),
        counted=None if history.counted is None else history.counted & ~gone,
    )


def _with_before(history: History, before: Before) -> list[tuple[Tensor, Tensor]]:
    elapsed = history.elapsed
    elapsed = torch.zeros_like(history.values) if elapsed is None else elapsed
    return [
        (history.values, before.values),
        (history.present, before.present),
        (elapsed, before.elapsed.to(elapsed.dtype)),
    ]


def _before(table: Tensor, first: Tensor, begin: Tensor) -> Tensor:
    """What stands in the step before `begin [B, 1, 1]`, `[B, 1, C]`."""
    whole = torch.cat([first.unsqueeze(1), table], 1)
    return whole.gather(1, begin.clamp_max(table.shape[1]).expand(-1, 1, table.shape[2]))


def exchanged(history: History, other: Tensor, stretch: slice, *, log: bool) -> History:
    """The targets of the steps of `stretch` are those of the window `other [B]`, gaps and all.

    They are brought to the window's own level: by its mean where the net reads logs (`log`), else
    by mean and deviation; else a large series would stand in for a small one.
    """
    moved = _measured(history, log=log)[other]
    center, spread = _size(history, log=log)
    present = history.present[other]
    parts = {"values": (moved * spread + center) * present, "present": present}
    parts["visible"] = history.visible[other]
    for name in ("elapsed", "counted"):
        table = getattr(history, name)
        if table is not None:
            parts[name] = table[other]
    changed = {name: _put(getattr(history, name), part, stretch) for name, part in parts.items()}
    return replace(history, **changed)


def swapped(history: History, other: Tensor, table: str, columns: slice) -> History:
    """The columns of a table of covariates are those of the window `other [B]`, past and ahead."""
    whole = getattr(history, table).clone()
    whole[..., columns] = whole[other][..., columns]
    return replace(history, **{table: whole})


def _put(table: Tensor, part: Tensor, stretch: slice) -> Tensor:
    changed = table.clone()
    changed[:, stretch] = part[:, stretch].to(table.dtype)
    return changed


def _measured(history: History, *, log: bool) -> Tensor:
    center, spread = _size(history, log=log)
    return (history.values - center) / spread


def _size(history: History, *, log: bool) -> tuple[Tensor, Tensor]:
    """Center and spread of each window and target, `[B, 1, C]`."""
    count = history.visible.sum(1, keepdim=True).clamp_min(1)

    def mean(values: Tensor) -> Tensor:
        return torch.where(history.visible, values, 0.0).sum(1, keepdim=True) / count

    center, size = mean(history.values), mean(history.values.abs())
    floor = torch.where(size > 0, SMALLEST * size, 1.0)
    if log:
        return torch.zeros_like(center), torch.maximum(size, floor)
    deviation = mean((history.values - center) ** 2).sqrt()
    return center, torch.maximum(deviation, floor)
