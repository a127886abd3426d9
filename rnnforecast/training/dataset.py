"""Windows are gathered, never stored: a batch is cut from the flat table on the training device.

Every series and target (or every series, where targets are forecast together) is one *item*, a
stretch of one flat array `[N * C]`. A window is an item and an origin: the number of steps of that
item that are history. Nothing at or after the origin is read into the history, whatever fills the
gaps.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnforecast.models.inputs import ModelInputs

SAMPLING_BLOCK_STEPS = 64
"""Random windows are drawn for this many steps in one go; each block has a seed of its own."""

GATHER_BATCH_SIZE = 2048
"""So many windows are cut at a time where there are many."""


@dataclass(frozen=True)
class Batch:
    """What the net reads, and the future `[B, H, C]` it is to tell with the weight of each step."""

    history: ModelInputs
    targets: Tensor
    weight: Tensor


@dataclass(frozen=True)
class PanelArrays:
    """The flat tables that windows are cut from; C targets, N steps of S series."""

    inputs: NDArray[np.float64]
    """`[N, C]` original units, gaps filled."""
    value_mask: NDArray[np.bool_]
    input_mask: NDArray[np.bool_]
    """`[N, C]` see `models.history`."""
    target_mask: NDArray[np.bool_]
    """`[N, C]` what the loss counts."""
    offsets: NDArray[np.int64]
    """`[S + 1]` where each series begins."""
    causal_inputs: NDArray[np.float64] | None = None
    known_from: NDArray[np.int64] | None = None
    """`[N, C]` both only where a fill looks ahead, see `data.impute`."""
    elapsed: NDArray[np.float32] | None = None
    """`[N, C]` steps since the last observation."""
    past: NDArray[np.float32] | None = None
    """`[N, P]` and, as codes, `[N, Pc]`."""
    past_codes: NDArray[np.int64] | None = None
    future: NDArray[np.float32] | None = None
    """`[N + S * ahead, F]`: each series goes on `ahead` steps beyond its end."""
    future_codes: NDArray[np.int64] | None = None
    static: NDArray[np.float32] | None = None
    """`[S, R]`."""
    static_codes: NDArray[np.int64] | None = None
    future_steps: int = 0
    item_index: NDArray[np.int64] | None = None
    """`[S * C]` which item of the training each is, their number for a new one."""
    phase: NDArray[np.int64] | None = None
    """`[S]` the place of each series' first step on the calendar, in steps."""
    include_past_target_mask: bool = False
    """Whether past steps are asked for too, so that windows tell which of them were observed."""


