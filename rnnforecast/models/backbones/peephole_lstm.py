"""LSTM whose gates also look at the cell: made for what has to be timed exactly.

    f_t = sigmoid(W_f x_t + U_f h_{t-1} + p_f * c_{t-1} + b_f)
    i_t = sigmoid(W_i x_t + U_i h_{t-1} + p_i * c_{t-1} + b_i)     coupled: i_t = 1 - f_t
    g_t = tanh(W_g x_t + U_g h_{t-1} + b_g)                        candidate: tanh, or sigmoid
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigmoid(W_o x_t + U_o h_{t-1} + p_o * c_t + b_o)
    h_t = o_t * tanh(c_t)

In a plain LSTM a closed output gate hides the cell from the very gates that rule it; here each
reads its own cell through one weight. Gers & Schmidhuber 2000, with tanh on the way out as in
Greff et al. 2017 (arXiv:1503.04069), which also has the coupled gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rnnforecast.models.base import Noise
from rnnforecast.models.layers.cell_layer import CellLayer, CellState

TRAITS = ("noise", "bidirectional")

OPTIONS = {
    "candidate": ("tanh", "sigmoid"),
    "coupled": (False, True),
    "forget_bias": (1.0, None, None),
}
"""``candidate``: activation of g; ``coupled``: the input gate is 1 - f, without weights of its own;
``forget_bias``: initial bias of the forget gate."""

CANDIDATE_ACTIVATIONS = {"tanh": torch.tanh, "sigmoid": torch.sigmoid}


class PeepholeLstmCell(nn.Module):
    """One step; the state is hidden and cell. Rows of weights: f, (i unless coupled,) g, o."""

    n_zoneout_states, has_fused_kernel = 2, False

    def __init__(self, hidden_size: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.state_sizes = (hidden_size, hidden_size)
        self.n_cell_gates = 1 if options["coupled"] else 2  # gates that read the old cell
        self.candidate = CANDIDATE_ACTIVATIONS[options["candidate"]]
        rows = (self.n_cell_gates + 2) * hidden_size
        self.input_projection = nn.Linear(hidden_size, rows)
        self.U = nn.Parameter(torch.empty(rows, hidden_size))
        self.peephole = nn.Parameter(torch.empty(self.n_cell_gates, hidden_size))
        self.output_peephole = nn.Parameter(torch.empty(hidden_size))
        for weight in self.parameters():  # as torch starts its own recurrent nets
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
        """h and c."""
        _, out, cell = self._gates_and_cell(projected, state, hidden)
        return out * torch.tanh(cell), cell

    def gates(self, projected: Tensor, state: CellState, hidden: Tensor) -> dict[str, Tensor]:
        """f, i and o."""
        early, out, _ = self._gates_and_cell(projected, state, hidden)
        i = 1 - early[:, 0] if self.n_cell_gates == 1 else early[:, 1]
        return {"input (i)": i, "forget (f)": early[:, 0], "output (o)": out}

    def _gates_and_cell(
        self, projected: Tensor, state: CellState, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The gates that read the old cell `[B, early, K]`, o and c."""
        cell, width = state[1], hidden.shape[-1]
        raw = projected + linear(hidden, self.U)
        both = self.n_cell_gates * width  # rows of the gates that read the old cell
        seen = raw[:, :both].view(-1, self.n_cell_gates, width)
        gates = torch.sigmoid(torch.addcmul(seen, self.peephole, cell.unsqueeze(1)))
        fresh = self.candidate(raw[:, both : both + width])
        if self.n_cell_gates == 1:
            cell = torch.lerp(fresh.to(cell.dtype), cell, gates[:, 0].to(cell.dtype))
        else:
            cell = gates[:, 0] * cell + gates[:, 1] * fresh
        out = torch.sigmoid(torch.addcmul(raw[:, both + width :], self.output_peephole, cell))
        return gates, out, cell


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> CellLayer:
    """A fresh layer of width `width`; all depths are alike."""
    return CellLayer(PeepholeLstmCell(hidden_size, options), noise)
