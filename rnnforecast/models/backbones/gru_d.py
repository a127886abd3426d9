"""GRU-D: a GRU whose state decays with the time since the last observation; for many gaps.

    g_t = exp(-max(0, W_g d_t + b_g))      the decay of each unit
    s_t = g_t * h_{t-1}
    r_t = sigmoid(W_r x_t + b_r + U_r s_t + c_r)
    z_t = sigmoid(W_z x_t + b_z + U_z s_t + c_z)
    n_t = tanh(W_n x_t + b_n + r_t * (U_n s_t + c_n))
    h_t = (1 - z_t) * n_t + z_t * s_t

d_t [D] is the time since the last observation at each step of the patch, in patches: zero at an
observation (the paper counts from the step before), and zero if the inputs have no `elapsed`.

Che et al. 2018, "Recurrent neural networks for multivariate time series with missing values",
arXiv:1606.01865; its input decay is `InputDecay`.
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
from rnnforecast.models.reference import Array, Weights, relu, sigmoid, split_rnn_weights

TRAITS = ("gaps", "noise")

GATES = {
    "reset (r)": "1: the candidate reads all of the old state, 0: none of it",
    "update (z)": "1: the old state stays, 0: it is replaced",
    "decay (g)": "1: the old state is kept, 0: it has decayed",
}


class GruDCell(nn.Module):
    """A GRU cell whose state decays before each step; torch has no fused kernel for it."""

    n_zoneout_states, has_fused_kernel = 1, False

    def __init__(self, hidden_size: int, *, gap_size: int) -> None:
        super().__init__()
        self.net = nn.GRU(hidden_size, hidden_size, batch_first=True)
        self.state_sizes = (hidden_size,)
        self.decay_weight = nn.Parameter(torch.empty(hidden_size, gap_size)) if gap_size else None
        self.decay_bias = nn.Parameter(torch.zeros(hidden_size)) if gap_size else None
        if self.decay_weight is not None:
            # positive, as max(0, .) has no gradient at or below 0; small, so that most of the
            # state remains after a gap of one patch; random, so that units differ
            nn.init.uniform_(self.decay_weight, 0.01 / gap_size, 0.2 / gap_size)

    def recurrent_weights(self) -> list[Tensor]:
        """U_r, U_z and U_n."""
        return [rnn_weights(self.net)[1]]

    def project(self, x: Tensor, gaps: Tensor | None) -> Tensor:
        """W x + b of the gates r, z and n, then g: `[B, G, K]` and `[B, G, D]` → `[B, G, 4K]`."""
        W, _, b, _ = rnn_weights(self.net)
        products = linear(x, W, b)
        return torch.cat([products, self.decay(x, gaps).to(products.dtype)], -1)

    def decay(self, x: Tensor, gaps: Tensor | None) -> Tensor:
        """The decay g of each unit at all steps, `[B, G, K]`."""
        if self.decay_weight is None or self.decay_bias is None:
            return torch.ones_like(x)
        gaps = (
            x.new_zeros(*x.shape[:2], self.decay_weight.shape[1])
            if gaps is None
            else gaps.to(x.dtype)
        )
        return torch.exp(-torch.relu(linear(gaps, self.decay_weight, self.decay_bias)))

    def step(self, projected: Tensor, state: CellState, hidden: Tensor) -> CellState:
        """The next state, h."""
        _, U, _, c = rnn_weights(self.net)
        x_r, x_z, x_n, decay = projected.chunk(4, -1)
        u_r, u_z, u_n = linear(hidden * decay, U, c).chunk(3, -1)
        r, z = torch.sigmoid(x_r + u_r), torch.sigmoid(x_z + u_z)
        new = torch.tanh(x_n + r * u_n)
        # not torch.lerp: under autocast `new` may be bfloat16 while the state is float32
        return (new + z * (state[0] * decay - new),)

    def gates(self, projected: Tensor, state: CellState, hidden: Tensor) -> dict[str, Tensor]:
        """Activations of r, z and g."""
        _, U, _, c = rnn_weights(self.net)
        x_r, x_z, _, decay = projected.chunk(4, -1)
        u_r, u_z, _ = linear(hidden * decay, U, c).chunk(3, -1)
        r, z = torch.sigmoid(x_r + u_r), torch.sigmoid(x_z + u_z)
        return {"reset (r)": r, "update (z)": z, "decay (g)": decay}


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> CellLayer:
    """A new layer of width K; every depth reads the same gaps."""
    return CellLayer(GruDCell(hidden_size, gap_size=gap_size), noise)


def reference_step(
    weights: Weights, x: Array, gaps: Array, state: list[Array], options: Mapping[str, Any]
) -> list[Array]:
    """The equations above in NumPy; see `BackboneModule`."""
    (W_r, W_z, W_n), (U_r, U_z, U_n), (b_r, b_z, b_n), (c_r, c_z, c_n) = split_rnn_weights(
        weights, 3
    )
    s = np.exp(-relu(gaps @ weights["decay_weight"].T + weights["decay_bias"])) * state[0]
    r = sigmoid(x @ W_r.T + b_r + s @ U_r.T + c_r)
    z = sigmoid(x @ W_z.T + b_z + s @ U_z.T + c_z)
    n = np.tanh(x @ W_n.T + b_n + r * (s @ U_n.T + c_n))
    return [(1 - z) * n + z * s]
