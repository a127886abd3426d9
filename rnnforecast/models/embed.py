"""Embedding: the lookback becomes a sequence of segments, each a vector of the net's width."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LARGEST_INPUT = 25.0
"""Normalised inputs are clipped to this size, so that one wild value cannot saturate the net."""


class SegmentEmbedding(nn.Module):
    """Reads `segment` steps at once: values and observed mask, `[B, L, C]` twice → `[B, G, K]`.

    G = ceil(L / segment); a lookback that is no multiple of the segment is padded at its old end
    with unobserved zeros, so that the last segment always ends at the origin. With `segment = 1`
    the net reads step by step. After SegRNN (Lin et al. 2023, arXiv:2308.11200), eq. 2.
    """

    def __init__(
        self, channels: int, segment: int, hidden_size: int, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.segment = segment
        self.project = nn.Linear(2 * channels * segment, hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, z: Tensor, visible: Tensor) -> Tensor:
        """Normalised values `[B, L, C]` and mask `[B, L, C]` bool → `[B, G, K]`."""
        seen = visible.to(z.dtype)
        # [B, L, 2C]: hidden values are zero, the mask says so
        steps = torch.cat([z.clamp(-LARGEST_INPUT, LARGEST_INPUT) * seen, seen], -1)
        steps = functional.pad(steps, (0, 0, -steps.shape[1] % self.segment, 0))
        segments = steps.reshape(len(steps), -1, self.segment * steps.shape[-1])  # [B, G, m * 2C]
        return self.dropout(torch.relu(self.project(segments)))  # type: ignore[no-any-return]
