"""Simple recurrent net: one state, no gate; quick, with a short memory.

    h_t = f(W x_t + U h_{t-1} + b),  f = tanh or relu

Elman 1990.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from rnnforecast.models.contract import State


@dataclass(frozen=True)
class Options:
    """`nonlinearity`: tanh, or relu."""

    nonlinearity: str = "tanh"

    def __post_init__(self) -> None:
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity: expected tanh or relu, found {self.nonlinearity!r}")


class Rnn(nn.Module):
    """`[B, G, K]` → `[B, G, K]` and the state `([layers, B, K],)`."""

    def __init__(self, hidden_size: int, layers: int, dropout: float, *, nonlinearity: str) -> None:
        super().__init__()
        self.net = nn.RNN(
            hidden_size,
            hidden_size,
            layers,
            nonlinearity=nonlinearity,
            batch_first=True,
            dropout=dropout if layers > 1 else 0.0,
        )

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Runs over all G steps, from zeros where no state is given."""
        out, hidden = self.net(x, None if state is None else state[0])
        return out, (hidden,)


def build(hidden_size: int, layers: int, dropout: float, options: Options) -> Rnn:
    """A fresh simple recurrent net of width `hidden_size`."""
    return Rnn(hidden_size, layers, dropout, nonlinearity=options.nonlinearity)
