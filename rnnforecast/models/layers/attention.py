"""Decoder steps with additive or multiplicative attention over the encoder states.

weights   a_g = softmax_g(score(s, e_g))            e_g encoder states, s a decoder state
context   c = sum_g a_g e_g
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AttentionPooling(nn.Module):
    """Softmax weights and context; a module of its own, so that hooks can read the weights."""

    def forward(self, scores: Tensor, encoder_states: Tensor) -> tuple[Tensor, Tensor]:
        """Scores `[B, G]` and states `[B, G, K]` → context `[B, K]`, weights `[B, G]`."""
        weights = torch.softmax(scores, -1)
        return (weights.unsqueeze(1) @ encoder_states).squeeze(1), weights


class AdditiveAttention(nn.Module):
    """Bahdanau et al. 2015, arXiv:1409.0473: the query is the state before the step, and the
    context is an input of the step.

    score(s_{j-1}, e_g) = v · tanh(W s_{j-1} + U e_g);  s_j = GRU([x_j; c_j], s_{j-1})
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.query_projection = nn.Linear(hidden_size, hidden_size)
        self.key_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.score = nn.Linear(hidden_size, 1, bias=False)
        self.pooling = AttentionPooling()
        self.cell = nn.GRUCell(2 * hidden_size, hidden_size)

    def forward(self, x: Tensor, state: Tensor, encoder_states: Tensor) -> tuple[Tensor, Tensor]:
        """Input and state `[B, K]`, encoder states `[B, G, K]` → output and next state `[B, K]`."""
        hidden = torch.tanh(
            self.query_projection(state).unsqueeze(1) + self.key_projection(encoder_states)
        )
        context, _ = self.pooling(self.score(hidden).squeeze(-1), encoder_states)
        state = self.cell(torch.cat([x, context], -1), state)
        return state, state


class MultiplicativeAttention(nn.Module):
    """Luong et al. 2015, arXiv:1508.04025: the query is the state after the step, and the context
    changes its output ("general" score, equation 8).

    s_j = GRU(x_j, s_{j-1});  score(s_j, e_g) = s_j · W e_g;  output = tanh(V [c_j; s_j])
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.key_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.pooling = AttentionPooling()
        self.cell = nn.GRUCell(hidden_size, hidden_size)
        self.output_projection = nn.Linear(2 * hidden_size, hidden_size)

    def forward(self, x: Tensor, state: Tensor, encoder_states: Tensor) -> tuple[Tensor, Tensor]:
        """Input and state `[B, K]`, encoder states `[B, G, K]` → output and next state `[B, K]`."""
        state = self.cell(x, state)
        scores = (self.key_projection(encoder_states) @ state.unsqueeze(-1)).squeeze(-1)  # [B, G]
        context, _ = self.pooling(scores, encoder_states)
        return torch.tanh(self.output_projection(torch.cat([context, state], -1))), state


ATTENTIONS: dict[str, type[AdditiveAttention] | type[MultiplicativeAttention]] = {
    "additive": AdditiveAttention,
    "multiplicative": MultiplicativeAttention,
}
