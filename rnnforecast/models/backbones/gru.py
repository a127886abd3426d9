"""Gated recurrent unit: two gates, one state; the default.

    r_t = sigmoid(W_r x_t + b_r + U_r h_{t-1} + c_r)
    z_t = sigmoid(W_z x_t + b_z + U_z h_{t-1} + c_z)
    n_t = tanh(W_n x_t + b_n + r_t * (U_n h_{t-1} + c_n))       reset: after
    n_t = tanh(W_n x_t + b_n + U_n (r_t * h_{t-1}) + c_n)       reset: before
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}

Cho et al. 2014, arXiv:1406.1078, has the reset gate before the product; after it is how cuDNN
computes it, in one kernel for all steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rnnforecast.models.base import Noise
from rnnforecast.models.layers.cell_layer import CellLayer, CellState, rnn_weights

TRAITS = ("noise", "bidirectional")

OPTIONS = {"reset": ("after", "before")}
"""``reset``: whether the reset gate acts after the recurrent product, or before it."""


class GruCell(nn.Module):
    """One step, and all of them by torch's own kernels where the reset gate comes after."""

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
        """h."""
        _, U, _, c = rnn_weights(self.net)
        width = hidden.shape[-1]
        both = 2 * width  # rows of the two gates
        gates = torch.sigmoid(projected[:, :both] + linear(hidden, U[:both], c[:both]))
        r, z = gates.chunk(2, -1)
        if self.reset_after:
            fresh = r * linear(hidden, U[both:], c[both:])
        else:
            fresh = linear(r * hidden, U[both:], c[both:])
        new = torch.tanh(projected[:, both:] + fresh)
        return (new + z * (state[0] - new),)

    def gates(self, projected: Tensor, state: CellState, hidden: Tensor) -> dict[str, Tensor]:
        """r and z."""
        _, U, _, c = rnn_weights(self.net)
        both = 2 * hidden.shape[-1]
        r, z = torch.sigmoid(projected[:, :both] + linear(hidden, U[:both], c[:both])).chunk(2, -1)
        return {"reset (r)": r, "keep (z)": z}

    def forward_fused(self, x: Tensor, state: CellState) -> tuple[Tensor, CellState]:
        """All steps, `[B, G, K]`."""
        out, hidden = self.net(x, state[0].unsqueeze(0))
        return out, (hidden[0],)


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> CellLayer:
    """A fresh layer of width `width`; all depths are alike."""
    return CellLayer(GruCell(hidden_size, reset=options["reset"]), noise)
