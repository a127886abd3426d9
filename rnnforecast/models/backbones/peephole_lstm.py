"""LSTM with peephole connections: its gates read the cell state; for precise timing.

    f_t = sigmoid(W_f x_t + U_f h_{t-1} + p_f * c_{t-1} + b_f)
    i_t = sigmoid(W_i x_t + U_i h_{t-1} + p_i * c_{t-1} + b_i)     coupled: i_t = 1 - f_t
    g_t = tanh(W_g x_t + U_g h_{t-1} + b_g)                        candidate: tanh, or sigmoid
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigmoid(W_o x_t + U_o h_{t-1} + p_o * c_t + b_o)
    h_t = o_t * tanh(c_t)

In an LSTM a closed output gate hides the cell from the gates; here each gate of a unit reads the
cell of the unit through one weight. Gers & Schmidhuber 2000, with tanh before the output gate and
coupled gates as in Greff et al. 2017 (arXiv:1503.04069).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rnnforecast.models.base import Noise
from rnnforecast.models.layers.cell_layer import TORCH_ACTIVATIONS, CellLayer, CellState
from rnnforecast.models.reference import ACTIVATIONS, Array, Weights, sigmoid

TRAITS = ("noise", "bidirectional")

OPTIONS = {
    "candidate": ("tanh", "sigmoid"),
    "coupled": (False, True),
    "forget_bias": (1.0, None, None),
}
"""``candidate``: activation of g; ``coupled``: the input gate is 1 - f, without weights of its own;
``forget_bias``: initial bias of the forget gate."""

GATES = {
    "input (i)": "1: the candidate enters the cell, 0: it does not",
    "forget (f)": "1: the cell keeps its value, 0: it is reset",
    "output (o)": "1: the network reads the cell, 0: it is hidden",
}


class PeepholeLstmCell(nn.Module):
    """A cell with state h and c. Rows of weights are in the order f, i (unless coupled), g, o."""

    n_zoneout_states, has_fused_kernel = 2, False

    def __init__(self, hidden_size: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.state_sizes = (hidden_size, hidden_size)
        self.n_cell_gates = 1 if options["coupled"] else 2  # gates that read the old cell
        self.candidate = TORCH_ACTIVATIONS[options["candidate"]]
        rows = (self.n_cell_gates + 2) * hidden_size
        self.input_projection = nn.Linear(hidden_size, rows)
        self.U = nn.Parameter(torch.empty(rows, hidden_size))
        self.peephole = nn.Parameter(torch.empty(self.n_cell_gates, hidden_size))
        self.output_peephole = nn.Parameter(torch.empty(hidden_size))
        for weight in self.parameters():  # as in torch's recurrent networks
            nn.init.uniform_(weight, -(hidden_size**-0.5), hidden_size**-0.5)
        with torch.no_grad():
            self.input_projection.bias[:hidden_size] = options["forget_bias"]

    def recurrent_weights(self) -> list[Tensor]:
        """U of the gates and of the candidate."""
        return [self.U]

    def project(self, x: Tensor, gaps: Tensor | None) -> Tensor:
        """W x + b."""
        out: Tensor = self.input_projection(x)
        return out

    def step(self, projected: Tensor, state: CellState, hidden: Tensor) -> CellState:
        """The next state, h and c."""
        _, out, cell = self._gates_and_cell(projected, state, hidden)
        return out * torch.tanh(cell), cell

    def gates(self, projected: Tensor, state: CellState, hidden: Tensor) -> dict[str, Tensor]:
        """Activations of i, f and o."""
        gates, out, _ = self._gates_and_cell(projected, state, hidden)
        i = 1 - gates[:, 0] if self.n_cell_gates == 1 else gates[:, 1]
        return {"input (i)": i, "forget (f)": gates[:, 0], "output (o)": out}

    def _gates_and_cell(
        self, projected: Tensor, state: CellState, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The gates that read the old cell `[B, n_cell_gates, K]`, o and c."""
        cell, width = state[1], hidden.shape[-1]
        raw = projected + linear(hidden, self.U)
        both = self.n_cell_gates * width  # rows of the gates that read the old cell
        cell_gates = raw[:, :both].view(-1, self.n_cell_gates, width)
        gates = torch.sigmoid(torch.addcmul(cell_gates, self.peephole, cell.unsqueeze(1)))
        candidate = self.candidate(raw[:, both : both + width])
        if self.n_cell_gates == 1:
            cell = torch.lerp(candidate.to(cell.dtype), cell, gates[:, 0].to(cell.dtype))
        else:
            cell = gates[:, 0] * cell + gates[:, 1] * candidate
        out = torch.sigmoid(torch.addcmul(raw[:, both + width :], self.output_peephole, cell))
        return gates, out, cell


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> CellLayer:
    """A new layer of width K, the same at every depth."""
    return CellLayer(PeepholeLstmCell(hidden_size, options), noise)


def reference_step(
    weights: Weights, x: Array, gaps: Array, state: list[Array], options: Mapping[str, Any]
) -> list[Array]:
    """The equations above in NumPy; see `BackboneModule`."""
    h, c = state
    raw = x @ weights["input_projection.weight"].T + weights["input_projection.bias"]
    raw = raw + h @ weights["U"].T
    f, *i, g, o = np.split(raw, raw.shape[1] // h.shape[1], -1)
    p = weights["peephole"]
    f = sigmoid(f + p[0] * c)
    i_t = 1 - f if options["coupled"] else sigmoid(i[0] + p[1] * c)
    c = f * c + i_t * ACTIVATIONS[options["candidate"]](g)
    return [sigmoid(o + weights["output_peephole"] * c) * np.tanh(c), c]
