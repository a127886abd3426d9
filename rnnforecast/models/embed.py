"""Embedding: the lookback becomes a sequence of segments, each a vector of the net's width."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnforecast.models.covariates import Covariates, Sizes
from rnnforecast.models.history import History

LARGEST_INPUT = 25.0
"""Normalised inputs are clipped to this size, so that one wild value cannot saturate the net."""

NOTHING = Sizes()


class SegmentEmbedding(nn.Module):
    """Reads `segment` steps at once: values, observed mask and covariates → `[B, G, K]`.

    G = ceil(L / segment); a lookback that is no multiple of the segment is padded at its old end
    with unobserved zeros, so that the last segment always ends at the origin. With `segment = 1`
    the net reads step by step. What a series has once (static covariates) is added to each
    segment. After SegRNN (Lin et al. 2023, arXiv:2308.11200), eq. 2.
    """

    def __init__(
        self,
        channels: int,
        segment: int,
        hidden_size: int,
        *,
        sizes: Sizes = NOTHING,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.segment, self.elapsed = segment, sizes.elapsed
        self.past = Covariates(sizes.past, sizes.past_codes)
        self.known = Covariates(sizes.known, sizes.known_codes)
        self.static = Covariates(sizes.static, sizes.static_codes)
        width = (2 + sizes.elapsed) * channels + self.past.width + self.known.width
        self.project = nn.Linear(width * segment, hidden_size)
        once = self.static.width
        self.project_static = nn.Linear(once, hidden_size, bias=False) if once else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, z: Tensor, history: History) -> Tensor:
        """Normalised values `[B, L, C]` in place of those of the history → `[B, G, K]`."""
        # what stands nowhere is zero, the mask says so
        read = z.clamp(-LARGEST_INPUT, LARGEST_INPUT) * history.present
        parts = [read, history.visible.to(z.dtype)]
        if self.elapsed and history.elapsed is not None:
            parts.append(torch.log1p(history.elapsed))
        past = self.past(history.past, history.past_codes)
        known = self.known(history.known, history.known_codes)
        parts += [] if past is None else [past]
        parts += [] if known is None else [known[:, : z.shape[1]]]
        steps = torch.cat([part.to(z.dtype) for part in parts], -1)  # [B, L, X]
        steps = functional.pad(steps, (0, 0, -steps.shape[1] % self.segment, 0))
        segments = steps.reshape(len(steps), -1, self.segment * steps.shape[-1])  # [B, G, m * X]
        hidden = self.project(segments)
        if self.project_static is not None:
            static = self.static(history.static, history.static_codes)
            hidden = hidden + self.project_static(static).unsqueeze(1)
        return self.dropout(torch.relu(hidden))  # type: ignore[no-any-return]
