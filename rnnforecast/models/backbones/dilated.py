"""Dilated recurrent net: each layer skips further back, so a stack spans many scales.

    h_t = cell(x_t, h_{t-d}),   d = base ^ depth

depth counts the layers from 0 below. A layer is d interleaved sequences that do not know each
other, so it runs as d times as many windows of a d-th of the length, by the kernel of the plain
cell. The state is a ring of the last d states, the oldest first, which is the one the next step
reads; n on axis 0 of a state's part is d. A rest of fewer than d steps runs on its own, so its
recurrent dropout has another mask.

Chang et al. 2017, arXiv:1710.02224.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rnnforecast.models.base import Noise, State
from rnnforecast.models.layers.cell_layer import CellLayer
from rnnforecast.registry import BACKBONES

TRAITS = ("noise",)

OPTIONS = {"cell": ("gru", "lstm", "rnn"), "base": (2, 2, None)}
"""``cell``: the recurrent cell, with its default options; ``base``: factor of d from one layer to
the next."""


class DilatedLayer(nn.Module):
    """A plain layer that reads its state of `skip` d steps ago; its state is `[d, B, X]` a part."""

    def __init__(self, cell_layer: CellLayer, dilation: int) -> None:
        super().__init__()
        self.cell_layer, self.dilation, self.n_state_tensors = (
            cell_layer,
            dilation,
            cell_layer.n_state_tensors,
        )

    def recurrent_weights(self) -> list[Tensor]:
        """The plain layer's recurrent weights."""
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
        if x.shape[1] >= self.dilation:  # full rows: every sequence has as many steps
            out, ring = self._run_interleaved(x[:, : x.shape[1] - rest], ring)
            outs.append(out)
        if rest:  # one step more of the first few sequences
            out, fresh = self._run_interleaved(x[:, -rest:], tuple(part[:rest] for part in ring))
            outs.append(out)
            ring = tuple(
                torch.cat([part[rest:], new]) for part, new in zip(ring, fresh, strict=True)
            )
        return torch.cat(outs, 1), ring

    def gates(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Those of the plain layer, each of the d sequences by itself; see `recurrence.Steps`."""
        found: dict[str, Tensor] = {}
        for first in range(min(self.dilation, x.shape[1])):
            own = None if state is None else tuple(part[first : first + 1] for part in state)
            for name, gate in self.cell_layer.gates(x[:, first :: self.dilation], own).items():
                whole = found.setdefault(name, torch.zeros_like(x))
                whole[:, first :: self.dilation] = gate
        return found

    def _run_interleaved(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`[B, n * d, K]` as n rows of d = len(state) sequences, those as windows `[B * d, n, K]`.

        It also serves for the first few sequences alone: then d is their number.
        """
        windows, skip = x.shape[0], state[0].shape[0]
        apart = x.reshape(windows, -1, skip, x.shape[-1]).transpose(1, 2).flatten(0, 1)
        joined = tuple(part.transpose(0, 1).flatten(0, 1).unsqueeze(0) for part in state)
        out, after = self.cell_layer(apart, joined)
        out = out.view(windows, skip, -1, x.shape[-1]).transpose(1, 2).flatten(1, 2)
        return out, tuple(part[0].view(windows, skip, -1).transpose(0, 1) for part in after)


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> DilatedLayer:
    """A fresh layer of width `width` that reads `base ^ depth` steps back."""
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
