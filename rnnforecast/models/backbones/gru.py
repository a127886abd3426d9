"""Gated recurrent unit: two gates, one state; the default.

    r_t = sigmoid(W_r x_t + b_r + U_r h_{t-1} + c_r)
    z_t = sigmoid(W_z x_t + b_z + U_z h_{t-1} + c_z)
    n_t = tanh(W_n x_t + b_n + r_t * (U_n h_{t-1} + c_n))       reset: after
    n_t = tanh(W_n x_t + b_n + U_n (r_t * h_{t-1}) + c_n)       reset: before
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}

Cho et al. 2014, arXiv:1406.1078, apply the reset gate before the product; cuDNN applies it after,
in one kernel for all steps.
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

OPTIONS = {"reset": ("after", "before")}
"""``reset``: whether the reset gate acts after the recurrent product, or before it."""

GATES = {
    "reset (r)": "1: the candidate reads all of the old state, 0: none of it",
    "update (z)": "1: the old state stays, 0: it is replaced",
}


class GruCell(nn.Module):
    """A GRU cell; torch has a fused kernel for a reset gate after the product."""

    n_zoneout_states = 1

    def __init__(self, hidden_size: int, *, reset: str) -> None:
        super().__init__()
        self.net = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.state_sizes, self.reset_after = (hidden_size,), reset == "after"
        self.has_fused_kernel = self.reset_after

    def recurrent_weights(self) -> list[Tensor]:
        """U_r, U_z and U_n."""
        return [rnn_weights(self.net)[1]]

    def project(self, x: Tensor, gaps: Tensor | None) -> Tensor:
        """W x + b of the gates r, z and n."""
        W, _, b, _ = rnn_weights(self.net)
        return linear(x, W, b)

    def step(self, projected: Tensor, state: CellState, hidden: Tensor) -> CellState:
        """The next state, h."""
        _, U, _, c = rnn_weights(self.net)
        both = 2 * hidden.shape[-1]  # rows of the two gates
        gates = torch.sigmoid(projected[:, :both] + linear(hidden, U[:both], c[:both]))
        r, z = gates.chunk(2, -1)
        if self.reset_after:
            recurrent = r * linear(hidden, U[both:], c[both:])
        else:
            recurrent = linear(r * hidden, U[both:], c[both:])
        new = torch.tanh(projected[:, both:] + recurrent)
        return (new + z * (state[0] - new),)

    def gates(self, projected: Tensor, state: CellState, hidden: Tensor) -> dict[str, Tensor]:
        """Activations of r and z."""
        _, U, _, c = rnn_weights(self.net)
        both = 2 * hidden.shape[-1]
        r, z = torch.sigmoid(projected[:, :both] + linear(hidden, U[:both], c[:both])).chunk(2, -1)
        return {"reset (r)": r, "update (z)": z}

    def forward_fused(self, x: Tensor, state: CellState) -> tuple[Tensor, CellState]:
        """Outputs `[B, G, K]` of all steps, and the last state."""
        out, hidden = self.net(x, state[0].unsqueeze(0))
        return out, (hidden[0],)


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> CellLayer:
    """A new layer of width K, the same at every depth."""
    return CellLayer(GruCell(hidden_size, reset=options["reset"]), noise)


def reference_step(
    weights: Weights, x: Array, gaps: Array, state: list[Array], options: Mapping[str, Any]
) -> list[Array]:
    """The equations above in NumPy; see `BackboneModule`."""
    (W_r, W_z, W_n), (U_r, U_z, U_n), (b_r, b_z, b_n), (c_r, c_z, c_n) = split_rnn_weights(
        weights, 3
    )
    (h,) = state
    r = sigmoid(x @ W_r.T + b_r + h @ U_r.T + c_r)
    z = sigmoid(x @ W_z.T + b_z + h @ U_z.T + c_z)
    before = options["reset"] == "before"
    past = (r * h) @ U_n.T + c_n if before else r * (h @ U_n.T + c_n)
    n = np.tanh(x @ W_n.T + b_n + past)
    return [(1 - z) * n + z * h]
