"""Interface of backbones.

A file in `backbones/` defines one recurrent *layer*, which maps `[B, G, K]` to `[B, G, K]` and
returns its state, a tuple of tensors with the batch on axis 1. Called with that state, the layer
continues exactly where it stopped. `RecurrentStack` stacks layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from rnnforecast.models.reference import Array, Weights

State = tuple[Tensor, ...]
"""Tensors `[n, B, X]`; n is 1, or the number of steps that a layer stores."""


@dataclass(frozen=True)
class Noise:
    """Regularization of the recurrence in training, and the kind of initial state."""

    dropout: float = 0.0
    """Fraction of recurrent inputs set to zero, the same ones at all steps of a window."""
    zoneout: float = 0.0
    """Fraction of units that keep their old value, drawn anew at each step."""
    learned_initial_state: bool = False
    """Whether the initial state is trained; else it is zero."""


NO_NOISE = Noise()


class RecurrentLayer(Protocol):
    """A recurrent layer.

    An optional method `gates` takes the same arguments as a call and returns gate activations by
    name, `[B, G, K]` each, from 0 (closed) to 1 (open).
    """

    n_state_tensors: int
    """The number of tensors in its state."""

    def recurrent_weights(self) -> list[Tensor]:
        """The weights that multiply the state, `[n * K, K]` each."""
        ...

    def __call__(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """`[B, G, K]` and an optional state → `[B, G, K]` and the state after the last step.

        `gaps [B, G, D]` is the time since the last observation at each cell of a patch, in patches;
        only layers with the trait ``gaps`` read it.
        """
        ...


class BackboneModule(Protocol):
    """A file in `backbones/`; its docstring states the equations of the layer.

    | trait | meaning |
    | --- | --- |
    | ``noise`` | it is recurrent from step to step, so dropout and zoneout apply |
    | ``bidirectional`` | it may also read the lookback backwards |
    | ``gaps`` | it reads the time since the last observation |

    | optional literal | meaning |
    | --- | --- |
    | ``OPTIONS`` | ``model.backbone_options``, see `rnnforecast.registry` |
    | ``DEFAULTS`` | automatic ``layers`` with their reason, and ``residual`` |
    | ``GATES`` | captions of its gates; gates named keep, update or forget retain the state at 1 |
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
        """A new layer of width K at `depth`, 0 at the bottom; `gap_size` is D, 0 without gaps."""
        ...

    def reference_step(
        self,
        weights: Weights,
        x: Array,
        gaps: Array,
        state: list[Array],
        options: Mapping[str, Any],
    ) -> list[Array]:
        """One step of the equations in NumPy, which tests compare the layer with; optional.

        `x [B, K]`, `gaps [B, D]` and the state before the step → the state after it, the output
        first.
        """
        ...
