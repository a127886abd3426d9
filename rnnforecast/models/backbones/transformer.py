"""Transformer encoder with causal self-attention; a benchmark without recurrence.

    x_t <- x_t + p_t                                   in the lowest layer only
    a_t = sum over s <= t of softmax_s(q_t . k_s / sqrt(K / heads)) v_s      in each head
    y_t = norm(x_t + W_o a_t)
    o_t = norm(y_t + W_2 relu(W_1 y_t))
    p_t[2i] = sin(t / 10000^(2i / K)),  p_t[2i + 1] = cos(t / 10000^(2i / K))

q, k and v are linear in x. With `norm_first` (Xiong et al. 2020, arXiv:2002.04745) attention and
W_1 read norm(x) and norm(y), and the sums are not normalized. Vaswani et al. 2017,
arXiv:1706.03762. The state holds all inputs so far, with their positions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rnnforecast.models.base import Noise, State

TRAITS = ()

DEFAULTS = {"layers": (2, "the usual")}

OPTIONS = {
    "heads": (4, 1, None),
    "feedforward": (4, 1, None),
    "dropout": (0.0, 0.0, 0.999),
    "norm_first": (False, True),
}
"""``heads``: attention heads; if it does not divide K, the largest divisor of K below it;
``feedforward``: width of the hidden layer, in multiples of K; ``dropout``: of attention weights,
hidden layer and sums; ``norm_first``: see above."""

MAX_WAVELENGTH = 10000.0
"""Longest wavelength of the positional encoding, in patches, divided by 2 pi."""


class CausalSelfAttention(nn.Module):
    """One encoder layer whose steps attend to themselves and all earlier ones."""

    n_state_tensors = 1

    def __init__(
        self, hidden_size: int, options: Mapping[str, Any], *, add_positions: bool
    ) -> None:
        super().__init__()
        self.adds_positions = add_positions
        self.block = nn.TransformerEncoderLayer(
            hidden_size,
            max(n for n in range(1, options["heads"] + 1) if hidden_size % n == 0),
            options["feedforward"] * hidden_size,
            dropout=options["dropout"],
            norm_first=options["norm_first"],
            batch_first=True,
        )

    def recurrent_weights(self) -> list[Tensor]:
        """An empty list: no weight multiplies the state."""
        return []

    def forward(
        self, x: Tensor, state: State | None = None, gaps: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """`[B, G, K]` → `[B, G, K]` and all inputs so far, `([G_past + G, B, K],)`."""
        past = x[:, :0] if state is None else state[0].transpose(0, 1)
        if self.adds_positions:
            x = x + sinusoidal_positions(past.shape[1], x)
        inputs = torch.cat([past.to(x.dtype), x], 1)  # [B, G_past + G, K]
        return self._encode(x, inputs), (inputs.transpose(0, 1),)

    def _encode(self, x: Tensor, context: Tensor) -> Tensor:
        """The output of torch's block with queries from `x` alone."""
        block = self.block
        if block.norm_first:
            y = x + block.dropout1(self._attend(block.norm1(x), block.norm1(context)))
            return y + self._feed_forward(block.norm2(y))  # type: ignore[no-any-return]
        y = block.norm1(x + block.dropout1(self._attend(x, context)))
        return block.norm2(y + self._feed_forward(y))  # type: ignore[no-any-return]

    def _attend(self, x: Tensor, context: Tensor) -> Tensor:
        """Causal attention of `x`, the last G steps, to `context`, all steps."""
        shape = (x.shape[1], context.shape[1])
        future_mask = torch.ones(shape, dtype=torch.bool, device=x.device).triu(
            shape[1] - shape[0] + 1
        )
        attended, _ = self.block.self_attn(
            x, context, context, attn_mask=future_mask, need_weights=False
        )
        return attended  # type: ignore[no-any-return]

    def _feed_forward(self, y: Tensor) -> Tensor:
        block = self.block
        hidden = block.dropout(torch.relu(block.linear1(y)))
        return block.dropout2(block.linear2(hidden))  # type: ignore[no-any-return]


def sinusoidal_positions(offset: int, x: Tensor) -> Tensor:
    """p `[G, K]` of the steps of `x [B, G, K]`, the first of which has position `offset`."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    step = torch.arange(offset, offset + x.shape[1], dtype=dtype, device=x.device)
    unit = torch.arange(x.shape[2], device=x.device)
    wave = torch.exp(-math.log(MAX_WAVELENGTH) * (unit - unit % 2).to(dtype) / x.shape[2])
    angle = step.unsqueeze(1) * wave
    return torch.where(unit % 2 == 0, angle.sin(), angle.cos()).to(x.dtype)


def build(
    hidden_size: int, options: Mapping[str, Any], *, depth: int, noise: Noise, gap_size: int
) -> CausalSelfAttention:
    """A new layer of width K; the lowest one adds positions."""
    return CausalSelfAttention(hidden_size, options, add_positions=depth == 0)
