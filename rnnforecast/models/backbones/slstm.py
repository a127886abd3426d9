"""Scalar LSTM of xLSTM: exponential gates, with which new input may outweigh the memory.

    z_t = tanh(z~_t)      o_t = sigmoid(o~_t)      i_t = exp(i~_t)
    f_t = sigmoid(f~_t)                            forget: sigmoid, or exp
    c_t = f_t * c_{t-1} + i_t * z_t                the cell
    n_t = f_t * n_{t-1} + i_t                      the normalizer
    h_t = o_t * c_t / n_t

with i~, f~, z~, o~ = W x_t + U h_{t-1} + b. U is block-diagonal: the units form `heads` groups, and
the recurrence stays within a group. Exponentials overflow, so c and n are divided by exp(m), which
cancels in h:

    m_t = max(log f_t + m_{t-1}, i~_t)
    c_t = exp(log f_t + m_{t-1} - m_t) * c_{t-1} + exp(i~_t - m_t) * z_t,   and n_t likewise

m_1 = i~_1, so n_t >= 1 and the quotient is finite for any input. The initial bias of the forget
gate falls from 5 at the first unit of a head to -7 at its last, by a power law; other biases start
at 0.

Beck et al. 2024, arXiv:2405.04517. The paper allows both forget gates; its code has sigmoid, the
default here. Its initial bias depends on the depth of the block; here all layers have that of the
lowest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from rnnforecast.models.base import Noise
from rnnforecast.models.layers.cell_layer import CellLayer, CellState
from rnnforecast.models.reference import Array, Weights, sigmoid

TRAITS = ("noise",)

GATES = {
    "keep": "1: the old state stays, 0: it is replaced",
    "output (o)": "1: the network reads the cell, 0: it is hidden",
}

OPTIONS = {"forget": ("sigmoid", "exp"), "heads": (4, 1, None)}
"""``forget``: the forget gate's activation; ``heads``: number of groups of units with separate
recurrences; if it does not divide K, the largest divisor of K below it."""


class SlstmCell(nn.Module):
    """A cell with state h, c, n and m. Rows of W and of each block of U are in the order i, f, z,
    o."""

    n_zoneout_states, has_fused_kernel = 1, False  # zoneout of h alone: c, n and m are coupled

    def __init__(self, hidden_size: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.state_sizes = (hidden_size,) * 4
        self.has_exp_forget = options["forget"] == "exp"
        self.heads = max(
            n for n in range(1, min(options["heads"], hidden_size) + 1) if hidden_size % n == 0
        )
        size = hidden_size // self.heads
        self.input_projection = nn.Linear(hidden_size, 4 * hidden_size)
        self.U = nn.Parameter(torch.empty(self.heads, 4 * size, size))
        nn.init.uniform_(self.U, -(hidden_size**-0.5), hidden_size**-0.5)
        with torch.no_grad():
            self.input_projection.bias.zero_()
            self.input_projection.bias[hidden_size : 2 * hidden_size] = self._initial_forget_bias(
                size
            ).repeat(self.heads)

    def _initial_forget_bias(self, size: int) -> Tensor:
        """Initial bias of the units of a head, `[size]`; both forget gates start with the same
        activations."""
        start = 5 - 12 * torch.linspace(0, 1, size) ** 0.3
        return logsigmoid(start) if self.has_exp_forget else start

    def recurrent_weights(self) -> list[Tensor]:
        """The blocks of U."""
        return [self.U.flatten(0, 1)]

    def project(self, x: Tensor, gaps: Tensor | None) -> Tensor:
        """W x + b."""
        out: Tensor = self.input_projection(x)
        return out

    def step(self, projected: Tensor, state: CellState, hidden: Tensor) -> CellState:
        """The next state: h, c, n and m."""
        c, n, m, _, o = self._update_state(projected, state, hidden)
        return o * (c / n), c, n, m

    def gates(self, projected: Tensor, state: CellState, hidden: Tensor) -> dict[str, Tensor]:
        """The weight of the old state in the mean c / n, as the gates i and f are unbounded; and
        o."""
        *_, kept, o = self._update_state(projected, state, hidden)
        return {"keep": kept, "output (o)": o}

    def _update_state(
        self, projected: Tensor, state: CellState, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """c, n, m, the weight of the old n in the new one, and o."""
        _, c, n, m = state
        blocks = hidden.view(hidden.shape[0], self.heads, -1).transpose(0, 1)  # [heads, B, size]
        inner = torch.bmm(blocks, self.U.transpose(1, 2))  # [heads, B, 4 size]
        inner = inner.view(*inner.shape[:2], 4, -1).permute(1, 2, 0, 3)  # [B, 4, heads, size]
        i, f, z, o = (projected.view(inner.shape) + inner).flatten(2).unbind(1)
        kept = m + (f if self.has_exp_forget else logsigmoid(f))
        # the initial state (n = 0) has no weight, even if the input gate underflows
        kept = torch.where(n == 0, -torch.inf, kept)
        # h does not depend on m, so no gradient passes through it
        with torch.no_grad():
            m = torch.maximum(kept, i).to(m.dtype)
        keep, add = torch.exp(kept - m), torch.exp(i - m)
        c = keep * c + add * torch.tanh(z)
        old, n = n, torch.addcmul(add, keep, n)
        return c, n, m, keep * old / n, torch.sigmoid(o)


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> CellLayer:
    """A new layer of width K, the same at every depth."""
    return CellLayer(SlstmCell(hidden_size, options), noise)


def reference_step(
    weights: Weights, x: Array, gaps: Array, state: list[Array], options: Mapping[str, Any]
) -> list[Array]:
    """The equations above in NumPy; see `BackboneModule`."""
    h, c, n, m = state
    c, n = c * np.exp(m), n * np.exp(m)  # the plain form, without the stabilizer m
    size = weights["U"].shape[-1]
    U = np.zeros((4, h.shape[1], h.shape[1]))
    for head, block in enumerate(weights["U"]):
        units = slice(head * size, (head + 1) * size)
        U[:, units, units] = block.reshape(4, size, size)
    projected = x @ weights["input_projection.weight"].T + weights["input_projection.bias"]
    i, f, z, o = (part + h @ R.T for part, R in zip(np.split(projected, 4, -1), U, strict=True))
    forget = np.exp(f) if options["forget"] == "exp" else sigmoid(f)
    c = forget * c + np.exp(i) * np.tanh(z)
    n = forget * n + np.exp(i)
    return [sigmoid(o) * c / n, c, n, 0 * m]
