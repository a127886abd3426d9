"""Fits an imputer to a table by hiding what was observed, and fills the table's gaps with it.

Every target of every series is imputed on its own, by one net. What a reader at an origin may use
is the rule of `data.impute`: `where(known_from[row] < origin, inputs[row], causal[row])`.
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
"""Longest gradient of a step."""

MAX_HIDDEN_FRACTION = 0.5
"""Up to this share of a training window is hidden here and there, besides the run at its cell."""


class _CellWindows:
    """The table on the device, column after column, and the gather that cuts windows from it."""

    def __init__(
        self, values: Floats, observed_mask: Bools, offsets: Ints, width: int, device: torch.device
    ) -> None:
        rows, self.device = len(values), device
        # Apple's GPU has no float64
        self.dtype = torch.float32 if device.type == "mps" else torch.float64
        places = np.arange(values.size, dtype=np.int64)
        seen = observed_mask.T.reshape(-1)
        start, end = (np.repeat(edge, np.diff(offsets)) for edge in (offsets[:-1], offsets[1:]))
        first = (start + rows * np.arange(values.shape[1])[:, None]).reshape(-1)  # of each series
        last = np.maximum.accumulate(np.where(seen, places, -1))
        begun = last >= first  # an observation of an earlier series does not count
        self.missing_mask: Bools = begun & ~seen
        self.target_mask: Bools = seen & (places > first) & np.roll(begun, 1)
        self.observed_mask = torch.from_numpy(seen.copy()).to(device)
        self.values = torch.from_numpy(
            np.where(observed_mask, values, 0.0).T.reshape(-1).copy()
        ).to(device, self.dtype)
        self.last_observed = torch.from_numpy(last).to(device)
        self.series_start, self.series_end = (
            torch.from_numpy(edge).to(device) for edge in (start, end)
        )
        self.row_count, self.width = rows, width
        self.window_offsets = torch.arange(-width, width + 1, device=device)

    def gather(self, cell: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`values` and `seen` `[B, 2W + 1]`, `earlier` and `age` `[B]` of the cells `place [B]`.

        Rows of other series are not seen. Without an observation before the window `age` is 0.
        """
        row = cell % self.row_count
        start, end = ((edge[row] + cell - row) for edge in (self.series_start, self.series_end))
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
    """An imputer trained on observed cells that were hidden from it; the same for the same seed.

    A table without a cell to learn from leaves the imputer untrained: it then carries forward and
    draws lines.

    Args:
        values: `[N, C]` original units; cells that are not observed may hold anything.
        observed: `[N, C]`.
        offsets: `[S+1]` the flat row at which each series begins, and N.
        told: `[N]` the training part; nothing of the other rows is read.
        width: W, how many rows to either side of a cell are read.
        hidden_size: size of the nets' states.
        steps: of training, one batch each.
        batch_size: cells a batch.
        seed: of the first weights and of what is drawn and hidden.
        device: where the net is trained and stays.
    """
    observed_mask = observed_mask & train_mask[:, None]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = RnnImputer(width, hidden_size)
    net.to(device)
    cells = _CellWindows(values, observed_mask, offsets, width, device)
    places = torch.from_numpy(np.flatnonzero(cells.target_mask)).to(device)
    if not len(places):
        return net.eval()
    generator = torch.Generator(device).manual_seed(seed)
    weights = list(net.parameters())
    optimizer = Optimizer("adam", weights, learning_rate=LEARNING_RATE, weight_decay=0.0)
    with devices.limit_threads(batch_size, hidden_size):
        for step in range(steps):
            optimizer.learning_rate = LEARNING_RATE * learning_rate_factor("one_cycle", step, steps)
            drawn = torch.randint(len(places), (batch_size,), generator=generator, device=device)
            loss = _imputation_loss(net, cells, places[drawn], generator)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, CLIP_NORM)
            optimizer.step()
    return net.eval()


