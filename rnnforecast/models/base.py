"""What every backbone must offer; one test runs it on every file in `backbones/`.

A file in `backbones/` defines one recurrent *layer*, which maps `[B, G, K]` to `[B, G, K]` and
returns its state, a tuple of tensors with the batch on axis 1. Run from a carried state it
continues exactly where it stopped. `stack` puts layers on top of each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

State = tuple[Tensor, ...]
"""Tensors `[n, B, X]`; n is 1 for most, the number of steps kept where a layer keeps several."""


@dataclass(frozen=True)
class Noise:
    """What is disturbed on the recurrence in training, and how a layer starts."""

    dropout: float = 0.0
    """Share of the recurrent inputs set to zero, the same ones at all steps of a window."""
    zoneout: float = 0.0
    """Share of the units that keep their old value, anew at each step."""
    learned_initial_state: bool = False
    """Whether the state before the first step is learnt; else it is zero."""


NO_NOISE = Noise()


class RecurrentLayer(Protocol):
    """The call every layer answers. It may also have `gates`, called alike, for those who look into
    it: by name, `[B, G, K]` each, from 0, closed, to 1, open."""

    n_state_tensors: int
    """The number of tensors in its state."""

    def recurrent_weights(self) -> list[Tensor]:
        """The weights that the state is multiplied with, `[n * K, K]` each, if there are any."""
        ...

    def __call__(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """`[B, G, K]`, state or none → `[B, G, K]`, state after the last step.

        `gaps [B, G, D]` is the time since the last observation, in segments; only layers with the
        trait ``gaps`` read it.
        """
        ...


class BackboneModule(Protocol):
    """What a file in `backbones/` defines: traits, options and a builder.

    `TRAITS`, a literal tuple, says what the layer can do:

    | trait | meaning |
    | --- | --- |
    | ``noise`` | it steps from state to state, so dropout and zoneout may act on the recurrence |
    | ``bidirectional`` | it may also read the lookback backwards |
    | ``gaps`` | it reads the time since the last observation |
    """

    TRAITS: tuple[str, ...]

    def build(
        self,
        hidden_size: int,
        options: Mapping[str, Any],
        *,
        depth: int,
        noise: Noise,
        gap_size: int,
    ) -> nn.Module:
        """A fresh layer of `width` K, the `depth`-th from below (0-based).

        `gaps` is D, the number of gaps a segment has.
        """
        ...
