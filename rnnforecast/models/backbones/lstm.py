"""Long short-term memory: three gates and a cell that carries over long gaps.

    i, f, o = sigmoid(W x_t + U h_{t-1} + b)   one set of weights each
    g       = tanh(W_g x_t + U_g h_{t-1} + b_g)
    c_t     = f * c_{t-1} + i * g
    h_t     = o * tanh(c_t)

Hochreiter & Schmidhuber 1997; forget gate by Gers et al. 2000, its bias started at 1 so that the
cell remembers before it learns to forget (Jozefowicz et al. 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnnforecast.models.contract import State


@dataclass(frozen=True)
class Options:
    """`forget_bias`: where the forget gate's bias starts."""

    forget_bias: float = 1.0


class Lstm(nn.Module):
    """`[B, G, K]` → `[B, G, K]` and the state `([layers, B, K], [layers, B, K])` (hidden, cell)."""

    def __init__(
        self, hidden_size: int, layers: int, dropout: float, *, forget_bias: float
    ) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.net = nn.LSTM(hidden_size, hidden_size, layers, batch_first=True, dropout=between)
        with torch.no_grad():
            for layer in range(layers):
                # torch adds two biases and orders the gates i, f, g, o: the second quarter forgets
                for name, bias in (("ih", forget_bias), ("hh", 0.0)):
                    gates = getattr(self.net, f"bias_{name}_l{layer}")
                    gates[hidden_size : 2 * hidden_size] = bias

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Runs over all G steps, from zeros where no state is given."""
        out, (hidden, cell) = self.net(x, None if state is None else (state[0], state[1]))
        return out, (hidden, cell)


def build(hidden_size: int, layers: int, dropout: float, options: Options) -> Lstm:
    """A fresh LSTM of width `hidden_size`."""
    return Lstm(hidden_size, layers, dropout, forget_bias=options.forget_bias)
