"""Stacks of recurrent layers, in one or both directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import cast

import torch
from torch import Tensor, nn

from rnnforecast.models.base import NO_NOISE, Noise, RecurrentLayer, State
from rnnforecast.models.layers.cell_layer import init_orthogonal
from rnnforecast.registry import BACKBONES


@dataclass(frozen=True)
class BackboneConfig:
    """Configuration of a stack of layers; `name` is that of a file in `backbones/`."""

    name: str
    n_layers: int = 1
    dropout: float = 0.0
    """Dropout between layers."""
    residual: bool = False
    """Whether the output of each layer is added to its input."""
    layer_norm: bool = False
    """Layer normalization of the output of each layer (Ba et al. 2016, arXiv:1607.06450)."""
    orthogonal: bool = False
    """Whether recurrent weights are initialized as orthogonal matrices."""
    noise: Noise = NO_NOISE
    options: Mapping[str, object] = field(default_factory=dict)
    """``model.backbone_options``."""


class RecurrentStack(nn.Module):
    """`[B, G, K]` → `[B, G, K]` and the states of all layers, concatenated."""

    def __init__(self, config: BackboneConfig, hidden_size: int, *, gap_size: int = 0) -> None:
        super().__init__()
        module = BACKBONES.load(config.name)
        options = BACKBONES.options(config.name, config.options)
        self.layers = nn.ModuleList(
            module.build(hidden_size, options, depth=depth, noise=config.noise, gap_size=gap_size)
            for depth in range(config.n_layers)
        )
        norms = config.n_layers if config.layer_norm else 0
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size) for _ in range(norms))
        self.dropout, self.residual = nn.Dropout(config.dropout), config.residual
        parts = (layer.n_state_tensors for layer in cast("list[RecurrentLayer]", list(self.layers)))
        self.state_offsets = [0, *accumulate(parts)]
        if config.orthogonal:
            init_orthogonal(self.recurrent_weights())

    def recurrent_weights(self) -> list[Tensor]:
        """The weights that multiply the states, `[n * K, K]` each."""
        layers = cast("list[RecurrentLayer]", list(self.layers))
        return [weight.data for layer in layers for weight in layer.recurrent_weights()]

    def forward(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """All G steps from `state`; see `RecurrentLayer`."""
        states: list[Tensor] = []
        for number, (layer, (begin, end)) in enumerate(
            zip(self.layers, pairwise(self.state_offsets), strict=True)
        ):
            layer_input = self.dropout(x) if number else x
            out, after = layer(layer_input, None if state is None else state[begin:end], gaps)
            x = out + layer_input if self.residual else out
            x = self.norms[number](x) if len(self.norms) else x
            states += after
        return x, tuple(states)


class BidirectionalStack(nn.Module):
    """Two stacks, one of which reads the lookback backwards, and a projection of both outputs.

    Schuster & Paliwal 1997. The output at a step also depends on later steps of the lookback, but
    on nothing after the origin.
    """

    def __init__(self, config: BackboneConfig, hidden_size: int) -> None:
        super().__init__()
        self.forward_stack = RecurrentStack(config, hidden_size)
        self.backward_stack = RecurrentStack(config, hidden_size)
        self.output_projection = nn.Linear(2 * hidden_size, hidden_size)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, G, K]` → `[B, G, K]`, and the projection of both final outputs, `[B, K]`."""
        forward, _ = self.forward_stack(x)
        backward, _ = self.backward_stack(x.flip(1))
        out = self.output_projection(torch.cat([forward, backward.flip(1)], -1))
        last = self.output_projection(torch.cat([forward[:, -1], backward[:, -1]], -1))
        return out, last
