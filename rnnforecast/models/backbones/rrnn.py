"""Doubly recurrent network: a second recurrence computes how the past is read at each step.

    h_t  = f(W_hh h_{t-1} + W_xh x_t + b_h)                              the state
    r_t  = g(W_rr h_{t-1} + W_xr x_t + b_r)                              the reading gate
    h'_t = f(W_h'h h_{t-1} + W_x'h x_t + (W_rh r_t) * h_{t-1} + b_h')    the gated reading
    y_t  = g(W_ho h'_t + W_ho' h_t + b_o)                                the output

f is tanh, relu or sigmoid; g is sigmoid or tanh. The state is that of a simple recurrent network
(Elman 1990); the weight of the past in h' is computed at each step, a product of two functions of
the state as in multiplicative recurrent networks (Sutskever et al. 2011). r, h' and y depend on the
states h alone and are computed for all steps at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rnnforecast.models.base import Noise
from rnnforecast.models.layers.cell_layer import (
    TORCH_ACTIVATIONS,
    CellLayer,
    CellState,
    rnn_weights,
)
from rnnforecast.models.reference import ACTIVATIONS, Array, Weights, split_rnn_weights

TRAITS = ("noise",)

OPTIONS = {"nonlinearity": ("tanh", "relu", "sigmoid"), "gate": ("sigmoid", "tanh")}
"""``nonlinearity``: f; ``gate``: g."""

GATES = {
    "reading (r)": "1: the past is read in full, 0: not at all",
}


class DoublyRecurrentCell(nn.Module):
    """A cell with state y and h; torch has a fused kernel for h with tanh and relu."""

    hidden_index, n_zoneout_states = 1, 1  # y is not carried

    def __init__(self, hidden_size: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.state_sizes = (hidden_size, hidden_size)
        self.f, self.g = (TORCH_ACTIVATIONS[options[name]] for name in ("nonlinearity", "gate"))
        self.has_fused_kernel = options["nonlinearity"] != "sigmoid"
        fused = options["nonlinearity"] if self.has_fused_kernel else "tanh"
        self.net = nn.RNN(
            hidden_size, hidden_size, nonlinearity=fused, batch_first=True
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
        """The terms of h, r and h' that depend on x alone."""
        W, _, b, _ = rnn_weights(self.net)
        return torch.cat([linear(x, W, b), self.input_projection(x)], -1)

    def output(self, projected: Tensor, previous: Tensor, current: Tensor) -> Tensor:
        """y, from the projections of x for r and h', `[..., 2 K]`, and h before and after the
        step."""
        r, reading = (projected + self.recurrent_projection(previous)).chunk(2, -1)
        reading = self.f(reading + self.past_projection(self.g(r)) * previous)
        out: Tensor = self.g(
            self.output_projection(torch.cat([reading, current.to(reading.dtype)], -1))
        )
        return out

    def gates(self, projected: Tensor, state: CellState, hidden: Tensor) -> dict[str, Tensor]:
        """Activations of r if g is sigmoid, else none."""
        width = hidden.shape[-1]
        r, _ = (projected[:, width:] + self.recurrent_projection(hidden)).chunk(2, -1)
        return {"reading (r)": torch.sigmoid(r)} if self.g is torch.sigmoid else {}

    def step(self, projected: Tensor, state: CellState, hidden: Tensor) -> CellState:
        """The next state, y and h."""
        _, U, _, c = rnn_weights(self.net)
        width = hidden.shape[-1]
        now = self.f(projected[:, :width] + linear(hidden, U, c)).to(state[1].dtype)
        return self.output(projected[:, width:], hidden, now), now

    def forward_fused(self, x: Tensor, state: CellState) -> tuple[Tensor, CellState]:
        """Outputs `[B, G, K]` of all steps, and the last state."""
        states, last = self.net(x, state[1].unsqueeze(0))
        before = torch.cat([state[1].unsqueeze(1).to(states.dtype), states[:, :-1]], 1)
        out = self.output(self.input_projection(x), before, states)
        return out, (out[:, -1], last[0])


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> CellLayer:
    """A new layer of width K, the same at every depth."""
    return CellLayer(DoublyRecurrentCell(hidden_size, options), noise)


def reference_step(
    weights: Weights, x: Array, gaps: Array, state: list[Array], options: Mapping[str, Any]
) -> list[Array]:
    """The equations above in NumPy; see `BackboneModule`."""
    f, g = ACTIVATIONS[options["nonlinearity"]], ACTIVATIONS[options["gate"]]
    (W_xh,), (W_hh,), (b,), (c,) = split_rnn_weights(weights, 1)
    W_xr, W_x2 = np.split(weights["input_projection.weight"], 2)
    b_r, b_2 = np.split(weights["input_projection.bias"], 2)
    W_rr, W_h2 = np.split(weights["recurrent_projection.weight"], 2)
    W_o2, W_oh = np.split(weights["output_projection.weight"], 2, -1)
    h = state[1]
    new = f(h @ W_hh.T + x @ W_xh.T + b + c)
    r = g(h @ W_rr.T + x @ W_xr.T + b_r)
    past = (r @ weights["past_projection.weight"].T) * h
    reading = f(h @ W_h2.T + x @ W_x2.T + past + b_2)
    return [g(reading @ W_o2.T + new @ W_oh.T + weights["output_projection.bias"]), new]
