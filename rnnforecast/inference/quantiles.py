"""Inference: quantiles in original units, errors and losses of windows, as numpy arrays."""

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
"""Seed of the sample paths of an autoregressive decoder."""


def normalized_errors(net: Forecaster, windows: WindowDataset, item: Ints, origin: Ints) -> Floats:
    """Actual minus forecast on the normalized scale, `[W, H, C]`, of a network with a point head.

    `item [W]` and `origin [W]`; NaN where the future was not observed.
    """
    errors = []
    for batch, _ in _iter_windows_with_targets(windows, item, origin):
        z, stats = net.forecast(batch.history, (0.5,))  # [B, H, C, 1]
        error = stats.normalize_future(batch.targets) - z[..., 0]
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
    """The weighted mean of the loss over the observed steps of these windows."""
    total = weight = 0.0
    for gathered, items in _iter_windows_with_targets(windows, item, origin):
        batch = loss_weights(gathered, items)
        observed = float(batch.weight.sum())
        loss = net.loss(batch.history, batch.targets, batch.weight)
        total, weight = total + float(loss) * observed, weight + observed
    return total / weight if weight else 0.0


def actuals_and_mean_abs(windows: WindowDataset, item: Ints, origin: Ints) -> tuple[Floats, Floats]:
    """The future of each window, `[W, H, C]` original units, NaN where unobserved, and the mean
    absolute value of its history, `[W]`."""
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
    """The scale of each window under this normalization, `[W, C]` original units."""
    scales = []
    for batch, _, _ in windows.iter_batches(
        item, origin, origin, steps=1, batch_size=WINDOW_BATCH_SIZE
    ):
        scales.append(window_scale(architecture, batch.history)[:, 0].cpu().numpy())
    return np.concatenate(scales).astype(np.float64)


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

    `levels [Q]` include 0.5. `residuals [H, Q]`, normalized, are added to the forecast of a point
    head. Longer horizons than the trained one are forecast in blocks: the median of each block is
    appended to the history of the next, and the squared spread at its end is added to that of the
    next, as for independent errors, so that intervals do not shrink between blocks.
    """
    offsets = None if residuals is None else torch.from_numpy(residuals).float().to(windows.device)
    blocks = []
    # blocks have the length of the horizon; the last may end beyond the last step
    rounded_steps = -(-steps // windows.horizon) * windows.horizon
    with _fixed_sampling_seed(windows.device):
        batch_size = max(WINDOW_BATCH_SIZE // net.n_sample_paths, 1)
        for batch, _, _ in windows.iter_batches(
            item, origin, origin, steps=rounded_steps, batch_size=batch_size
        ):
            quantiles = quantiles_in_blocks(net, batch.history, steps, levels, offsets)
            blocks.append(quantiles.cpu().double().numpy())
    return np.concatenate(blocks)


@contextmanager
def _fixed_sampling_seed(device: torch.device) -> Iterator[None]:
    """Random numbers inside the context are the same at each call; the generator's state outside is
    unchanged."""
    device_type = device.type if device.type != "cpu" else "cuda"
    with torch.random.fork_rng([] if device.type == "cpu" else None, device_type=device_type):
        torch.manual_seed(SAMPLE_PATH_SEED)
        yield


def quantiles_in_blocks(
    net: Forecaster,
    history: ModelInputs,
    steps: int,
    levels: Sequence[float],
    residuals: Tensor | None,
) -> Tensor:
    """Quantiles `[B, steps, C, Q]` in original units, see `predict_quantiles`."""
    blocks: list[Tensor] = []
    median = levels.index(0.5)
    carried_variance: Tensor | float = 0.0
    while sum(block.shape[1] for block in blocks) < steps:
        z, stats = net.forecast(history, levels)
        if residuals is not None:
            z = z + residuals[:, None, :]
        center = z[..., median : median + 1]
        unit = torch.ones_like(stats.scale) if stats.is_log else stats.scale
        # in log ratios or original units, so that spreads of blocks with different scales add up
        spread = (z - center) * unit.unsqueeze(-1)
        widened = torch.sign(spread) * torch.sqrt(spread**2 + carried_variance)
        blocks.append(stats.denormalize(center + widened / unit.unsqueeze(-1)))
        carried_variance = carried_variance + spread[:, -1:] ** 2
        history = history.append_forecast(blocks[-1][..., median])
    return torch.cat(blocks, 1)[:, :steps]


def _iter_windows_with_targets(
    windows: WindowDataset, item: Ints, origin: Ints
) -> Iterator[tuple[Batch, Tensor]]:
    """Batches of windows with their whole horizon, and their items."""
    end = origin + windows.horizon
    for batch, items, _ in windows.iter_batches(item, origin, end, batch_size=WINDOW_BATCH_SIZE):
        yield batch, items
