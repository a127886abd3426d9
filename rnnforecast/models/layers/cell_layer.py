"""Runs a cell step by step, with noise on the recurrence where training asks for it.

dropout   U h_{t-1} reads h_{t-1} * m / (1 - p), one mask m for all steps of a window
          (Gal & Ghahramani 2016, arXiv:1512.05287)
zoneout   s_t = m_t * s_{t-1} + (1 - m_t) * s_t, a fresh mask a step; in use, its mean
          (Krueger et al. 2017, arXiv:1606.01305)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from rnnforecast.models.base import NO_NOISE, Noise, State

CellState = tuple[Tensor, ...]
"""Tensors `[B, X]`; the first is the output."""


class RecurrentCell(Protocol):
    """One step of a recurrent layer, and what of it can be done for all steps at once."""

    state_sizes: tuple[int, ...]
    """The widths X of the state's parts; the first is K."""
    n_zoneout_states: int
    """How many parts, from the carried one on, zoneout may change and a learnt start may set."""
    has_fused_kernel: bool
    """Whether it also has `forward_fused(x [B, G, K], state) -> (out [B, G, K], state)`, all steps by one
    kernel. A cell may say too, by `hidden_index`, which part the recurrent products read: 0, the output,
    unless said.

    To be looked into, a cell may have `gates(projected, state, hidden)`, of the step that `step`
    takes: by name, `[B, K]` each, from 0, closed, to 1, open."""

    def recurrent_weights(self) -> list[Tensor]:
        """The weights the state is multiplied with, `[n * K, K]` each."""
        ...

    def project(self, x: Tensor, gaps: Tensor | None) -> Tensor:
        """What does not hang on the state, for all steps: `[B, G, K]` → `[B, G, M]`."""
        ...

    def step(self, projected: Tensor, state: CellState, hidden: Tensor) -> CellState:
        """`[B, M]` and state → next state. `hidden [B, K]` is the state's carried part as the
        recurrent products are to read it."""
        ...


class CellLayer(nn.Module):
    """A cell as a layer, by its kernel for all steps at once where it has one that will do."""

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
        found: list[Tensor] = self.cell.recurrent_weights()
        return found

    def initial_state(self, x: Tensor) -> CellState:
        """The state before the first step of `x [B, G, K]`."""
        state = [x.new_zeros(x.shape[0], width) for width in self.cell.state_sizes]
        for part, learnt in zip(
            self.zoneout_states, self.learned_initial_state, strict=False
        ):  # none where not learnt
            state[part] = learnt.to(x.dtype).expand(x.shape[0], -1)
        return tuple(state)

    def forward(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """`[B, G, K]` → `[B, G, K]` and the state `([1, B, X], ...)`."""
        now = self.initial_state(x) if state is None else tuple(part[0] for part in state)
        disturbed = self.training and self.noise.dropout > 0
        if self.cell.has_fused_kernel and not disturbed and not self.noise.zoneout:
            out, now = self.cell.forward_fused(x, now)
        else:
            out, now = self._run_steps(x, now, gaps)
        return out, tuple(part.unsqueeze(0) for part in now)

    def _run_steps(
        self, x: Tensor, state: CellState, gaps: Tensor | None
    ) -> tuple[Tensor, CellState]:
        keep = None
        if self.training and self.noise.dropout:
            share = 1 - self.noise.dropout
            keep = torch.empty_like(state[self.hidden_index]).bernoulli_(share) / share
        outs = []
        for projected in self.cell.project(x, gaps).unbind(1):
            hidden = state[self.hidden_index] if keep is None else state[self.hidden_index] * keep
            new = self.cell.step(projected, state, hidden)
            state = self._apply_zoneout(state, new) if self.noise.zoneout else new
            outs.append(state[0])
        return torch.stack(outs, 1), state

    def gates(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The cell's gates by name at all steps, `[B, G, K]` each; nothing where it tells none."""
        if not hasattr(self.cell, "gates"):
            return {}
        now = self.initial_state(x) if state is None else tuple(part[0] for part in state)
        found: dict[str, list[Tensor]] = {}
        for projected in self.cell.project(x, gaps).unbind(1):
            hidden = now[self.hidden_index]
            for name, gate in self.cell.gates(projected, now, hidden).items():
                found.setdefault(name, []).append(gate)
            new = self.cell.step(projected, now, hidden)
            now = self._apply_zoneout(now, new) if self.noise.zoneout else new
        return {name: torch.stack(steps, 1) for name, steps in found.items()}

    def _apply_zoneout(self, old: CellState, new: CellState) -> CellState:
        share = self.noise.zoneout
        parts = list(new)
        for part in self.zoneout_states:
            kept = torch.full_like(old[part], share)
            kept = torch.bernoulli(kept) if self.training else kept
            parts[part] = new[part] + kept * (old[part] - new[part])
        return tuple(parts)


def init_orthogonal(weights: Sequence[Tensor]) -> None:
    """Starts every square block `[K, K]` of the recurrent `weights [n * K, K]` as a rotation, so
    that no direction of the state fades or grows (Saxe et al. 2014, arXiv:1312.6120)."""
    for weight in weights:
        for block in torch.split(weight, weight.shape[-1], -2):
            nn.init.orthogonal_(block)


def rnn_weights(net: nn.RNNBase) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """W, U, b and c of a torch net of one layer: input and recurrent weights, and their biases."""
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    W, U, b, c = (cast("Tensor", getattr(net, name)) for name in names)
    return W, U, b, c
