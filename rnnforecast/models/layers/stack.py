"""Layers on top of each other, and the lookback read in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import cast

import torch
from torch import Tensor, nn

from rnnforecast.models import registry
from rnnforecast.models.base import NO_NOISE, Layer, Noise, State
from rnnforecast.models.layers.cell_layer import orthogonal


@dataclass(frozen=True)
class Plan:
    """What a stack is made of; `backbone` is the name of a file in `backbones/`."""

    backbone: str
    layers: int = 1
    dropout: float = 0.0
    """Between layers."""
    residual: bool = False
    """Each layer adds to what the one below it says."""
    layer_norm: bool = False
    """What a layer says is normalised over its units (Ba et al. 2016, arXiv:1607.06450)."""
    orthogonal: bool = False
    """Recurrent weights start as rotations."""
    noise: Noise = NO_NOISE
    options: Mapping[str, object] = field(default_factory=dict)
    """Of the backbone."""


class Stack(nn.Module):
    """`[B, G, K]` → `[B, G, K]` and the states of all layers, one behind the other."""

    def __init__(self, config: Plan, hidden_size: int, *, gap_size: int = 0) -> None:
        super().__init__()
        file = registry.load(config.backbone)
        options = registry.options(config.backbone, config.options)
        self.layers = nn.ModuleList(
            file.build(hidden_size, options, depth=depth, noise=config.noise, gap_size=gap_size)
            for depth in range(config.layers)
        )
        norms = config.layers if config.layer_norm else 0
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size) for _ in range(norms))
        self.dropout, self.residual = nn.Dropout(config.dropout), config.residual
        parts = (layer.parts for layer in cast("list[Layer]", list(self.layers)))
        self.ends = [0, *accumulate(parts)]
        if config.orthogonal:
            orthogonal(self.recurrent_weights())

    def recurrent_weights(self) -> list[Tensor]:
        """The weights that the states are multiplied with, `[n * K, K]` each."""
        layers = cast("list[Layer]", list(self.layers))
        return [weight.data for layer in layers for weight in layer.recurrent()]

    def forward(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Runs over all G steps from `state`; see `contract.Layer`."""
        states: list[Tensor] = []
        for number, (layer, (begin, end)) in enumerate(
            zip(self.layers, pairwise(self.ends), strict=True)
        ):
            below = self.dropout(x) if number else x
            out, after = layer(below, None if state is None else state[begin:end], gaps)
            x = out + below if self.residual else out
            x = self.norms[number](x) if len(self.norms) else x
            states += after
        return x, tuple(states)


class BothWays(nn.Module):
    """The lookback read forwards and backwards by two stacks, joined step by step.

    After Schuster & Paliwal 1997. Only what lies before the origin is read, so nothing of the
    future can enter; but an answer for an inner step knows the later ones of the lookback.
    """

    def __init__(self, config: Plan, hidden_size: int) -> None:
        super().__init__()
        self.forwards, self.backwards = Stack(config, hidden_size), Stack(config, hidden_size)
        self.join = nn.Linear(2 * hidden_size, hidden_size)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, G, K]` → `[B, G, K]` and what both know when they have read all, `[B, K]`."""
        ahead, _ = self.forwards(x)
        back, _ = self.backwards(x.flip(1))
        out = self.join(torch.cat([ahead, back.flip(1)], -1))
        last = self.join(torch.cat([ahead[:, -1], back[:, -1]], -1))
        return out, last
