"""Windows are gathered, never stored: a batch is cut from the flat table on the training device.

Every series and target is one *item*, a stretch of one flat array `[N * C]`. A window is an item
and an origin: the number of steps of that item that are history. Nothing at or after the origin
is read into the history, whatever fills the gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STEPS_DRAWN_AT_ONCE = 64
"""Random windows are drawn for this many steps in one go; each block has a seed of its own."""


@dataclass(frozen=True)
class Batch:
    """History `[B, L, 1]` (original units, filled), its mask, future `[B, H, 1]` and weight."""

    history: Tensor
    visible: Tensor
    future: Tensor
    weight: Tensor


class Windows:
    """The panel on the device, and the gather that cuts windows from it."""

    def __init__(
        self,
        *,
        inputs: NDArray[np.float64],
        visible: NDArray[np.bool_],
        observed: NDArray[np.bool_],
        offsets: NDArray[np.int64],
        lookback: int,
        horizon: int,
        device: torch.device,
        causal: NDArray[np.float64] | None = None,
        known_from: NDArray[np.int64] | None = None,
    ) -> None:
        """Takes `[N, C]` tables; the last two only if a fill looks ahead (see `data.impute`)."""
        rows, channels = inputs.shape
        # Apple's GPU has no float64; elsewhere levels and large counters keep their precision
        real = torch.float32 if device.type == "mps" else torch.float64
        self.values = _column_major(inputs).to(device, real)
        self.visible = _column_major(visible).to(device)
        self.observed = _column_major(observed).to(device)
        self.causal = None if causal is None else _column_major(causal).to(device, real)
        self.known_from: Tensor | None = None
        if known_from is not None:
            shift = rows * np.arange(channels)  # row numbers become places in the flat array
            self.known_from = _column_major(known_from + shift).to(device)
        # item s * C + c begins at row offsets[s] of column c
        base = offsets[:-1, None] + rows * np.arange(channels)[None, :]
        self.base = torch.from_numpy(base.reshape(-1)).to(device)
        self.horizon, self.lookback, self.device = horizon, lookback, device
        self.steps = torch.arange(-lookback, horizon, device=device)

    def gather(self, item: Tensor, origin: Tensor, limit: Tensor) -> Batch:
        """Cuts windows of `item [B]` at `origin [B]`; futures from `limit [B]` on weigh nothing.

        Origin and limit count steps of the item. Steps before the item's first are hidden zeros,
        and so are futures that weigh nothing.
        """
        start = self.base[item].unsqueeze(1)  # [B, 1]
        step = origin.unsqueeze(1) + self.steps  # [B, L + H]
        place = (start + step).clamp_(0, len(self.values) - 1)
        past, ahead = step[:, : self.lookback], step[:, self.lookback :]
        read, asked = place[:, : self.lookback], place[:, self.lookback :]
        inside, counted = past >= 0, self.observed[asked] & (ahead < limit.unsqueeze(1))
        history = self.values[read]
        if self.known_from is not None and self.causal is not None:
            known = self.known_from[read] < start + origin.unsqueeze(1)
            history = torch.where(known, history, self.causal[read])
        return Batch(
            history=(history * inside).unsqueeze(-1),
            visible=(self.visible[read] & inside).unsqueeze(-1),
            # what weighs nothing may be another item's, and too large a loss times 0 is NaN
            future=(self.values[asked] * counted).unsqueeze(-1),
            weight=counted.float().unsqueeze(-1),
        )


class Sampler:
    """Draws training windows: items by weight, origins with the recent ones more often.

    Step k's windows depend on the seed and k alone, so a resumed run draws what the uninterrupted
    one would have drawn.
    """

    def __init__(
        self,
        *,
        first: NDArray[np.int64],
        last: NDArray[np.int64],
        limit: NDArray[np.int64],
        weight: NDArray[np.float64],
        batch_size: int,
        seed: int,
        device: torch.device,
        recency: float = 2.0,
    ) -> None:
        """Origins of item i lie in `first[i] .. last[i]`, targets before `limit[i]`; all `[items]`.

        An origin's age is `(last - first) * u ** recency` with u uniform: 1 draws evenly.
        """
        cumulated = np.cumsum(np.where(last >= first, weight, 0.0))
        if not len(cumulated) or cumulated[-1] <= 0:
            raise ValueError("no item has an origin to train on")
        self.cumulated = torch.from_numpy(cumulated / cumulated[-1]).to(device, torch.float32)
        self.last = torch.from_numpy(last).to(device)
        self.span = torch.from_numpy(last - first + 1).to(device)
        self.limit = torch.from_numpy(limit).to(device)
        self.batch_size, self.seed, self.recency, self.device = batch_size, seed, recency, device
        self._block: tuple[int, Tensor, Tensor] | None = None

    def draw(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Item, origin and limit `[B]` of the windows of this step."""
        number, row = divmod(step, STEPS_DRAWN_AT_ONCE)
        if self._block is None or self._block[0] != number:
            self._block = (number, *self._draw_block(number))
        _, item, origin = self._block
        return item[row], origin[row], self.limit[item[row]]

    def _draw_block(self, number: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + number)
        shape = (2, STEPS_DRAWN_AT_ONCE, self.batch_size)
        which, when = torch.rand(shape, generator=generator, device=self.device)
        item = torch.searchsorted(self.cumulated, which, right=True).clamp_max_(len(self.span) - 1)
        age = (self.span[item] * when**self.recency).long()
        return item, self.last[item] - age


def _column_major(table: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(table.T).reshape(-1))
