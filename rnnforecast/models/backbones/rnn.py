"""Simple recurrent network: one state, no gates; fast, with a short memory.

    h_t = f(W x_t + U h_{t-1} + b),  f = tanh, relu or sigmoid

Elman 1990.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

OPTIONS = {"nonlinearity": ("tanh", "relu", "sigmoid")}
"""``nonlinearity``: f."""


class RnnCell(nn.Module):
    """An Elman cell; torch has a fused kernel for tanh and relu."""

    n_zoneout_states = 1

    def __init__(self, hidden_size: int, nonlinearity: str) -> None:
        super().__init__()
        fused = "tanh" if nonlinearity == "sigmoid" else nonlinearity  # torch has no sigmoid
        self.net = nn.RNN(hidden_size, hidden_size, nonlinearity=fused, batch_first=True)
        self.state_sizes, self.activation = (hidden_size,), TORCH_ACTIVATIONS[nonlinearity]
        self.has_fused_kernel = fused == nonlinearity

    def recurrent_weights(self) -> list[Tensor]:
        """U."""
        return [rnn_weights(self.net)[1]]

    def project(self, x: Tensor, gaps: Tensor | None) -> Tensor:
        """W x + b."""
        W, _, b, _ = rnn_weights(self.net)
        return linear(x, W, b)

    def step(self, projected: Tensor, state: CellState, hidden: Tensor) -> CellState:
        """The next state, h."""
        _, U, _, c = rnn_weights(self.net)
        return (self.activation(projected + linear(hidden, U, c)),)

    def forward_fused(self, x: Tensor, state: CellState) -> tuple[Tensor, CellState]:
        """Outputs `[B, G, K]` of all steps, and the last state."""
        out, hidden = self.net(x, state[0].unsqueeze(0))
        return out, (hidden[0],)


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> CellLayer:
    """A new layer of width K, the same at every depth."""
    return CellLayer(RnnCell(hidden_size, options["nonlinearity"]), noise)


def reference_step(
    weights: Weights, x: Array, gaps: Array, state: list[Array], options: Mapping[str, Any]
) -> list[Array]:
    """The equations above in NumPy; see `BackboneModule`."""
    (W,), (U,), (b,), (c,) = split_rnn_weights(weights, 1)
    return [ACTIVATIONS[options["nonlinearity"]](x @ W.T + state[0] @ U.T + b + c)]
