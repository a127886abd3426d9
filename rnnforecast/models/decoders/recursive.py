"""Recursive decoder: further steps of the backbone, each with the last forecast patch as input.

With a distribution, random values are fed back, so each run is a sample path: DeepAR (Salinas et
al. 2020, arXiv:1704.04110).
"""

from __future__ import annotations

from torch import Tensor, nn

from rnnforecast.models.base import State
from rnnforecast.models.decoders.encoder_output import EncoderOutput
from rnnforecast.models.layers.stack import RecurrentStack

TRAITS = ("autoregressive", "carries_state")


class RecursiveDecoder(nn.Module):
    """The backbone itself, with dropout on its output."""

    def __init__(self, *, patch_length: int, dropout: float) -> None:
        super().__init__()
        self.steps_per_patch = patch_length
        self.dropout = nn.Dropout(dropout)

    def first_patch(self, encoder_output: EncoderOutput) -> tuple[Tensor, State]:
        """The last output of the encoder, and its state."""
        return self.dropout(encoder_output.last_output), encoder_output.state

    def next_patches(
        self,
        patch_embeddings: Tensor,
        carry: State,
        encoder_output: EncoderOutput,
        backbone: RecurrentStack | None,
    ) -> tuple[Tensor, State]:
        """The output of the backbone for the embedded patches."""
        assert backbone is not None
        out, state = backbone(patch_embeddings, carry)
        return self.dropout(out), state


def build(
    hidden_size: int, *, horizon: int, patch_length: int, dropout: float, attention: str
) -> RecursiveDecoder:
    """A new decoder of width K."""
    return RecursiveDecoder(patch_length=patch_length, dropout=dropout)