class WindowDataset:
    """The panel on the device, and the gather that cuts windows from it.

    Each target is an item of its own, item `s * C + c`; or, with `joint`, all targets of a series
    are one item.
    """

    def __init__(
        self,
        arrays: PanelArrays,
        *,
        lookback: int,
        horizon: int,
        device: torch.device,
        joint: bool = False,
    ) -> None:
        rows, channels = arrays.inputs.shape
        # Apple's GPU has no float64; elsewhere levels and large counters keep their precision
        real = torch.float32 if device.type == "mps" else torch.float64

        def flat(table: NDArray[np.generic] | None) -> Tensor | None:
            return None if table is None else _column_major(table).to(device)

        def there(table: NDArray[np.generic] | None) -> Tensor | None:
            return None if table is None else torch.from_numpy(table).to(device)

        self.values = _column_major(arrays.inputs).to(device, real)
        self.value_mask = _column_major(arrays.value_mask).to(device)
        # most fills are shown as they stand: then one table serves for both
        same = arrays.input_mask is arrays.value_mask
        self.input_mask = self.value_mask if same else _column_major(arrays.input_mask).to(device)
        self.target_mask = _column_major(arrays.target_mask).to(device)
        self.elapsed = flat(arrays.elapsed)
        self.causal_inputs = self.known_from = None
        if arrays.known_from is not None and arrays.causal_inputs is not None:
            self.causal_inputs = _column_major(arrays.causal_inputs).to(device, real)
            shift = rows * np.arange(channels)  # row numbers become places in the flat array
            self.known_from = _column_major(arrays.known_from + shift).to(device)
        self.past, self.past_codes = there(arrays.past), there(arrays.past_codes)
        self.future, self.future_codes = there(arrays.future), there(arrays.future_codes)
        self.static, self.static_codes = there(arrays.static), there(arrays.static_codes)
        self.future_steps, self.include_past_target_mask = (
            arrays.future_steps,
            arrays.include_past_target_mask,
        )
        self.item_index, self.phase = there(arrays.item_index), there(arrays.phase)
        begins = torch.from_numpy(arrays.offsets[:-1]).to(device)  # [S]
        column = rows * torch.arange(channels, device=device)  # [C]
        # item -> series, the row the series begins at, and the columns read at once
        self.series_starts, self.joint = begins, joint
        self.column_offsets = column if joint else column[:1]
        self.item_starts = begins if joint else (begins[:, None] + column).reshape(-1)
        self.items_per_series = 1 if joint else channels
        self.horizon, self.lookback, self.device = horizon, lookback, device

    def with_lookback(self, lookback: int) -> WindowDataset:
        """The same tables, cut into windows of another lookback."""
        other = copy.copy(self)
        other.lookback = lookback
        return other

    def gather(
        self, item: Tensor, origin: Tensor, target_end: Tensor, *, steps: int | None = None
    ) -> Batch:
        """Cuts windows of `item [B]` at `origin [B]`; futures from `limit [B]` on weigh nothing.

        Origin and limit count steps of the item. Steps before the item's first are hidden zeros,
        and so are futures that weigh nothing. `steps` is how far ahead is looked, the horizon if
        None.
        """
        horizon = steps or self.horizon
        wanted = torch.arange(-self.lookback, horizon, device=self.device)
        step = origin.unsqueeze(1) + wanted  # [B, L + H]
        start = self.item_starts[item].unsqueeze(1)  # [B, 1]
        place = (start + step).unsqueeze(-1) + self.column_offsets  # [B, L + H, C]
        place = place.clamp_(0, len(self.values) - 1)
        past, ahead = step[:, : self.lookback], step[:, self.lookback :]
        read, asked = place[:, : self.lookback], place[:, self.lookback :]
        inside = (past >= 0).unsqueeze(-1)
        counted = self.target_mask[asked] & (ahead < target_end.unsqueeze(1)).unsqueeze(-1)
        values, visible = self.values[read], self.value_mask[read] & inside
        if self.known_from is not None and self.causal_inputs is not None:
            end = (start + origin.unsqueeze(1)).unsqueeze(-1) + self.column_offsets
            known = self.known_from[read] < end
            values = torch.where(known, values, self.causal_inputs[read])
            visible = visible & (known | ~self.target_mask[read])
        same = self.input_mask is self.value_mask
        history = ModelInputs(
            values=values * inside,
            value_mask=visible,
            input_mask=visible if same else self.input_mask[read] & inside,
            elapsed=None if self.elapsed is None else self.elapsed[read] * inside,
            target_mask=self.target_mask[read] & inside if self.include_past_target_mask else None,
            item=None if self.item_index is None else self.item_index[item],
            phase=self._phase(item, step),
            **self._covariates(item // self.items_per_series, step, past),
        )
        # what weighs nothing may be another item's, and too large a loss times 0 is NaN
        return Batch(history, self.values[asked] * counted, counted.to(torch.float32))

    def iter_batches(
        self,
        item: NDArray[np.int64],
        origin: NDArray[np.int64],
        target_end: NDArray[np.int64],
        *,
        steps: int | None = None,
        batch_size: int = GATHER_BATCH_SIZE,
    ) -> Iterator[tuple[Batch, Tensor, slice]]:
        """Many windows, `[W]` each, cut some at a time, see `gather`; with each batch its items,
        and which of the windows it holds. Of no window there is one batch, an empty one."""
        columns = [torch.from_numpy(part).to(self.device) for part in (item, origin, target_end)]
        for begin in range(0, max(len(item), 1), batch_size):
            place = slice(begin, begin + batch_size)
            some = [column[place] for column in columns]
            yield self.gather(some[0], some[1], some[2], steps=steps), some[0], place

    def _phase(self, item: Tensor, step: Tensor) -> Tensor | None:
        return (
            None if self.phase is None else self.phase[item // self.items_per_series] + step[:, 0]
        )

    def _covariates(self, series: Tensor, step: Tensor, past: Tensor) -> dict[str, Tensor]:
        """Those of the series `[B]` at `step [B, L + H]`, of which `past [B, L]` is history; zero
        before the series begins."""
        found = {}
        begin = self.series_starts[series].unsqueeze(1)
        for name in ("past", "past_codes", "future", "future_codes"):
            table = getattr(self, name)
            if table is None:
                continue
            known = name.startswith("future")
            wanted = step if known else past
            first = begin + (series.unsqueeze(1) * self.future_steps if known else 0)
            rows = table[(first + wanted).clamp_(0, len(table) - 1)]  # [B, T, X]
            found[name] = rows * (wanted >= 0).unsqueeze(-1)
        for name in ("static", "static_codes"):
            table = getattr(self, name)
            if table is not None:
                found[name] = table[series]
        return found


class WindowSampler:
    """Draws training windows: items by weight, origins with the recent ones more often.

    Step k's windows depend on the seed and k alone, so a resumed run draws what the uninterrupted
    one would have drawn.
    """

    def __init__(
        self,
        *,
        first_origin: NDArray[np.int64],
        last_origin: NDArray[np.int64],
        target_end: NDArray[np.int64],
        item_weight: NDArray[np.float64],
        batch_size: int,
        seed: int,
        device: torch.device,
        recency: float = 2.0,
    ) -> None:
        """Origins of item i lie in `first[i] .. last[i]`, targets before `limit[i]`; all `[items]`.

        An origin's age is `(last - first) * u ** recency` with u uniform: 1 draws evenly.
        """
        cumulated = np.cumsum(np.where(last_origin >= first_origin, item_weight, 0.0))
        if not len(cumulated) or cumulated[-1] <= 0:
            raise ValueError("no item has an origin to train on")
        self.cumulative_weight = torch.from_numpy(cumulated / cumulated[-1]).to(
            device, torch.float32
        )
        self.last_origin = torch.from_numpy(last_origin).to(device)
        self.origin_count = torch.from_numpy(last_origin - first_origin + 1).to(device)
        self.target_end = torch.from_numpy(target_end).to(device)
        self.batch_size, self.seed, self.recency, self.device = batch_size, seed, recency, device
        self._block: tuple[int, Tensor, Tensor] | None = None

    def sample(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Item, origin and limit `[B]` of the windows of this step."""
        number, row = divmod(step, SAMPLING_BLOCK_STEPS)
        if self._block is None or self._block[0] != number:
            self._block = (number, *self._sample_block(number))
        _, item, origin = self._block
        return item[row], origin[row], self.target_end[item[row]]

    def _sample_block(self, number: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + number)
        shape = (2, SAMPLING_BLOCK_STEPS, self.batch_size)
        which, when = torch.rand(shape, generator=generator, device=self.device)
        item = torch.searchsorted(self.cumulative_weight, which, right=True).clamp_max_(
            len(self.origin_count) - 1
        )
        age = (self.origin_count[item] * when**self.recency).long()
        return item, self.last_origin[item] - age


def _column_major(table: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(table.T).reshape(-1))
