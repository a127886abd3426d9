"""Minimal GRU: one gate that reads the input alone, so all steps are computed at once.

    z_t = sigmoid(W_z x_t + b_z)
    n_t = g(W_n x_t + b_n),   g(a) = a + 0.5 for a >= 0, else sigmoid(a)
    h_t = (1 - z_t) * h_{t-1} + z_t * n_t

z and n do not depend on h_{t-1}, so this is a linear recurrence, solved by a parallel scan. g is
positive, so the scan works with logarithms and outputs are positive.

Feng et al. 2024, arXiv:2410.01201, with the log-space form of its appendix B.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, relu

from rnnforecast.models.base import Noise, State
from rnnforecast.models.layers.parallel_scan import parallel_scan
from rnnforecast.models.reference import Array, Weights, sigmoid

TRAITS = ()

GATES = {
    "keep (1 − z)": "1: the old state stays, 0: it is replaced",
}


def log_candidate(a: Tensor) -> Tensor:
    """log g(a); relu keeps the logarithm finite where `torch.where` takes the other branch."""
    return torch.where(a >= 0, torch.log(relu(a) + 0.5), logsigmoid(a))


class MinGruLayer(nn.Module):
    """A minimal GRU layer; its state is h, `[1, B, K]`."""

    n_state_tensors = 1

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.input_projection = nn.Linear(hidden_size, 2 * hidden_size)  # z, n

    def recurrent_weights(self) -> list[Tensor]:
        """An empty list: no weight multiplies the state."""
        return []

    def forward(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """`[B, G, K]` → `[B, G, K]` and the state after the last step."""
        z, n = self.input_projection(x).chunk(2, -1)
        start = x.new_zeros(x.shape[0], x.shape[-1]) if state is None else state[0][0]
        out = parallel_scan(logsigmoid(-z), logsigmoid(z) + log_candidate(n), start)
        return out, (out[:, -1].unsqueeze(0),)

    def gates(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Activations of 1 - z."""
        z, _ = self.input_projection(x).chunk(2, -1)
        return {"keep (1 − z)": torch.sigmoid(-z)}


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> MinGruLayer:
    """A new layer of width K, the same at every depth."""
    return MinGruLayer(hidden_size)


def reference_step(
    weights: Weights, x: Array, gaps: Array, state: list[Array], options: Mapping[str, Any]
) -> list[Array]:
    """The equations above in NumPy; see `BackboneModule`."""
    z, n = np.split(
        x @ weights["input_projection.weight"].T + weights["input_projection.bias"], 2, -1
    )
    z, n = sigmoid(z), np.where(n >= 0, n + 0.5, sigmoid(n))
    return [(1 - z) * state[0] + z * n]
