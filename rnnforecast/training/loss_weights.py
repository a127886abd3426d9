"""How much each step ahead, item and window counts in the loss, in training as in validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.registry import LOSSES, WINDOW_SCALERS
from rnnforecast.training.dataset import Batch
from rnnforecast.types import Floats

MAX_RELATIVE_SCALE = 4.0
"""A window never counts more than so many usual ones of its item: its spread may be an accident."""


def compute_horizon_weights(kind: str | Sequence[float], horizon: int) -> Floats | None:
    """`[H]` with mean 1, or None where all count alike: `equal`, `decreasing`, or H numbers."""
    if kind == "equal":
        return None
    if kind == "decreasing":
        weights = 1 / np.sqrt(np.arange(1, horizon + 1))
    else:
        weights = np.array(kind, dtype=np.float64)
    return np.asarray(weights / weights.mean())


@dataclass(frozen=True)
class WindowScaleWeights:
    """How much a window differs from what is usual for its item."""

    architecture: ForecasterConfig
    """Of the net, which divides each window by its own spread."""
    typical_scale: Tensor
    """`[items, C]`; 0 where an item has no windows."""

    @staticmethod
    def from_numpy(
        architecture: ForecasterConfig, typical_scale: Floats, device: torch.device
    ) -> WindowScaleWeights:
        """From an array to a tensor on the device of the batches."""
        return WindowScaleWeights(
            architecture, torch.from_numpy(typical_scale).to(device, torch.float32)
        )

    def __call__(self, history: ModelInputs, item: Tensor) -> Tensor:
        """`[B, 1, C]` what windows of the items `[B]` count: errors on the normalised scale times
        this are in units that all windows of an item share."""
        usual = self.typical_scale[item].unsqueeze(1)
        share = window_scale(self.architecture, history) / usual
        share = torch.where(usual > 0, share, 1.0).clamp(max=MAX_RELATIVE_SCALE)
        squared = "squared_error" in LOSSES.traits(self.architecture.loss)
        return share**2 if squared else share


def window_scale(architecture: ForecasterConfig, history: ModelInputs) -> Tensor:
    """`[B, 1, C]` what the net divides windows by, in original units."""
    if architecture.difference_lag:
        history = history.diff(architecture.difference_lag)
    scaling = WINDOW_SCALERS.load(architecture.normalize).build(
        season=architecture.season, n_items=0, seasons=()
    )
    scale: Tensor = scaling(history, architecture.horizon).scale
    return scale


@dataclass(frozen=True)
class LossWeights:
    """Factors of a batch's weights; None where all count alike."""

    horizon_weights: Tensor | None = None
    """`[H]`, mean 1."""
    item_weights: Tensor | None = None
    """`[items, C]`, mean 1; C as in the batches."""
    window_weights: WindowScaleWeights | None = None

    @staticmethod
    def from_numpy(
        horizon_weights: Floats | None,
        item_weights: Floats | None,
        device: torch.device,
        window_weights: WindowScaleWeights | None = None,
    ) -> LossWeights:
        """From arrays to tensors on the device of the batches."""

        def there(weights: Floats | None) -> Tensor | None:
            return None if weights is None else torch.from_numpy(weights).to(device, torch.float32)

        return LossWeights(there(horizon_weights), there(item_weights), window_weights)

    def __call__(self, batch: Batch, item: Tensor) -> Batch:
        """The batch of the items `[B]`, its weights multiplied by the factors."""
        weight = batch.weight
        if self.horizon_weights is not None:
            weight = weight * self.horizon_weights[:, None]
        if self.item_weights is not None:
            weight = weight * self.item_weights[item].unsqueeze(1)
        if self.window_weights is not None:
            weight = weight * self.window_weights(batch.history, item).float()
        return batch if weight is batch.weight else replace(batch, weight=weight)


EQUAL_WEIGHTS = LossWeights()
