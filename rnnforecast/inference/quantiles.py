"""Quantile forecasts, errors and losses of a trained network.

Values are as before the target transform is inverted. `item [W]` and `origin [W]` select windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import numpy as np
import torch
from torch import Tensor

from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.parallel.cores import available_cores
from rnnforecast.training import device as devices
from rnnforecast.training.dataset import Batch, WindowDataset
from rnnforecast.training.loss_weights import EQUAL_WEIGHTS, LossWeights, window_scale
from rnnforecast.types import Floats, Ints

WINDOW_BATCH_SIZE = 4096
"""Windows evaluated at once."""

FORECAST_BATCH_SIZES = {"cpu": 512, "cuda": 2048, "mps": 2048}
"""Windows forecast at once by the type of the device, always as many: matrix products of other
sizes round differently. On a CPU more are no faster, fewer wait for many small calls, and a single
window takes as long as all."""

MAX_SAMPLED_ROWS = 4096
"""Windows times sample paths of autoregressive decoders at once."""

SAMPLE_PATH_SEED = 1
"""Seed of the sample paths of autoregressive decoders."""


def normalized_errors(net: Forecaster, windows: WindowDataset, item: Ints, origin: Ints) -> Floats:
    """Errors of a point head, actual minus forecast, in normalized units, `[W, H, C]`.

    NaN where the actual value was not observed.
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
    """The mean loss over the windows, weighted as in training; 0 without an observed target."""
    total = total_weight = 0.0
    for gathered, items in _iter_windows_with_targets(windows, item, origin):
        batch = loss_weights(gathered, items)
        weight = float(batch.weight.sum())
        loss = net.loss(batch.history, batch.targets, batch.weight)
        total, total_weight = total + float(loss) * weight, total_weight + weight
    return total / total_weight if total_weight else 0.0


def actuals_and_mean_abs(windows: WindowDataset, item: Ints, origin: Ints) -> tuple[Floats, Floats]:
    """The actual values of each window, `[W, H, C]`, NaN where not observed, and the mean absolute
    value of its history, `[W]`."""
    actuals, mean_abs = [], []
    for batch, _ in _iter_windows_with_targets(windows, item, origin):
        actuals.append(
            torch.where(batch.weight > 0, batch.targets, torch.nan).cpu().double().numpy()
        )
        history = batch.history
        count = history.value_mask.sum((1, 2)).clamp_min(1)
        total = (history.values.abs() * history.value_mask).sum((1, 2))
        mean_abs.append((total / count).cpu().numpy())
    return np.concatenate(actuals), np.concatenate(mean_abs).astype(np.float64)


def window_scales(
    config: ForecasterConfig, windows: WindowDataset, item: Ints, origin: Ints
) -> Floats:
    """The scale that a network divides each window by, `[W, C]`."""
    scales = []
    for batch, _, _ in windows.iter_batches(
        item, origin, origin, steps=1, batch_size=WINDOW_BATCH_SIZE
    ):
        scales.append(window_scale(config, batch.history)[:, 0].cpu().numpy())
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
    """Quantiles `[W, steps, C, Q]` of the windows.

    Steps beyond the trained horizon are forecast in blocks: the median of a block is appended to
    the history of the next. Squared deviations from the median at the end of a block are added to
    those of the next, as if errors of blocks were independent.

    The forecast of a window is the same to the last bit whatever the other windows and however many
    cores there are: all batches have one size, each is computed on one thread, and all windows draw
    the same random numbers. Batches of larger networks are forecast in several threads.

    Args:
        levels: `[Q]`, 0.5 among them.
        residuals: `[H, Q]` in normalized units, added to the forecast of a point head.
    """
    residual_tensor = (
        None if residuals is None else torch.from_numpy(residuals).float().to(windows.device)
    )
    n_steps = -(-steps // windows.horizon) * windows.horizon  # of all blocks
    is_sampled, is_cpu = net.n_sample_paths > 1, windows.device.type == "cpu"
    batch_size = FORECAST_BATCH_SIZES[windows.device.type]
    if is_sampled:
        batch_size = max(MAX_SAMPLED_ROWS // net.n_sample_paths, 1)

    def forecast_part(part: slice) -> list[Floats]:
        found = []
        for batch, _, rows in windows.iter_batches(
            item[part],
            origin[part],
            origin[part],
            steps=n_steps,
            batch_size=batch_size,
            is_padded=True,
        ):
            with _fixed_sampling_seed(windows.device) if is_sampled else nullcontext():
                values = quantiles_in_blocks(net, batch.history, steps, levels, residual_tensor)
            found.append(values[: rows.stop - rows.start].cpu().double().numpy())
        return found

    is_large = batch_size * net.config.hidden_size >= devices.MULTITHREADING_THRESHOLD
    n_threads = available_cores() if is_cpu and is_large and not is_sampled else 1
    parts = _whole_batches(len(item), batch_size, n_threads)
    with devices.one_thread() if is_cpu else nullcontext():
        if len(parts) == 1:
            return np.concatenate(forecast_part(parts[0]))
        with ThreadPoolExecutor(
            len(parts), initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            found = list(pool.map(forecast_part, parts))
        return np.concatenate([each for part in found for each in part])


def _whole_batches(n_windows: int, batch_size: int, n_parts: int) -> list[slice]:
    """At most `n_parts` parts of the windows, of whole batches but for the last one."""
    n_batches = max(-(-n_windows // batch_size), 1)
    size = -(-n_batches // n_parts) * batch_size
    return [slice(begin, begin + size) for begin in range(0, max(n_windows, 1), size)]


@contextmanager
def _fixed_sampling_seed(device: torch.device) -> Iterator[None]:
    """Context with a fixed random seed; the states of the generators are restored after it."""
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
    """Quantiles `[B, steps, C, Q]`; see `predict_quantiles`."""
    blocks: list[Tensor] = []
    median = levels.index(0.5)
    carried_variance: Tensor | float = 0.0
    while sum(block.shape[1] for block in blocks) < steps:
        z, stats = net.forecast(history, levels)
        if residuals is not None:
            z = z + residuals[:, None, :]
        center = z[..., median : median + 1]
        unit = torch.ones_like(stats.scale) if stats.is_log else stats.scale
        # deviations in log ratios or original units, so that blocks of different scales add up
        deviation = (z - center) * unit.unsqueeze(-1)
        total = torch.sign(deviation) * torch.sqrt(deviation**2 + carried_variance)
        blocks.append(stats.denormalize(center + total / unit.unsqueeze(-1)))
        carried_variance = carried_variance + deviation[:, -1:] ** 2
        history = history.append_forecast(blocks[-1][..., median])
    return torch.cat(blocks, 1)[:, :steps]


def _iter_windows_with_targets(
    windows: WindowDataset, item: Ints, origin: Ints
) -> Iterator[tuple[Batch, Tensor]]:
    """Batches of the windows with the targets of the horizon, and the items of each batch."""
    end = origin + windows.horizon
    for batch, items, _ in windows.iter_batches(item, origin, end, batch_size=WINDOW_BATCH_SIZE):
        yield batch, items
