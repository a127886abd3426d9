"""The pretrained network: an LSTM over patches of the context and masked patches of the horizon.

    patches [B, G + J, X] → embed → LSTM layers → quantiles of the J patches [B, J * P, Q]

All steps are forecast in one pass from masked patches, as in TiRex (Auer et al. 2025,
arXiv:2505.23719). The median of a step is a weighted mean of simple forecasts and a correction;
other quantiles are sums of positive distances from it, so they cannot cross.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnforecast.models.layers.stack import BackboneConfig, RecurrentStack
from rnnforecast.models.pretrained.context import PATCH_LENGTH, Context
from rnnforecast.models.pretrained.patches import (
    CHANGES,
    FORECAST_MASKS,
    PATCH_FEATURES,
    SIMPLE_FORECASTS,
    STEP_FEATURES,
    patch_features,
)

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99)
MEDIAN_INDEX = LEVELS.index(0.5)
WEIGHT_SCALE = 3.0
"""Factor of the logits of the simple forecasts, whose weights are learned faster by it."""
RESIDUAL_SCALE = 0.2
"""Factor of what the network adds to the simple forecasts, which is learned more slowly by it."""
MISSING = 20.0
"""Subtracted from the logit of a forecast that is not known."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network."""

    hidden_size: int = 128
    n_layers: int = 3
    backbone: str = "lstm"


class PretrainedNetwork(nn.Module):
    """Maps a context to quantiles of normalized values."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden_size
        self.embedding = nn.Sequential(
            nn.Linear(PATCH_FEATURES, 2 * hidden), nn.SiLU(), nn.Linear(2 * hidden, hidden)
        )
        self.embedding_skip = nn.Linear(PATCH_FEATURES, hidden)
        self.backbone = RecurrentStack(
            BackboneConfig(config.backbone, config.n_layers, residual=True, layer_norm=True), hidden
        )
        self.output_hidden = nn.Linear(hidden, 2 * hidden)
        self.output = nn.Linear(2 * hidden, PATCH_LENGTH * len(LEVELS))
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        # of the simple forecasts and of changes, at the first step and by the logarithm of the step
        self.forecast_weights = nn.Linear(hidden, 2 * len(SIMPLE_FORECASTS))
        self.change_weights = nn.Linear(hidden, 2 * len(CHANGES))
        for layer in (self.forecast_weights, self.change_weights):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, context: Context, horizon_patches: int) -> Tensor:
        """Quantiles `[B, J * P, Q]` of normalized values at `LEVELS`."""
        features = patch_features(context, horizon_patches)
        x = self.embedding(features) + self.embedding_skip(features)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.training):
            encoded = self.backbone(x)[0]
        ahead = encoded[:, -horizon_patches:].float()
        raw = self.output(functional.silu(self.output_hidden(ahead)))
        raw = raw.view(len(raw), horizon_patches * PATCH_LENGTH, len(LEVELS))
        simple = self._weighed_forecasts(ahead, features[:, -horizon_patches:])
        median = simple + RESIDUAL_SCALE * raw[..., MEDIAN_INDEX : MEDIAN_INDEX + 1]
        below = functional.softplus(raw[..., :MEDIAN_INDEX].flip(-1) - 2).cumsum(-1).flip(-1)
        above = functional.softplus(raw[..., MEDIAN_INDEX + 1 :] - 2).cumsum(-1)
        return torch.cat([median - below, median, median + above], -1)

    def _weighed_forecasts(self, encoded: Tensor, features: Tensor) -> Tensor:
        """The weighted mean of the simple forecasts that are known, with weighted slopes,
        `[B, J * P, 1]`, from `encoded [B, J, K]` and `features [B, J, X]`."""
        steps = features[..., : STEP_FEATURES * PATCH_LENGTH]
        steps = steps.reshape(*features.shape[:2], PATCH_LENGTH, STEP_FEATURES)
        missing = torch.stack(
            [
                1 - steps[..., FORECAST_MASKS[each]]
                if each in FORECAST_MASKS
                else torch.zeros_like(steps[..., 0])
                for each in SIMPLE_FORECASTS
            ],
            -1,
        )
        logits = self._by_step(self.forecast_weights(encoded))
        logits = WEIGHT_SCALE * logits - MISSING * missing
        mean = (steps[..., SIMPLE_FORECASTS] * logits.softmax(-1)).sum(-1, keepdim=True)
        weights = self._by_step(self.change_weights(encoded))
        changes = (steps[..., CHANGES] * weights).sum(-1, keepdim=True)
        return (mean + changes).flatten(1, 2)

    @staticmethod
    def _by_step(ends: Tensor) -> Tensor:
        """Values `[B, J, P, N]` that change with the logarithm of the step ahead, from
        `ends [B, J, 2 N]`."""
        first, slope = ends.chunk(2, -1)
        step = torch.arange(1, ends.shape[1] * PATCH_LENGTH + 1, device=ends.device)
        place = torch.log(step.to(ends.dtype)).view(-1, PATCH_LENGTH, 1) / 3
        return first[:, :, None] + slope[:, :, None] * place


def quantile_loss(quantiles: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean pinball loss of `quantiles [B, H, Q]` for `truth [B, H]`, with `weight [B, H]`."""
    levels = torch.tensor(LEVELS, dtype=truth.dtype, device=truth.device)
    error = truth[..., None] - quantiles
    loss = torch.maximum(levels * error, (levels - 1) * error).mean(-1)
    return 2 * (loss * weight).sum() / weight.sum().clamp_min(1e-6)
