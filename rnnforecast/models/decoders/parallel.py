"""Parallel decoder: each patch by one step of the backbone from the last state, all at once.

The input of the step is a learned query for the patch. No forecast is fed back, so errors do not
accumulate, and the J steps run as one batch. SegRNN (Lin et al. 2023, arXiv:2308.11200), section
4.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rnnforecast.models.decoders.encoder_output import EncoderOutput
from rnnforecast.models.layers.stack import RecurrentStack

TRAITS = ("carries_state",)


class ParallelDecoder(nn.Module):
    """One learned query for each of J patches."""

    def __init__(
        self, hidden_size: int, *, horizon: int, patch_length: int, dropout: float
    ) -> None:
        super().__init__()
        self.steps_per_patch = patch_length
        n_patches = -(-horizon // patch_length)
        self.query = nn.Parameter(torch.randn(n_patches, hidden_size) * hidden_size**-0.5)
        self.dropout = nn.Dropout(dropout)

    def forward(self, encoder_output: EncoderOutput, backbone: RecurrentStack | None) -> Tensor:
        """All patches, `[B, J, K]`."""
        assert backbone is not None
        batch, n_patches = encoder_output.last_output.shape[0], len(self.query)
        queries = self.query.repeat(batch, 1).unsqueeze(1)  # [B * J, 1, K]
        state = tuple(part.repeat_interleave(n_patches, 1) for part in encoder_output.state)
        output, _ = backbone(queries, state)
        return self.dropout(output.reshape(batch, n_patches, -1))  # type: ignore[no-any-return]


def build(
    hidden_size: int, *, horizon: int, patch_length: int, dropout: float, attention: str
) -> ParallelDecoder:
    """A new decoder of width K."""
    return ParallelDecoder(hidden_size, horizon=horizon, patch_length=patch_length, dropout=dropout)
