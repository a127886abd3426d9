"""Decoders: from what the backbone has read to one vector for each piece of the horizon.

A decoder answers `[B, J, K]`: J pieces of `steps` forecast steps each, J * steps >= H. The head
unfolds each piece into its steps. `direct` has one piece, the whole horizon; `parallel` has one a
segment, so that each forecast segment lines up with the segments that were read.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rnnforecast.models.contract import Backbone, State


class Direct(nn.Module):
    """The whole horizon at once from the last state, through one hidden layer."""

    def __init__(self, hidden_size: int, *, horizon: int, segment: int, dropout: float) -> None:
        super().__init__()
        self.steps = horizon
        self.layer = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, out: Tensor, state: State, backbone: Backbone) -> Tensor:
        """States `[B, G, K]` → `[B, 1, K]`."""
        return self.layer(out[:, -1:])  # type: ignore[no-any-return]


class Parallel(nn.Module):
    """Each forecast segment by one step of the backbone from the last state, all at once.

    A learnt query says which segment is asked for. No forecast is fed back, so errors do not pile
    up, and the J steps run as one batch. SegRNN (Lin et al. 2023, arXiv:2308.11200), section 4.2.
    """

    def __init__(self, hidden_size: int, *, horizon: int, segment: int, dropout: float) -> None:
        super().__init__()
        self.steps = segment
        pieces = -(-horizon // segment)
        self.query = nn.Parameter(torch.randn(pieces, hidden_size) * hidden_size**-0.5)
        self.dropout = nn.Dropout(dropout)

    def forward(self, out: Tensor, state: State, backbone: Backbone) -> Tensor:
        """State after the lookback → `[B, J, K]`."""
        batch, pieces = len(out), len(self.query)
        asked = self.query.repeat(batch, 1).unsqueeze(1)  # [B * J, 1, K]
        answered, _ = backbone(asked, tuple(part.repeat_interleave(pieces, 1) for part in state))
        return self.dropout(answered.reshape(batch, pieces, -1))  # type: ignore[no-any-return]


DECODERS: dict[str, type[Direct] | type[Parallel]] = {"direct": Direct, "parallel": Parallel}
