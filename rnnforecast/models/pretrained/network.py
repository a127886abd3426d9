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

from rnnforecast.models.heads.quantile import QuantileHead
from rnnforecast.models.layers.stack import BackboneConfig, RecurrentStack
from rnnforecast.models.pretrained.context import PATCH_LENGTH, Context
from rnnforecast.models.pretrained.patches import (
    CHANGES,
    CONTEXT_FEATURES,
    FORECAST_MASKS,
    FUTURE_FEATURES,
    PAST_FEATURES,
    SIMPLE_FORECASTS,
    PatchFeatures,
    patch_features,
)

LEVELS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99)
WEIGHT_SCALE = 3.0
"""Factor of the logits of the simple forecasts, whose weights are learned faster by it."""
RESIDUAL_SCALE = 0.2
"""Factor of what the network adds to the simple forecasts, which is learned more slowly by it."""
MISSING = 20.0
"""Subtracted from the logit of a forecast that is not known."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network."""

    hidden_size: int = 160
    n_layers: int = 3
    backbone: str = "lstm"


class PatchEmbedding(nn.Module):
    """A perceptron with one hidden layer, and a linear map beside it, of a patch, the features of
    the whole context, and the place of the patch."""

    def __init__(self, patch_features: int, hidden: int) -> None:
        super().__init__()
        self.sizes = [2 * hidden, hidden]
        self.patch = nn.Linear(patch_features, sum(self.sizes))
        self.context = nn.Linear(CONTEXT_FEATURES, sum(self.sizes), bias=False)
        self.place = nn.Linear(1, sum(self.sizes), bias=False)
        self.output = nn.Linear(2 * hidden, hidden)

    def forward(self, patches: Tensor, context: Tensor, place: Tensor) -> Tensor:
        """`[B, G, K]` from `patches [B, G, F]`, `context [B, CONTEXT_FEATURES]`, `place [G, 1]`."""
        inner = self.patch(patches) + self.context(context)[:, None] + self.place(place)
        hidden, skip = inner.split(self.sizes, -1)
        found: Tensor = self.output(functional.silu(hidden)) + skip
        return found


class PretrainedNetwork(nn.Module):
    """Maps a context to quantiles of normalized values."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden_size
        self.past_embedding = PatchEmbedding(PATCH_LENGTH * len(PAST_FEATURES), hidden)
        self.future_embedding = PatchEmbedding(PATCH_LENGTH * len(FUTURE_FEATURES), hidden)
        self.backbone = RecurrentStack(
            BackboneConfig(config.backbone, config.n_layers, residual=True, layer_norm=True), hidden
        )
        self.head = QuantileHead(LEVELS)
        self.output_hidden = nn.Linear(hidden, 2 * hidden)
        self.output = nn.Linear(2 * hidden, PATCH_LENGTH * len(LEVELS))
        # of the simple forecasts and of changes, at the first step and by the logarithm of the step
        self.forecast_weights = nn.Linear(hidden, 2 * len(SIMPLE_FORECASTS))
        self.change_weights = nn.Linear(hidden, 2 * len(CHANGES))
        for layer in (self.output, self.forecast_weights, self.change_weights):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, context: Context, horizon_patches: int) -> Tensor:
        """Quantiles `[B, J * P, Q]` of normalized values at `LEVELS`."""
        features = patch_features(context, horizon_patches)
        x = self._embed(features)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.training):
            encoded = self.backbone(x)[0]
        ahead = encoded[:, -horizon_patches:].float()
        raw = self.output(functional.silu(self.output_hidden(ahead)))
        raw = raw.unflatten(2, (PATCH_LENGTH, -1)).flatten(1, 2)
        simple = self._weighed_forecasts(ahead, features.future_steps())
        median = self.head.location_index
        center = simple + RESIDUAL_SCALE * raw[..., median : median + 1]
        return self.head.trained_quantiles(
            torch.cat([raw[..., :median], center, raw[..., median + 1 :]], -1)
        )

    def _embed(self, features: PatchFeatures) -> Tensor:
        """The patches of the context, then those of the horizon, `[B, G + J, K]`."""
        count = features.past.shape[1]
        back, ahead = (
            torch.log1p(torch.arange(each, device=features.past.device))[:, None] / 3
            for each in (count, features.future.shape[1])
        )
        past = self.past_embedding(features.past, features.context, back.flip(0))
        future = self.future_embedding(features.future, features.context, ahead)
        return torch.cat([past, future], 1)

    def _weighed_forecasts(self, encoded: Tensor, steps: Tensor) -> Tensor:
        """The weighted mean of the simple forecasts that are known, with weighted changes,
        `[B, J * P, 1]`, from `encoded [B, J, K]` and features `steps [B, J, P, F]`."""
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
        changes = (steps[..., -len(CHANGES) :] * weights).sum(-1, keepdim=True)
        return (mean + changes).flatten(1, 2)

    @staticmethod
    def _by_step(ends: Tensor) -> Tensor:
        """Values `[B, J, P, N]` that change with the logarithm of the step ahead, from
        `ends [B, J, 2 N]`."""
        first, slope = ends.chunk(2, -1)
        step = torch.arange(1, ends.shape[1] * PATCH_LENGTH + 1, device=ends.device)
        place = torch.log(step.to(ends.dtype)).view(-1, PATCH_LENGTH, 1) / 3
        return first[:, :, None] + slope[:, :, None] * place
