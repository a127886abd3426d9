"""Doubly recurrent net: a second recurrence decides, step by step, how the past is read.

    h_t  = f(W_hh h_{t-1} + W_xh x_t + b_h)                              what is carried
    r_t  = g(W_rr h_{t-1} + W_xr x_t + b_r)                              how to read it
    h'_t = f(W_h'h h_{t-1} + W_x'h x_t + (W_rh r_t) * h_{t-1} + b_h')    the past, read so
    y_t  = g(W_ho h'_t + W_ho' h_t + b_o)                                what the layer says

f is tanh, relu or sigmoid; g is sigmoid or tanh. A plain recurrent net (Elman 1990) carries the
state; the weight of the past in h' is itself computed at each step, a product of two readings of
the state as in multiplicative recurrent nets (Sutskever et al. 2011). r, h' and y hang on the
carried states alone, so that with those known they are computed for all steps at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rnnforecast.models.base import Noise
from rnnforecast.models.layers.cell_layer import CellLayer, CellState, rnn_weights

TRAITS = ("noise",)

OPTIONS = {"nonlinearity": ("tanh", "relu", "sigmoid"), "gate": ("sigmoid", "tanh")}
"""``nonlinearity``: f; ``gate``: g."""

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}
GATE_ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh}


class DoublyRecurrentCell(nn.Module):
    """One step, and all by torch's kernel for h where it knows f; the state is y and h."""

    hidden_index, n_zoneout_states = 1, 1  # y is said and then forgotten

    def __init__(self, hidden_size: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.state_sizes = (hidden_size, hidden_size)
        self.f, self.g = ACTIVATIONS[options["nonlinearity"]], GATE_ACTIVATIONS[options["gate"]]
        self.has_fused_kernel = options["nonlinearity"] != "sigmoid"
        known = options["nonlinearity"] if self.has_fused_kernel else "tanh"
        self.net = nn.RNN(
            hidden_size, hidden_size, nonlinearity=known, batch_first=True
        )  # W_xh, W_hh, b_h
        self.input_projection = nn.Linear(hidden_size, 2 * hidden_size)  # W_xr, W_x'h
        self.recurrent_projection = nn.Linear(
            hidden_size, 2 * hidden_size, bias=False
        )  # W_rr, W_h'h
        self.past_projection = nn.Linear(hidden_size, hidden_size, bias=False)  # W_rh
        self.output_projection = nn.Linear(2 * hidden_size, hidden_size)  # W_ho, W_ho'

    def recurrent_weights(self) -> list[Tensor]:
        """W_hh, W_rr and W_h'h."""
        return [rnn_weights(self.net)[1], self.recurrent_projection.weight]

    def project(self, x: Tensor, gaps: Tensor | None) -> Tensor:
        """What h, r and h' have of x."""
        W, _, b, _ = rnn_weights(self.net)
        return torch.cat([linear(x, W, b), self.input_projection(x)], -1)

    def output(self, projected: Tensor, previous: Tensor, current: Tensor) -> Tensor:
        """y from what r and h' have of x, `[..., 2 K]`, and h before and after the step."""
        r, second = (projected + self.recurrent_projection(previous)).chunk(2, -1)
        second = self.f(second + self.past_projection(self.g(r)) * previous)
        out: Tensor = self.g(
            self.output_projection(torch.cat([second, current.to(second.dtype)], -1))
        )
        return out

    def gates(self, projected: Tensor, state: CellState, hidden: Tensor) -> dict[str, Tensor]:
        """r, where it is a gate."""
        width = hidden.shape[-1]
        r, _ = (projected[:, width:] + self.recurrent_projection(hidden)).chunk(2, -1)
        return {"reading (r)": torch.sigmoid(r)} if self.g is torch.sigmoid else {}

    def step(self, projected: Tensor, state: CellState, hidden: Tensor) -> CellState:
        """y and h."""
        _, U, _, c = rnn_weights(self.net)
        width = hidden.shape[-1]
        now = self.f(projected[:, :width] + linear(hidden, U, c)).to(state[1].dtype)
        return self.output(projected[:, width:], hidden, now), now

    def forward_fused(self, x: Tensor, state: CellState) -> tuple[Tensor, CellState]:
        """All steps, `[B, G, K]`."""
        states, last = self.net(x, state[1].unsqueeze(0))
        before = torch.cat([state[1].unsqueeze(1).to(states.dtype), states[:, :-1]], 1)
        out = self.output(self.input_projection(x), before, states)
        return out, (out[:, -1], last[0])


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> CellLayer:
    """A fresh layer of width `width`; all depths are alike."""
    return CellLayer(DoublyRecurrentCell(hidden_size, options), noise)
