"""Recurrent layers that run a cell over all steps, with recurrent dropout and zoneout.

dropout   U h_{t-1} reads h_{t-1} * m / (1 - p), one mask m for all steps of a window
          (Gal & Ghahramani 2016, arXiv:1512.05287)
zoneout   s_t = m_t * s_{t-1} + (1 - m_t) * s'_t, s' the new state; a new mask m at each step,
          its mean in evaluation
          (Krueger et al. 2017, arXiv:1606.01305)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from rnnforecast.models.base import NO_NOISE, Noise, State

TORCH_ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}

CellState = tuple[Tensor, ...]
"""Tensors `[B, X]`; the first is the output."""


class RecurrentCell(Protocol):
    """One step of a recurrent layer, and its projections for all steps at once."""

    state_sizes: tuple[int, ...]
    """Widths X of the state tensors; the first is K."""
    n_zoneout_states: int
    """Number of state tensors, from `hidden_index` on, that zoneout and a learned initial state
    apply to."""
    has_fused_kernel: bool
    """Whether it has `forward_fused(x [B, G, K], state) -> (out [B, G, K], state)`, one kernel for
    all steps.

    Optional members: `hidden_index`, the index of the state tensor that the recurrent products
    read, by default 0; `gates(projected, state, hidden)`, the gate activations of a step by name,
    `[B, K]` from 0 to 1.
    """

    def recurrent_weights(self) -> list[Tensor]:
        """The weights that multiply the state, `[n * K, K]` each."""
        ...

    def project(self, x: Tensor, gaps: Tensor | None) -> Tensor:
        """Terms that do not depend on the state, for all steps: `[B, G, K]` → `[B, G, M]`."""
        ...

    def step(self, projected: Tensor, state: CellState, hidden: Tensor) -> CellState:
        """`[B, M]` and state → next state; `hidden [B, K]` is the state with recurrent dropout,
        which the recurrent products read."""
        ...


class CellLayer(nn.Module):
    """A layer of one cell; it uses the cell's fused kernel unless dropout or zoneout applies."""

    def __init__(self, cell: nn.Module & RecurrentCell, noise: Noise = NO_NOISE) -> None:  # type: ignore[valid-type]
        super().__init__()
        self.cell, self.noise = cell, noise
        self.n_state_tensors = len(cell.state_sizes)
        self.hidden_index: int = getattr(cell, "hidden_index", 0)
        self.zoneout_states = range(self.hidden_index, self.hidden_index + cell.n_zoneout_states)
        self.learned_initial_state = nn.ParameterList(
            torch.zeros(cell.state_sizes[part])
            for part in self.zoneout_states
            if noise.learned_initial_state
        )

    def recurrent_weights(self) -> list[Tensor]:
        """The cell's recurrent weights."""
        weights: list[Tensor] = self.cell.recurrent_weights()
        return weights

    def initial_state(self, x: Tensor) -> CellState:
        """Initial state `[B, X]` for `x [B, G, K]`."""
        state = [x.new_zeros(x.shape[0], width) for width in self.cell.state_sizes]
        for part, initial in zip(self.zoneout_states, self.learned_initial_state, strict=False):
            state[part] = initial.to(x.dtype).expand(x.shape[0], -1)
        return tuple(state)

    def forward(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """`[B, G, K]` → `[B, G, K]` and the state `([1, B, X], ...)`."""
        current = self.initial_state(x) if state is None else tuple(part[0] for part in state)
        has_dropout = self.training and self.noise.dropout > 0
        if self.cell.has_fused_kernel and not has_dropout and not self.noise.zoneout:
            out, current = self.cell.forward_fused(x, current)
        else:
            out, current = self._run_steps(x, current, gaps)
        return out, tuple(part.unsqueeze(0) for part in current)

    def _run_steps(
        self, x: Tensor, state: CellState, gaps: Tensor | None
    ) -> tuple[Tensor, CellState]:
        mask = None
        if self.training and self.noise.dropout:
            kept = 1 - self.noise.dropout
            mask = torch.empty_like(state[self.hidden_index]).bernoulli_(kept) / kept
        outs = []
        for projected in self.cell.project(x, gaps).unbind(1):
            hidden = state[self.hidden_index] if mask is None else state[self.hidden_index] * mask
            new = self.cell.step(projected, state, hidden)
            state = self._apply_zoneout(state, new) if self.noise.zoneout else new
            outs.append(state[0])
        return torch.stack(outs, 1), state

    def gates(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Gate activations by name, `[B, G, K]` each; empty for a cell without gates."""
        if not hasattr(self.cell, "gates"):
            return {}
        current = self.initial_state(x) if state is None else tuple(part[0] for part in state)
        gates: dict[str, list[Tensor]] = {}
        for projected in self.cell.project(x, gaps).unbind(1):
            hidden = current[self.hidden_index]
            for name, gate in self.cell.gates(projected, current, hidden).items():
                gates.setdefault(name, []).append(gate)
            new = self.cell.step(projected, current, hidden)
            current = self._apply_zoneout(current, new) if self.noise.zoneout else new
        return {name: torch.stack(steps, 1) for name, steps in gates.items()}

    def _apply_zoneout(self, old: CellState, new: CellState) -> CellState:
        parts = list(new)
        for part in self.zoneout_states:
            kept = torch.full_like(old[part], self.noise.zoneout)
            kept = torch.bernoulli(kept) if self.training else kept
            parts[part] = new[part] + kept * (old[part] - new[part])
        return tuple(parts)


def init_orthogonal(weights: Sequence[Tensor]) -> None:
    """Initializes every square block `[K, K]` of recurrent weights `[n * K, K]` as an orthogonal
    matrix (Saxe et al. 2014, arXiv:1312.6120)."""
    for weight in weights:
        for block in torch.split(weight, weight.shape[-1], -2):
            nn.init.orthogonal_(block)


def rnn_weights(net: nn.RNNBase) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """W, U, b and c of a one-layer torch RNN: input and recurrent weights, and their biases."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    W, U, b, c = (cast("Tensor", getattr(net, name)) for name in names)
    return W, U, b, c
