"""How much each step ahead, item and window counts in the loss, in training as in validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnforecast.models.history import History
from rnnforecast.models.normalize import masked_mean
from rnnforecast.training.batches import Batch

Floats = NDArray[np.float64]

MOST = 4.0
"""A window never counts more than so many usual ones of its item: its spread may be an accident."""


def step_weights(kind: str | Sequence[float], horizon: int) -> Floats | None:
    """`[H]` with mean 1, or None where all count alike: `equal`, `decreasing`, or H numbers."""
    if kind == "equal":
        return None
    if kind == "decreasing":
        weights = 1 / np.sqrt(np.arange(1, horizon + 1))
    else:
        weights = np.array(kind, dtype=np.float64)
    return np.asarray(weights / weights.mean())


@dataclass(frozen=True)
class Weighing:
    """Factors of a batch's weights; None where all count alike."""

    steps: Tensor | None = None
    """`[H]`, mean 1."""
    items: Tensor | None = None
    """`[items, C]`, mean 1; C as in the batches."""
    spreads: Tensor | None = None
    """`[items, C]` the usual spread of an item's windows: each counts by its own as a share."""
    power: int = 1
    """Of that share: 2 where the loss is of squares."""

    @staticmethod
    def of(
        steps: Floats | None,
        items: Floats | None,
        device: torch.device,
        spreads: Floats | None = None,
        *,
        power: int = 1,
    ) -> Weighing:
        """From arrays to tensors on the device of the batches."""

        def there(weights: Floats | None) -> Tensor | None:
            return None if weights is None else torch.from_numpy(weights).to(device, torch.float32)

        return Weighing(there(steps), there(items), there(spreads), power)

    def __call__(self, batch: Batch, item: Tensor) -> Batch:
        """The batch of the items `[B]`, its weights multiplied by the factors."""
        weight = batch.weight
        if self.steps is not None:
            weight = weight * self.steps[:, None]
        if self.items is not None:
            weight = weight * self.items[item].unsqueeze(1)
        if self.spreads is not None:
            usual = self.spreads[item].unsqueeze(1)
            share = spread(batch.history) / usual  # [B, 1, C]
            share = torch.where(usual > 0, share, 1.0).clamp(max=MOST)
            weight = weight * (share**self.power).float()
        return batch if weight is batch.weight else replace(batch, weight=weight)


EQUAL = Weighing()


def spread(history: History) -> Tensor:
    """`[B, 1, C]` standard deviation of what is visible of each window, in original units."""
    center = masked_mean(history.values, history.visible)
    return masked_mean((history.values - center) ** 2, history.visible).sqrt()
