"""What every backbone must offer; one test runs it on every file in `backbones/`.

A backbone maps `[B, G, K]` to `[B, G, K]` and returns its state, a tuple of tensors
`[layers, B, K]`. Run from a carried state it continues exactly where it stopped.
"""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn

State = tuple[Tensor, ...]
"""Tensors `[layers, B, K]`; one for the simple nets, hidden and cell for the LSTM."""


class Backbone(Protocol):
    """The call every backbone answers."""

    def __call__(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """`[B, G, K]`, state or none → `[B, G, K]`, state after the last step."""
        ...


class BackboneFile(Protocol):
    """What a file in `backbones/` defines: frozen options and a builder."""

    Options: type[Any]

    def build(self, hidden_size: int, layers: int, dropout: float, options: Any) -> nn.Module:
        """A fresh net."""
        ...
