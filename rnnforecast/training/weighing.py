"""How much each step ahead and each item counts in the loss, in training as in validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnforecast.training.batches import Batch

Floats = NDArray[np.float64]


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

    @staticmethod
    def of(steps: Floats | None, items: Floats | None, device: torch.device) -> Weighing:
        """From arrays to tensors on the device of the batches."""

        def there(weights: Floats | None) -> Tensor | None:
            return None if weights is None else torch.from_numpy(weights).to(device, torch.float32)

        return Weighing(there(steps), there(items))

    def __call__(self, batch: Batch, item: Tensor) -> Batch:
        """The batch of the items `[B]`, its weights multiplied by the factors."""
        weight = batch.weight
        if self.steps is not None:
            weight = weight * self.steps[:, None]
        if self.items is not None:
            weight = weight * self.items[item].unsqueeze(1)
        return batch if weight is batch.weight else replace(batch, weight=weight)


EQUAL = Weighing()
