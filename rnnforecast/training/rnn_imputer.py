"""Training and application of the recurrent imputer.

It is trained on observed cells that are hidden from it. One network imputes every target of every
series separately. The values available at an origin are those of `FilledValues`:
`where(known_from[row] < origin, inputs[row], causal_inputs[row])`.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from rnnforecast.models.imputer import RnnImputer
from rnnforecast.training import device as devices
from rnnforecast.training.checkpoint import weights_from_bytes, weights_to_bytes
from rnnforecast.training.optimizers import Optimizer
from rnnforecast.training.schedules import learning_rate_factor
from rnnforecast.types import Bools, Floats, Ints

LEARNING_RATE = 5e-3
"""Peak of the one-cycle schedule."""

CLIP_NORM = 1.0
"""Norm to which gradients are clipped."""

MAX_HIDDEN_FRACTION = 0.5
"""Largest fraction of a training window that is hidden at random, besides the gap in its middle."""


class _CellWindows:
    """The table on the device, column after column; windows around cells are gathered from it."""

    def __init__(
        self, values: Floats, observed_mask: Bools, offsets: Ints, width: int, device: torch.device
    ) -> None:
        rows, self.device = len(values), device
        # Apple's GPU has no float64
        self.dtype = torch.float32 if device.type == "mps" else torch.float64
        cell = np.arange(values.size, dtype=np.int64)
        observed = observed_mask.T.reshape(-1)
        start, end = (np.repeat(bound, np.diff(offsets)) for bound in (offsets[:-1], offsets[1:]))
        series_start = (start + rows * np.arange(values.shape[1])[:, None]).reshape(-1)
        last_observed = np.maximum.accumulate(np.where(observed, cell, -1))
        has_observation = last_observed >= series_start  # not one of an earlier series
        self.missing_mask: Bools = has_observation & ~observed
        self.target_mask: Bools = observed & (cell > series_start) & np.roll(has_observation, 1)
        self.observed_mask = torch.from_numpy(observed.copy()).to(device)
        flat = np.where(observed_mask, values, 0.0).T.reshape(-1).copy()
        self.values = torch.from_numpy(flat).to(device, self.dtype)
        self.last_observed = torch.from_numpy(last_observed).to(device)
        self.series_start, self.series_end = (
            torch.from_numpy(bound).to(device) for bound in (start, end)
        )
        self.row_count, self.width = rows, width
        self.window_offsets = torch.arange(-width, width + 1, device=device)

    def gather(self, cell: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The inputs of `RnnImputer` for the cells `[B]`.

        Values and observed mask `[B, 2W + 1]`, the last observation before the window and its
        distance in rows to the cell, `[B]`, both 0 if there is none. Rows of other series are
        masked.
        """
        row = cell % self.row_count
        start, end = ((bound[row] + cell - row) for bound in (self.series_start, self.series_end))
        step = cell.unsqueeze(1) + self.window_offsets  # [B, 2W + 1]
        inside = (step >= start.unsqueeze(1)) & (step < end.unsqueeze(1))
        step = step.clamp(0, len(self.values) - 1)
        before = self.last_observed[torch.maximum(cell - self.width - 1, start)]
        exists = (before >= start) & (before < cell - self.width)
        before = torch.where(exists, before, cell)
        return (
            self.values[step],
            self.observed_mask[step] & inside,
            self.values[before] * exists,
            cell - before,
        )


def fit_imputer(
    values: Floats,
    observed_mask: Bools,
    offsets: Ints,
    train_mask: Bools,
    *,
    width: int,
    hidden_size: int,
    steps: int,
    batch_size: int,
    seed: int,
    device: torch.device,
) -> RnnImputer:
    """Trains an imputer on hidden observed cells; deterministic for a seed.

    Without such cells the imputer is left untrained: it then carries the last observation forward,
    or interpolates linearly.

    Args:
        values: `[N, C]` original units; arbitrary where missing.
        observed_mask: `[N, C]`.
        offsets: `[S + 1]` the row at which each series begins, and N.
        train_mask: `[N]` rows of the training part; the others are not read.
        width: W, the rows read on either side of a cell.
        hidden_size: size of the recurrent states.
        steps: number of updates.
        batch_size: cells per batch.
        seed: seed of the initial weights, the batches and the hidden cells.
        device: device of the training and of the returned network.
    """
    observed_mask = observed_mask & train_mask[:, None]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = RnnImputer(width, hidden_size)
    net.to(device)
    cells = _CellWindows(values, observed_mask, offsets, width, device)
    targets = torch.from_numpy(np.flatnonzero(cells.target_mask)).to(device)
    if not len(targets):
        return net.eval()
    generator = torch.Generator(device).manual_seed(seed)
    parameters = list(net.parameters())
    optimizer = Optimizer("adam", parameters, learning_rate=LEARNING_RATE, weight_decay=0.0)
    with devices.limit_threads(batch_size, hidden_size):
        for step in range(steps):
            optimizer.learning_rate = LEARNING_RATE * learning_rate_factor("one_cycle", step, steps)
            index = torch.randint(len(targets), (batch_size,), generator=generator, device=device)
            loss = _imputation_loss(net, cells, targets[index], generator)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
            optimizer.step()
    return net.eval()


