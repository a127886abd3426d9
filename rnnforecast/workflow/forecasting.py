"""From windows to quantiles in original units: the one place where a fitted net is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnforecast.data.impute import Filled
from rnnforecast.data.panel import Panel
from rnnforecast.data.window import Index, at, first_observed
from rnnforecast.evaluation.conformal import residual_quantiles
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.training.batches import Windows

WINDOWS_AT_ONCE = 4096
FEW_ERRORS = 30
"""With fewer windows than this the errors of all steps are pooled into one set of quantiles."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of S series in original units; NaN where nothing was ever observed.

    `yhat [S, H, C]` and `quantiles [S, H, C, Q]`.
    """

    yhat: Floats
    quantiles: Floats


def windows_of(panel: Panel, filled: Filled, net: Forecaster, device: torch.device) -> Windows:
    """The panel on the device, ready to be cut into windows for this net."""
    looks_ahead = filled.known_from is not None
    return Windows(
        inputs=filled.inputs,
        visible=filled.visible,
        observed=panel.observed,
        offsets=panel.offsets,
        lookback=net.architecture.lookback,
        horizon=net.architecture.horizon,
        device=device,
        causal=filled.causal if looks_ahead else None,
        known_from=filled.known_from,
    )


def levels_with_median(quantiles: Sequence[float]) -> tuple[float, ...]:
    """The quantiles a head must have to serve the wanted ones: those, and the median."""
    return tuple(sorted({*quantiles, 0.5}))


def calibrate(net: Forecaster, windows: Windows, index: Index, levels: Sequence[float]) -> Floats:
    """What a point head's errors on these windows say of its quantiles: `[H, Q]`, normalised.

    `index` should hold windows that were not trained on. See `evaluation.conformal`.
    """
    errors = []
    for item, origin, limit in _parts(index, windows.device):
        batch = windows.gather(item, origin, limit)
        z, level = net.forecast(batch.history, batch.visible)  # [B, H, 1, 1]
        error = level.apply(batch.future) - z[..., 0]
        errors.append(torch.where(batch.weight > 0, error, torch.nan)[..., 0].cpu().numpy())
    table = np.concatenate(errors).astype(np.float64)  # [W, H]
    if len(table) < FEW_ERRORS:
        pooled = residual_quantiles(table.reshape(-1, 1), levels)
        return np.repeat(pooled, table.shape[1], 0)
    return residual_quantiles(table, levels)


def forecast(
    net: Forecaster,
    windows: Windows,
    panel: Panel,
    origins: Ints,
    *,
    quantiles: Sequence[float],
    horizon: int | None = None,
    residuals: Floats | None = None,
) -> Forecasts:
    """Forecasts each series from its origin `[S]` (steps from its start; below 0: no forecast).

    `horizon` is the trained one if None. `residuals [H, Q]` are those of `calibrate`, for a point
    head. A horizon beyond the trained one is reached in blocks: the median of each block is taken
    as history for the next, and the spread at its end is carried on, as independent errors add up
    (in squares), so that intervals never narrow.
    """
    channels = panel.observed.shape[1]
    steps = horizon or net.architecture.horizon
    levels = levels_with_median(quantiles)
    wanted = [levels.index(q) for q in quantiles]
    middle = levels.index(0.5)
    extra = None if residuals is None else torch.from_numpy(residuals).float().to(windows.device)
    index = at(origins, horizon=steps, channels=channels)
    known = index.origin > first_observed(panel.observed, panel.offsets)[index.item]
    index = Index(index.item[known], index.origin[known], index.limit[known])
    values = np.full((panel.size * channels, steps, len(levels)), np.nan)
    done = 0
    for item, origin, limit in _parts(index, windows.device):
        batch = windows.gather(item, origin, limit)
        block = _in_blocks(net, batch.history, batch.visible, steps, middle, extra)
        values[index.item[done : done + len(item)]] = block[:, :, 0].double().cpu().numpy()
        done += len(item)
    # [S * C, H, Q] -> [S, H, C, Q]
    values = values.reshape(panel.size, channels, steps, len(levels)).swapaxes(1, 2)
    return Forecasts(values[..., middle], values[..., wanted])


def _in_blocks(
    net: Forecaster, history: Tensor, visible: Tensor, steps: int, middle: int, residuals: Tensor | None
) -> Tensor:
    """Quantiles `[B, steps, C, Q]` in original units."""
    blocks: list[Tensor] = []
    carried: Tensor | float = 0.0
    while sum(block.shape[1] for block in blocks) < steps:
        z, level = net.forecast(history, visible)
        if residuals is not None:
            z = z + residuals[:, None, :]
        center = z[..., middle : middle + 1]
        unit = torch.ones_like(level.scale) if level.log else level.scale
        # spreads in log ratios or original units, so that blocks of different level add up
        spread = (z - center) * unit.unsqueeze(-1)
        wider = torch.sign(spread) * torch.sqrt(spread**2 + carried)
        blocks.append(level.undo(center + wider / unit.unsqueeze(-1)))
        carried = carried + spread[:, -1:] ** 2
        median = blocks[-1][..., middle]
        history = torch.cat([history, median.to(history.dtype)], 1)[:, -history.shape[1] :]
        seen = torch.ones_like(median, dtype=torch.bool)
        visible = torch.cat([visible, seen], 1)[:, -visible.shape[1] :]
    return torch.cat(blocks, 1)[:, :steps]


def _parts(index: Index, device: torch.device) -> list[tuple[Tensor, Tensor, Tensor]]:
    columns = [torch.from_numpy(part).to(device) for part in (index.item, index.origin, index.limit)]
    return list(zip(*(column.split(WINDOWS_AT_ONCE) for column in columns), strict=True))
