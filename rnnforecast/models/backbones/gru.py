"""Gated recurrent unit: two gates, one state; the default.

    r_t = sigmoid(W_r x_t + U_r h_{t-1} + b_r)
    z_t = sigmoid(W_z x_t + U_z h_{t-1} + b_z)
    n_t = tanh(W_n x_t + b_n + r_t * (U_n h_{t-1} + c_n))
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}

Cho et al. 2014, arXiv:1406.1078, with the reset gate after the product, as cuDNN computes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from rnnforecast.models.contract import State


@dataclass(frozen=True)
class Options:
    """The GRU has no options of its own."""


class Gru(nn.Module):
    """`[B, G, K]` → `[B, G, K]` and the state `([layers, B, K],)`."""

    def __init__(self, hidden_size: int, layers: int, dropout: float) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.net = nn.GRU(hidden_size, hidden_size, layers, batch_first=True, dropout=between)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Runs over all G steps, from zeros where no state is given."""
        out, hidden = self.net(x, None if state is None else state[0])
        return out, (hidden,)


def build(hidden_size: int, layers: int, dropout: float, options: Options) -> Gru:
    """A fresh GRU of width `hidden_size`."""
    return Gru(hidden_size, layers, dropout)
