"""Random training windows: items in proportion to their weights, recent origins more often."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rnnforecast.types import Floats, Ints

SAMPLING_BLOCK_STEPS = 64
"""Steps whose windows are drawn at once; each block has a seed of its own."""


class WindowSampler:
    """Draws the items and origins of each batch.

    The windows of a step depend only on the seed and the step, so a resumed run draws the same
    windows as an uninterrupted run.
    """

    def __init__(
        self,
        *,
        first_origin: Ints,
        last_origin: Ints,
        target_end: Ints,
        item_weight: Floats,
        batch_size: int,
        seed: int,
        device: torch.device,
        recency: float = 2.0,
    ) -> None:
        """An origin is `(last - first) * u ** recency` steps before the last, u uniform in [0, 1).

        Args:
            first_origin: `[items]` steps from the start of the item.
            last_origin: `[items]`; an item whose last origin is before its first is never drawn.
            target_end: `[items]` the step at which the targets of an item end.
            item_weight: `[items]` relative frequencies.
            recency: 1 draws all origins equally often; higher values favor recent ones.
        """
        cumulative = np.cumsum(np.where(last_origin >= first_origin, item_weight, 0.0))
        if not len(cumulative) or cumulative[-1] <= 0:
            raise ValueError("no item has an origin to train on")
        self.cumulative_weight = torch.from_numpy(cumulative / cumulative[-1]).to(
            device, torch.float32
        )
        self.last_origin = torch.from_numpy(last_origin).to(device)
        self.origin_count = torch.from_numpy(last_origin - first_origin + 1).to(device)
        self.target_end = torch.from_numpy(target_end).to(device)
        self.batch_size, self.seed, self.recency, self.device = batch_size, seed, recency, device
        self._block: tuple[int, Tensor, Tensor] | None = None

    def sample(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        """Item, origin and end of the targets of the windows of a step, `[B]` each."""
        block, row = divmod(step, SAMPLING_BLOCK_STEPS)
        if self._block is None or self._block[0] != block:
            self._block = (block, *self._sample_block(block))
        _, item, origin = self._block
        return item[row], origin[row], self.target_end[item[row]]

    def _sample_block(self, block: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator(self.device).manual_seed(self.seed * 1_000_003 + block)
        shape = (2, SAMPLING_BLOCK_STEPS, self.batch_size)
        item_quantile, origin_quantile = torch.rand(shape, generator=generator, device=self.device)
        item = torch.searchsorted(self.cumulative_weight, item_quantile, right=True).clamp_max_(
            len(self.origin_count) - 1
        )
        age = (self.origin_count[item] * origin_quantile**self.recency).long()
        return item, self.last_origin[item] - age