def _imputation_loss(
    net: RnnImputer, cells: _CellWindows, cell: Tensor, generator: torch.Generator
) -> Tensor:
    """Mean absolute error of the three estimates of the cells `[B]`, in units of their scales."""
    values, observed, last_observed, age = cells.gather(cell)
    truth = values[:, cells.width]
    observed = observed & ~_sample_hidden_mask(cells, len(cell), generator)
    # cells before the first observation of a series are not imputed
    has_observation = observed[:, : cells.width].any(1) | (age > 0)
    estimates = net(values, observed, last_observed, age)
    errors = torch.stack([estimate.error(truth) for estimate in estimates])
    return (errors * has_observation).mean()


def _sample_hidden_mask(cells: _CellWindows, count: int, generator: torch.Generator) -> Tensor:
    """Mask `[B, 2W + 1]` of rows to hide in each window: a gap around the cell, and others at
    random.

    Gap lengths are geometric, with random means from below one row up to W / 2, as the lengths of
    the gaps to fill are not known.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=cells.device)

    mean = torch.pow(cells.width / 2, 1.5 * uniform(count, 1) - 0.5)
    before, after = (-mean * torch.log1p(-uniform(2, count, 1))).floor().unbind(0)
    run = (cells.window_offsets >= -before) & (cells.window_offsets <= after)
    scattered = uniform(count, len(cells.window_offsets))
    return run | (scattered < MAX_HIDDEN_FRACTION * uniform(count, 1))


def apply_imputer(
    net: RnnImputer, values: Floats, observed_mask: Bools, offsets: Ints, *, batch_size: int = 1024
) -> tuple[Floats, Floats, Ints]:
    """Imputed values: `inputs`, `causal_inputs` and `known_from` of `FilledValues`, `[N, C]`.

    A missing cell after the first observation of its series is estimated: `causal_inputs` from the
    rows before it, `inputs` also from the W rows after it, the last of which is `known_from`. If
    the series ends before that row, `inputs` is `causal_inputs`. Missing cells before the first
    observation are 0, and observed cells are unchanged.

    Args:
        net: a trained imputer; it runs on its own device.
        values: `[N, C]` original units; arbitrary where missing.
        observed_mask: `[N, C]`.
        offsets: `[S + 1]`.
        batch_size: cells estimated at once.
    """
    rows, channels = values.shape
    device = devices.device_of(net)
    cells = _CellWindows(values, observed_mask, offsets, net.window_length, device)
    missing = np.flatnonzero(cells.missing_mask)
    # in double precision, so that the rounded result does not depend on the batch of a cell
    double_net = copy.deepcopy(net).to(cells.dtype).eval()
    both_sides, before_only = np.empty((2, len(missing)))
    with torch.no_grad(), devices.one_thread():
        for begin in range(0, len(missing), batch_size):
            part = slice(begin, begin + batch_size)
            cell = torch.from_numpy(missing[part]).to(device)
            forward, _, both = double_net(*cells.gather(cell))
            both_sides[part] = both.values().cpu().numpy()
            before_only[part] = forward.values().cpu().numpy()
    row, column = missing % rows, missing // rows
    is_complete = row + net.window_length < cells.series_end.cpu().numpy()[row]
    causal_inputs = np.where(observed_mask, values, 0.0)
    inputs = causal_inputs.copy()
    inputs[row, column] = np.where(is_complete, both_sides, before_only)
    causal_inputs[row, column] = before_only
    known_from = np.repeat(np.arange(rows, dtype=np.int64)[:, None], channels, axis=1)
    known_from[row, column] += net.window_length
    return inputs, causal_inputs, known_from


def imputer_to_bytes(net: RnnImputer) -> bytes:
    """The weights as the content of a safetensors file; their shapes give the sizes."""
    return weights_to_bytes(net.state_dict())


def imputer_from_bytes(data: bytes, *, name: str, device: torch.device) -> RnnImputer:
    """The imputer in the content of a file, in evaluation mode. RunFolderError if it is damaged."""
    weights = weights_from_bytes(data, name=name)
    width, hidden_size = (
        weights[f"forward_imputer.{part}.weight"].shape[1]
        for part in ("window_layer", "output_layer")
    )
    net = RnnImputer(width, hidden_size)
    net.load_state_dict(weights)
    return net.to(device).eval()
