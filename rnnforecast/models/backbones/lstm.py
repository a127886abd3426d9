"""Long short-term memory: three gates and a cell state with a long memory.

    i, f, o = sigmoid(W x_t + U h_{t-1} + b)   each with its own W, U and b
    g       = tanh(W_g x_t + U_g h_{t-1} + b_g)
    c_t     = f * c_{t-1} + i * g
    h_t     = o * tanh(c_t)

Hochreiter & Schmidhuber 1997; forget gate by Gers et al. 2000, with an initial bias of 1
(Jozefowicz et al. 2015).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rnnforecast.models.base import Noise
from rnnforecast.models.layers.cell_layer import CellLayer, CellState, rnn_weights
from rnnforecast.models.reference import Array, Weights, sigmoid, split_rnn_weights

TRAITS = ("noise", "bidirectional")

OPTIONS = {"forget_bias": (1.0, None, None)}
"""``forget_bias``: initial bias of the forget gate."""

GATES = {
    "input (i)": "1: the candidate enters the cell, 0: it does not",
    "forget (f)": "1: the cell keeps its value, 0: it is reset",
    "output (o)": "1: the network reads the cell, 0: it is hidden",
}


class LstmCell(nn.Module):
    """An LSTM cell with torch's fused kernel; the state is h and c."""

    n_zoneout_states, has_fused_kernel = 2, True

    def __init__(self, hidden_size: int, *, forget_bias: float) -> None:
        super().__init__()
        self.net = nn.LSTM(hidden_size, hidden_size, batch_first=True)
        self.state_sizes = (hidden_size, hidden_size)
        with torch.no_grad():
            # torch adds two biases and orders the gates i, f, g, o
            for bias, start in zip(rnn_weights(self.net)[2:], (forget_bias, 0.0), strict=True):
                bias[hidden_size : 2 * hidden_size] = start

    def recurrent_weights(self) -> list[Tensor]:
        """U of the gates and U_g, in one tensor."""
        return [rnn_weights(self.net)[1]]

    def project(self, x: Tensor, gaps: Tensor | None) -> Tensor:
        """W x + b of i, f, g and o, in torch's order."""
        W, _, b, _ = rnn_weights(self.net)
        return linear(x, W, b)

    def step(self, projected: Tensor, state: CellState, hidden: Tensor) -> CellState:
        """The next state, h and c."""
        _, U, _, c = rnn_weights(self.net)
        i, f, g, o = (projected + linear(hidden, U, c)).chunk(4, -1)
        cell = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(cell), cell

    def gates(self, projected: Tensor, state: CellState, hidden: Tensor) -> dict[str, Tensor]:
        """Activations of i, f and o."""
        _, U, _, c = rnn_weights(self.net)
        i, f, _, o = torch.sigmoid(projected + linear(hidden, U, c)).chunk(4, -1)
        return {"input (i)": i, "forget (f)": f, "output (o)": o}

    def forward_fused(self, x: Tensor, state: CellState) -> tuple[Tensor, CellState]:
        """Outputs `[B, G, K]` of all steps, and the last state."""
        out, (hidden, cell) = self.net(x, (state[0].unsqueeze(0), state[1].unsqueeze(0)))
        return out, (hidden[0], cell[0])


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> CellLayer:
    """A new layer of width K, the same at every depth."""
    return CellLayer(LstmCell(hidden_size, forget_bias=options["forget_bias"]), noise)


def reference_step(
    weights: Weights, x: Array, gaps: Array, state: list[Array], options: Mapping[str, Any]
) -> list[Array]:
    """The equations above in NumPy; see `BackboneModule`."""
    gates = zip(*split_rnn_weights(weights, 4), strict=True)
    h, c = state
    i, f, g, o = (x @ W.T + h @ U.T + b + b_h for W, U, b, b_h in gates)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return [sigmoid(o) * np.tanh(c), c]