def _imputation_loss(
    net: RnnImputer, cells: _CellWindows, cell: Tensor, generator: torch.Generator
) -> Tensor:
    """Mean absolute error of the three estimates of the cells `place [B]`, each in its scale."""
    values, seen, earlier, age = cells.gather(cell)
    truth = values[:, cells.width]
    seen = seen & ~_sample_hidden_mask(cells, len(cell), generator)
    begun = seen[:, : cells.width].any(1) | (age > 0)  # nothing is asked before a series' first
    errors = torch.stack([each.error(truth) for each in net(values, seen, earlier, age)])
    return (errors * begun).mean()


def _sample_hidden_mask(cells: _CellWindows, count: int, generator: torch.Generator) -> Tensor:
    """What is hidden of each window, `[B, 2W + 1]`: a run around the cell, and cells at random.

    The runs' lengths are geometric, with means from below one row up to half the width: it is not
    known which gaps the net will meet.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=cells.device)

    mean = torch.pow(cells.width / 2, 1.5 * uniform(count, 1) - 0.5)
    before, behind = (-mean * torch.log1p(-uniform(2, count, 1))).floor().unbind(0)
    run = (cells.window_offsets >= -before) & (cells.window_offsets <= behind)
    return run | (
        uniform(count, len(cells.window_offsets)) < MAX_HIDDEN_FRACTION * uniform(count, 1)
    )


def apply_imputer(
    net: RnnImputer, values: Floats, observed_mask: Bools, offsets: Ints, *, batch_size: int = 1024
) -> tuple[Floats, Floats, Ints]:
    """`inputs`, `causal` and `known_from` `[N, C]`; observed cells are as they were.

    A missing cell with an observation before it in its series is estimated: `causal` from the rows
    before it, `inputs` from those behind it as well, W of them, the last of which is `known_from`.
    Where the series ends before that row there is no reader who knows it, and `inputs` is
    `causal`. Missing cells before the first observation are 0.

    Args:
        net: a fitted imputer; it is used where it lies.
        values: `[N, C]` original units; cells that are not observed may hold anything.
        observed: `[N, C]`.
        offsets: `[S+1]`.
        block: cells estimated at once.
    """
    rows, channels = values.shape
    device = devices.device_of(net)
    cells = _CellWindows(values, observed_mask, offsets, net.window_length, device)
    missing = np.flatnonzero(cells.missing_mask)
    # in double digits, so that the rounded result does not depend on which cells share a block
    precise = copy.deepcopy(net).to(cells.dtype).eval()
    found = np.empty((2, len(missing)))
    with torch.no_grad(), devices.limit_threads(batch_size, net.hidden_size):
        for begin in range(0, len(missing), batch_size):
            part = slice(begin, begin + batch_size)
            forward, _, both = precise(*cells.gather(torch.from_numpy(missing[part]).to(device)))
            found[:, part] = torch.stack([both.values(), forward.values()]).cpu().numpy()
    row, column = missing % rows, missing // rows
    complete = row + net.window_length < cells.series_end.cpu().numpy()[row]
    known = np.where(observed_mask, values, 0.0)
    inputs, causal = known.copy(), known
    inputs[row, column] = np.where(complete, found[0], found[1])
    causal[row, column] = found[1]
    known_from = np.repeat(np.arange(rows, dtype=np.int64)[:, None], channels, axis=1)
    known_from[row, column] += net.window_length
    return inputs, causal, known_from


def imputer_to_bytes(net: RnnImputer) -> bytes:
    """The imputer as one safetensors file; its sizes are those of its weights."""
    return weights_to_bytes(net.state_dict())


def imputer_from_bytes(data: bytes, *, name: str, device: torch.device) -> RnnImputer:
    """The imputer again, ready to be applied. RunFolderError where the bytes are damaged."""
    weights = weights_from_bytes(data, name=name)
    width, hidden_size = (
        weights[f"forward_imputer.{part}.weight"].shape[1]
        for part in ("window_layer", "output_layer")
    )
    net = RnnImputer(width, hidden_size)
    net.load_state_dict(weights)
    return net.to(device).eval()
