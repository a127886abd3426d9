"""Asking a fitted net: windows in, quantiles in original units out, as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.training.dataset import Batch, WindowDataset
from rnnforecast.training.loss_weights import EQUAL_WEIGHTS, LossWeights, window_scale
from rnnforecast.types import Floats, Ints

WINDOW_BATCH_SIZE = 4096

SAMPLE_PATH_SEED = 1
"""Of the sample paths that a fed-back net draws."""


def normalized_errors(net: Forecaster, windows: WindowDataset, item: Ints, origin: Ints) -> Floats:
    """Actual less forecast on the normalised scale, `[W, H, C]`, of a net with a point head.

    `item [W]` and `origin [W]`; NaN where the future was not observed.
    """
    errors = []
    for batch, _ in _iter_windows_with_targets(windows, item, origin):
        z, level = net.forecast(batch.history, (0.5,))  # [B, H, C, 1]
        error = level.normalize_future(batch.targets) - z[..., 0]
        errors.append(torch.where(batch.weight > 0, error, torch.nan).cpu().numpy())
    return np.concatenate(errors).astype(np.float64)


@torch.no_grad()
def mean_loss(
    net: Forecaster,
    windows: WindowDataset,
    item: Ints,
    origin: Ints,
    loss_weights: LossWeights = EQUAL_WEIGHTS,
) -> float:
    """The head's loss over these windows, every observed step by its weight."""
    total = weight = 0.0
    for gathered, items in _iter_windows_with_targets(windows, item, origin):
        batch = loss_weights(gathered, items)
        observed = float(batch.weight.sum())
        loss = net.loss(batch.history, batch.targets, batch.weight)
        total, weight = total + float(loss) * observed, weight + observed
    return total / weight if weight else 0.0


def actuals_and_mean_abs(windows: WindowDataset, item: Ints, origin: Ints) -> tuple[Floats, Floats]:
    """What came after each window, `[W, H, C]` original units, NaN where unobserved, and the mean
    size of its history, `[W]`."""
    actual, size = [], []
    for batch, _ in _iter_windows_with_targets(windows, item, origin):
        actual.append(
            torch.where(batch.weight > 0, batch.targets, torch.nan).cpu().double().numpy()
        )
        history = batch.history
        count = history.value_mask.sum((1, 2)).clamp_min(1)
        size.append(((history.values.abs() * history.value_mask).sum((1, 2)) / count).cpu().numpy())
    return np.concatenate(actual), np.concatenate(size).astype(np.float64)


def window_scales(
    architecture: ForecasterConfig, windows: WindowDataset, item: Ints, origin: Ints
) -> Floats:
    """What a net of this kind would divide each window by, `[W, C]` original units."""
    found = []
    for batch, _, _ in windows.iter_batches(
        item, origin, origin, steps=1, batch_size=WINDOW_BATCH_SIZE
    ):
        found.append(window_scale(architecture, batch.history)[:, 0].cpu().numpy())
    return np.concatenate(found).astype(np.float64)


def predict_quantiles(
    net: Forecaster,
    windows: WindowDataset,
    item: Ints,
    origin: Ints,
    *,
    steps: int,
    levels: Sequence[float],
    residuals: Floats | None = None,
) -> Floats:
    """Quantiles `[W, steps, C, Q]` in original units of the windows `item [W]` at `origin [W]`.

    `levels [Q]` hold 0.5. `residuals [H, Q]`, normalised, are added to the forecast of a point
    head. Steps beyond the trained horizon are reached in blocks: the median
    of each block is taken as history for the next, and the spread at its end is carried on, as
    independent errors add up (in squares), so that intervals do not start afresh.
    """
    extra = None if residuals is None else torch.from_numpy(residuals).float().to(windows.device)
    blocks = []
    # blocks end with the horizon, or beyond the last step
    wanted = -(-steps // windows.horizon) * windows.horizon
    with _fixed_sampling_seed(windows.device):
        at_once = max(WINDOW_BATCH_SIZE // net.n_sample_paths, 1)
        for batch, _, _ in windows.iter_batches(
            item, origin, origin, steps=wanted, batch_size=at_once
        ):
            found = quantiles_in_blocks(net, batch.history, steps, levels, extra)
            blocks.append(found.cpu().double().numpy())
    return np.concatenate(blocks)


@contextmanager
def _fixed_sampling_seed(device: torch.device) -> Iterator[None]:
    """Inside the block what is drawn is the same at each call; what is drawn after it is as if the
    block had not been."""
    kind = device.type if device.type != "cpu" else "cuda"
    with torch.random.fork_rng([] if device.type == "cpu" else None, device_type=kind):
        torch.manual_seed(SAMPLE_PATH_SEED)
        yield


def quantiles_in_blocks(
    net: Forecaster,
    history: ModelInputs,
    steps: int,
    levels: Sequence[float],
    residuals: Tensor | None,
) -> Tensor:
    """Quantiles `[B, steps, C, Q]` in original units."""
    blocks: list[Tensor] = []
    middle = levels.index(0.5)
    carried: Tensor | float = 0.0
    while sum(block.shape[1] for block in blocks) < steps:
        z, level = net.forecast(history, levels)
        if residuals is not None:
            z = z + residuals[:, None, :]
        center = z[..., middle : middle + 1]
        unit = torch.ones_like(level.scale) if level.is_log else level.scale
        # spreads in log ratios or original units, so that blocks of different level add up
        spread = (z - center) * unit.unsqueeze(-1)
        wider = torch.sign(spread) * torch.sqrt(spread**2 + carried)
        blocks.append(level.denormalize(center + wider / unit.unsqueeze(-1)))
        carried = carried + spread[:, -1:] ** 2
        history = history.append_forecast(blocks[-1][..., middle])
    return torch.cat(blocks, 1)[:, :steps]


def _iter_windows_with_targets(
    windows: WindowDataset, item: Ints, origin: Ints
) -> Iterator[tuple[Batch, Tensor]]:
    """The windows with all of their futures, some at a time, and their items."""
    end = origin + windows.horizon
    for batch, items, _ in windows.iter_batches(item, origin, end, batch_size=WINDOW_BATCH_SIZE):
        yield batch, items
