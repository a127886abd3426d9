"""Dilated recurrent network: layers with growing skip lengths, for several time scales.

    h_t = cell(x_t, h_{t-d}),   d = base ^ depth

depth counts the layers from 0 at the bottom. A layer is d independent interleaved sequences, so the
cell runs on d times as many windows of a d-th of the length. The state holds the last d states on
axis 0, the oldest first. A remainder of fewer than d steps runs separately, with another mask of
recurrent dropout.

Chang et al. 2017, arXiv:1710.02224.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rnnforecast.models.base import Noise, State
from rnnforecast.models.layers.cell_layer import CellLayer
from rnnforecast.models.reference import Array, Weights
from rnnforecast.registry import BACKBONES

TRAITS = ("noise",)

DEFAULTS = {"layers": (3, "each one reads twice as far back"), "residual": True}

OPTIONS = {"cell": ("gru", "lstm", "rnn"), "base": (2, 2, None)}
"""``cell``: the recurrent cell, with its default options; ``base``: factor on d from one layer to
the next."""


class DilatedLayer(nn.Module):
    """A cell layer that reads its state d steps ago; each state tensor is `[d, B, X]`."""

    def __init__(self, cell_layer: CellLayer, dilation: int) -> None:
        super().__init__()
        self.cell_layer, self.dilation = cell_layer, dilation
        self.n_state_tensors = cell_layer.n_state_tensors

    def recurrent_weights(self) -> list[Tensor]:
        """The recurrent weights of the cell layer."""
        return self.cell_layer.recurrent_weights()

    def forward(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """`[B, G, K]` → `[B, G, K]` and the states after the last d steps."""
        if state is None:
            start = self.cell_layer.initial_state(x)
            state = tuple(part.expand(self.dilation, *part.shape) for part in start)
        rest = x.shape[1] % self.dilation
        outs, ring = [], state
        if x.shape[1] >= self.dilation:  # the same number of steps in every sequence
            out, ring = self._run_interleaved(x[:, : x.shape[1] - rest], ring)
            outs.append(out)
        if rest:  # one more step of the first few sequences
            out, new_ring = self._run_interleaved(x[:, -rest:], tuple(part[:rest] for part in ring))
            outs.append(out)
            ring = tuple(
                torch.cat([part[rest:], new]) for part, new in zip(ring, new_ring, strict=True)
            )
        return torch.cat(outs, 1), ring

    def gates(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The gates of the cell layer, computed for each of the d sequences."""
        gates: dict[str, Tensor] = {}
        for first in range(min(self.dilation, x.shape[1])):
            steps = slice(first, None, self.dilation)
            own_state = None if state is None else tuple(part[first : first + 1] for part in state)
            for name, gate in self.cell_layer.gates(x[:, steps], own_state).items():
                gates.setdefault(name, torch.zeros_like(x))[:, steps] = gate
        return gates

    def _run_interleaved(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`[B, n * d, K]`: n steps of d = len(state) sequences, run as windows `[B * d, n, K]`."""
        windows, d = x.shape[0], state[0].shape[0]
        sequences = x.reshape(windows, -1, d, x.shape[-1]).transpose(1, 2).flatten(0, 1)
        flat_state = tuple(part.transpose(0, 1).flatten(0, 1).unsqueeze(0) for part in state)
        out, after = self.cell_layer(sequences, flat_state)
        out = out.view(windows, d, -1, x.shape[-1]).transpose(1, 2).flatten(1, 2)
        return out, tuple(part[0].view(windows, d, -1).transpose(0, 1) for part in after)


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> DilatedLayer:
    """A new layer of width K that reads `base ^ depth` steps back."""
    file = BACKBONES.load(options["cell"])
    inner = file.build(
        hidden_size,
        BACKBONES.options(options["cell"], {}),
        depth=depth,
        noise=noise,
        gap_size=gap_size,
    )
    assert isinstance(inner, CellLayer)
    return DilatedLayer(inner, options["base"] ** depth)


def reference_step(
    weights: Weights, x: Array, gaps: Array, state: list[Array], options: Mapping[str, Any]
) -> list[Array]:
    """The equations above in NumPy; see `BackboneModule`."""
    cell = options["cell"]
    step = BACKBONES.load(cell).reference_step
    return step(weights, x, gaps, state, BACKBONES.options(cell, {}))  # type: ignore[no-any-return]
