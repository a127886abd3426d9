"""Weights of forecast steps, items and windows in the training and the validation loss."""

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
"""Upper bound of a window's scale relative to the typical scale of its item, against outliers."""


def compute_horizon_weights(weighting: str | Sequence[float], horizon: int) -> Floats | None:
    """Weights `[H]` with mean 1 for ``decreasing`` or H numbers; None for ``equal``."""
    if weighting == "equal":
        return None
    if weighting == "decreasing":
        weights = 1 / np.sqrt(np.arange(1, horizon + 1))
    else:
        weights = np.array(weighting, dtype=np.float64)
    return np.asarray(weights / weights.mean())


@dataclass(frozen=True)
class WindowScaleWeights:
    """Weights of windows by their scale relative to the typical scale of their item."""

    config: ForecasterConfig
    """Configuration of the network, which divides each window by its own scale."""
    typical_scale: Tensor
    """`[items, C]` original units; 0 if an item has no windows."""

    @staticmethod
    def from_numpy(
        config: ForecasterConfig, typical_scale: Floats, device: torch.device
    ) -> WindowScaleWeights:
        """The weights with their array as a tensor on the device of the batches."""
        return WindowScaleWeights(config, torch.from_numpy(typical_scale).to(device, torch.float32))

    def __call__(self, history: ModelInputs, item: Tensor) -> Tensor:
        """Weights `[B, 1, C]` of windows of the items `[B]`.

        Normalized errors times these weights are in the same unit for all windows of an item.
        """
        typical = self.typical_scale[item].unsqueeze(1)
        ratio = window_scale(self.config, history) / typical
        ratio = torch.where(typical > 0, ratio, 1.0).clamp(max=MAX_RELATIVE_SCALE)
        return ratio**2 if "squared_error" in LOSSES.traits(self.config.loss) else ratio


def window_scale(config: ForecasterConfig, history: ModelInputs) -> Tensor:
    """The scale `[B, 1, C]` that the network divides windows by, in original units."""
    if config.difference_lag:
        history = history.diff(config.difference_lag)
    scaling = WINDOW_SCALERS.load(config.normalize).build(
        season=config.season, n_items=0, seasons=()
    )
    scale: Tensor = scaling(history, config.horizon).scale
    return scale


@dataclass(frozen=True)
class LossWeights:
    """Factors on the weights of a batch; None for equal weights."""

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
        """The weights with their arrays as tensors on the device of the batches."""

        def to_device(weights: Floats | None) -> Tensor | None:
            return None if weights is None else torch.from_numpy(weights).to(device, torch.float32)

        return LossWeights(to_device(horizon_weights), to_device(item_weights), window_weights)

    def __call__(self, batch: Batch, item: Tensor) -> Batch:
        """The batch of windows of the items `[B]`, its weights multiplied by the factors."""
        weight = batch.weight
        if self.horizon_weights is not None:
            weight = weight * self.horizon_weights[:, None]
        if self.item_weights is not None:
            weight = weight * self.item_weights[item].unsqueeze(1)
        if self.window_weights is not None:
            weight = weight * self.window_weights(batch.history, item).float()
        return batch if weight is batch.weight else replace(batch, weight=weight)


EQUAL_WEIGHTS = LossWeights()
