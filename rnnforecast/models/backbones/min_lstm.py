"""Minimal LSTM: normalized gates that read the input alone, so all steps are computed at once.

    f_t, i_t = sigmoid(W x_t + b)              each with its own W and b
    f'_t     = f_t / (f_t + i_t)
    i'_t     = i_t / (f_t + i_t)
    n_t      = g(W_n x_t + b_n),   g(a) = a + 0.5 for a >= 0, else sigmoid(a)
    h_t      = f'_t * h_{t-1} + i'_t * n_t

The two gates add up to 1, so the size of the state does not depend on the sequence length. With
d = log f - log i, f' = sigmoid(d) and i' = sigmoid(-d). See `min_gru` for the scan and for g.

Feng et al. 2024, arXiv:2410.01201, with the log-space form of its appendix B.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from rnnforecast.models.backbones.min_gru import log_candidate
from rnnforecast.models.base import Noise, State
from rnnforecast.models.layers.parallel_scan import parallel_scan
from rnnforecast.models.reference import Array, Weights, sigmoid

TRAITS = ()

GATES = {
    "keep (f′)": "1: the old state stays, 0: it is replaced",
}


class MinLstmLayer(nn.Module):
    """A minimal LSTM layer; its state is h, `[1, B, K]`."""

    n_state_tensors = 1

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.input_projection = nn.Linear(hidden_size, 3 * hidden_size)  # f, i, n

    def recurrent_weights(self) -> list[Tensor]:
        """An empty list: no weight multiplies the state."""
        return []

    def forward(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """`[B, G, K]` → `[B, G, K]` and the state after the last step."""
        f, i, n = self.input_projection(x).chunk(3, -1)
        d = logsigmoid(f) - logsigmoid(i)
        start = x.new_zeros(x.shape[0], x.shape[-1]) if state is None else state[0][0]
        out = parallel_scan(logsigmoid(d), logsigmoid(-d) + log_candidate(n), start)
        return out, (out[:, -1].unsqueeze(0),)

    def gates(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Activations of f'."""
        f, i, _ = self.input_projection(x).chunk(3, -1)
        return {"keep (f′)": torch.sigmoid(logsigmoid(f) - logsigmoid(i))}


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> MinLstmLayer:
    """A new layer of width K, the same at every depth."""
    return MinLstmLayer(hidden_size)


def reference_step(
    weights: Weights, x: Array, gaps: Array, state: list[Array], options: Mapping[str, Any]
) -> list[Array]:
    """The equations above in NumPy; see `BackboneModule`."""
    f, i, n = np.split(
        x @ weights["input_projection.weight"].T + weights["input_projection.bias"], 3, -1
    )
    f, i, n = sigmoid(f), sigmoid(i), np.where(n >= 0, n + 0.5, sigmoid(n))
    return [f / (f + i) * state[0] + i / (f + i) * n]
