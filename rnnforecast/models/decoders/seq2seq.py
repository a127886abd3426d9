"""Sequence-to-sequence decoder: a GRU of its own with attention over the encoder states.

Its initial state is tanh(W h), h the last encoder output, as in Bahdanau et al. 2015,
arXiv:1409.0473, appendix A.2.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rnnforecast.models.base import State
from rnnforecast.models.decoders.encoder_output import EncoderOutput
from rnnforecast.models.layers.attention import ATTENTIONS
from rnnforecast.models.layers.stack import RecurrentStack

TRAITS = ("autoregressive", "attention")


class Seq2SeqDecoder(nn.Module):
    """A GRU cell with attention, one step for each patch."""

    def __init__(
        self, hidden_size: int, *, patch_length: int, dropout: float, attention: str
    ) -> None:
        super().__init__()
        self.steps_per_patch = patch_length
        self.initial_state = nn.Linear(hidden_size, hidden_size)
        self.attention = ATTENTIONS[attention](hidden_size)
        self.dropout = nn.Dropout(dropout)

    def first_patch(self, encoder_output: EncoderOutput) -> tuple[Tensor, State]:
        """The output for the last patch of the lookback."""
        state = torch.tanh(self.initial_state(encoder_output.last_output))
        patch, state = self.attention(encoder_output.last_input, state, encoder_output.output)
        return self.dropout(patch), (state,)

    def next_patches(
        self,
        patch_embeddings: Tensor,
        carry: State,
        encoder_output: EncoderOutput,
        backbone: RecurrentStack | None,
    ) -> tuple[Tensor, State]:
        """One step for each embedded patch."""
        (state,), patches = carry, []
        for embedding in patch_embeddings.unbind(1):
            patch, state = self.attention(embedding, state, encoder_output.output)
            patches.append(patch)
        return self.dropout(torch.stack(patches, 1)), (state,)


def build(
    hidden_size: int, *, horizon: int, patch_length: int, dropout: float, attention: str
) -> Seq2SeqDecoder:
    """A new decoder of width K."""
    return Seq2SeqDecoder(
        hidden_size, patch_length=patch_length, dropout=dropout, attention=attention
    )
