"""Forking sequences: in training the net forecasts from every segment of the lookback in one pass.

A window of L steps becomes G windows, one that ends with each of its segments; their recurrent part
is one run over the segments. Each of them is normalised by its own history, as it would be in use,
so no fork knows what lies behind it; what the segments of a run are measured against changes from
one to the next, and the net is told by how much. MQ-RNN (Wen et al. 2017, arXiv:1711.11053).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from rnnforecast.models.inputs import ModelInputs
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
    """The windows of all G segments of B windows: `[B * G, ...]`, those of a window together.

    What a fork does not know is hidden. `spare` are steps before the lookback that differences
    need. Futures `[B, H, C]` become `[B * G, H, C]`; forks with fewer than `shortest` steps of
    history weigh nothing. Past targets count where `history.counted` says so.
    """
    steps, horizon = inputs.steps, future.shape[1]
    forks = -(-(steps - extra_steps) // patch_length)
    device = future.device
    ends = steps - patch_length * torch.arange(forks - 1, -1, -1, device=device)  # [G] steps known
    read = ends[:, None] + torch.arange(-steps, 0, device=device)  # [G, L]
    asked = ends[:, None] + torch.arange(horizon, device=device)  # [G, H]
    inside = (read >= 0)[None, :, :, None]

    def cut(table: Tensor, places: Tensor) -> Tensor:
        """`[B, T, X]` → `[B * G, len(places[0]), X]`."""
        return table[:, places.clamp(0, table.shape[1] - 1)].flatten(0, 1)

    def past(table: Tensor | None) -> Tensor | None:
        return (
            None if table is None else cut(table, read) * _flatten_windows(inside, table.shape[0])
        )

    def known(table: Tensor | None) -> Tensor | None:
        if table is None:
            return None
        places = torch.cat([read, asked], 1)
        return cut(table, places) * _flatten_windows(
            (places >= 0)[None, :, :, None], table.shape[0]
        )

    def once(table: Tensor | None) -> Tensor | None:
        return None if table is None else table.repeat_interleave(forks, 0)

    counted = inputs.value_mask if inputs.target_mask is None else inputs.target_mask
    values = torch.cat([inputs.values, future], 1)
    weights = torch.cat([counted.to(weight.dtype), weight], 1)
    enough = (ends >= min(min_history + extra_steps, steps)).repeat(future.shape[0])[:, None, None]
    of_windows = ("values", "value_mask", "input_mask", "elapsed", "past", "past_codes")
    found = {name: past(getattr(inputs, name)) for name in of_windows}
    found |= {name: known(getattr(inputs, name)) for name in ("future", "future_codes")}
    found |= {name: once(getattr(inputs, name)) for name in ("static", "static_codes")}
    return (
        replace(inputs, target_mask=None, **found),  # type: ignore[arg-type]
        cut(values, asked),
        cut(weights, asked) * enough,
    )


def _flatten_windows(mask: Tensor, n_windows: int) -> Tensor:
    """`[1, G, T, 1]` → `[windows * G, T, 1]`."""
    return mask.expand(n_windows, -1, -1, -1).flatten(0, 1)


class ScaleChangeEmbedding(nn.Module):
    """Tells the net how the level it measures a segment against differs from that of the one
    before: `[B * G, 1, C]` levels → `[B, G, K]`."""

    def __init__(self, channels: int, hidden_size: int) -> None:
        super().__init__()
        self.projection = nn.Linear(2 * channels, hidden_size, bias=False)

    def forward(self, stats: ScaleStats, global_scale: Tensor, n_forks: int) -> Tensor:
        """`unit` is the size of normalised values that the net calls 1."""
        center, scale = (
            part.expand_as(stats.scale).reshape(-1, n_forks, part.shape[-1])
            for part in (stats.center, stats.scale)
        )  # [B, G, C]
        grown = torch.log(scale[:, 1:].abs() / scale[:, :-1].abs())
        moved = (center[:, 1:] - center[:, :-1]) / scale[:, 1:]
        change = torch.cat([grown, moved], -1).to(global_scale.dtype) / global_scale
        change = nn.functional.pad(change.clamp(-25.0, 25.0), (0, 0, 1, 0))  # the first has none
        return self.projection(change)  # type: ignore[no-any-return]
