"""Decoders: from what the backbone has read to one vector for each piece of the horizon.

A decoder answers `[B, J, K]`: J pieces of `steps` forecast steps each, J * steps >= H; an output
layer unfolds each piece into its steps.

| name | pieces | from |
| --- | --- | --- |
| `direct` | 1, the whole horizon | the last state |
| `forking` | 1, the whole horizon | the last state; in training the state after each segment |
| `parallel` | one a segment, all at once | one step of the backbone each, a learnt query as input |
| `recursive` | one a segment, one after the other | the backbone, fed the segment before |
| `seq2seq` | one a segment, one after the other | a GRU with attention, fed the segment before |

The first three answer all at once (`AtOnce`). The last two are fed what came before (`FedBack`):
true values while they are taught, their own forecasts in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from rnnforecast.models.base import State
from rnnforecast.models.layers.attention import ATTENTIONS
from rnnforecast.models.layers.stack import RecurrentStack

AUTOREGRESSIVE_DECODERS = ("recursive", "seq2seq")
"""Decoders that go segment by segment."""


@dataclass(frozen=True)
class EncoderOutput:
    """What the backbone has read of B windows."""

    output: Tensor
    """`[B, G, K]`."""
    state: State
    """After the last segment; empty where the lookback was read both ways."""
    last_output: Tensor
    """`[B, K]` the answer when all is read."""
    last_input: Tensor
    """`[B, K]` the last segment as the backbone read it."""

    def repeat_windows(self, times: int) -> EncoderOutput:
        """Each window `times` times, one behind the other."""
        return EncoderOutput(
            self.output.repeat_interleave(times, 0),
            tuple(part.repeat_interleave(times, 1) for part in self.state),
            self.last_output.repeat_interleave(times, 0),
            self.last_input.repeat_interleave(times, 0),
        )


class NonAutoregressiveDecoder(Protocol):
    """Answers all pieces at once."""

    steps_per_patch: int

    def __call__(self, encoder_output: EncoderOutput, backbone: RecurrentStack | None) -> Tensor:
        """`[B, J, K]`; the backbone is None where the lookback was read both ways."""
        ...


class AutoregressiveDecoder(Protocol):
    """Answers piece by piece."""

    steps_per_patch: int

    def first_patch(self, encoder_output: EncoderOutput) -> tuple[Tensor, State]:
        """The first piece `[B, K]`, and what is carried on."""
        ...

    def next_patches(
        self,
        patch_embeddings: Tensor,
        carry: State,
        encoder_output: EncoderOutput,
        backbone: RecurrentStack | None,
    ) -> tuple[Tensor, State]:
        """The pieces `[B, T, K]` that follow the segments `fed [B, T, K]`, embedded."""
        ...


class DirectDecoder(nn.Module):
    """The whole horizon at once from the last state, through one hidden layer.

    As `forking` it is taught at every segment of the lookback (MQ-RNN, Wen et al. 2017,
    arXiv:1711.11053, section 3.3); see `forking`.
    """

    def __init__(
        self, hidden_size: int, *, horizon: int, patch_length: int, dropout: float
    ) -> None:
        super().__init__()
        self.steps_per_patch = horizon
        self.layer = nn.Sequential(
            nn.Linear(hidden_size, hidden_size), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, encoder_output: EncoderOutput, backbone: RecurrentStack | None) -> Tensor:
        """`[B, 1, K]`."""
        return self.layer(encoder_output.last_output.unsqueeze(1))  # type: ignore[no-any-return]


class ParallelDecoder(nn.Module):
    """Each forecast segment by one step of the backbone from the last state, all at once.

    A learnt query says which segment is asked for. No forecast is fed back, so errors do not pile
    up, and the J steps run as one batch. SegRNN (Lin et al. 2023, arXiv:2308.11200), section 4.2.
    """

    def __init__(
        self, hidden_size: int, *, horizon: int, patch_length: int, dropout: float
    ) -> None:
        super().__init__()
        self.steps_per_patch = patch_length
        pieces = -(-horizon // patch_length)
        self.query = nn.Parameter(torch.randn(pieces, hidden_size) * hidden_size**-0.5)
        self.dropout = nn.Dropout(dropout)

    def forward(self, encoder_output: EncoderOutput, backbone: RecurrentStack | None) -> Tensor:
        """`[B, J, K]`."""
        assert backbone is not None
        batch, pieces = encoder_output.last_output.shape[0], len(self.query)
        asked = self.query.repeat(batch, 1).unsqueeze(1)  # [B * J, 1, K]
        state = tuple(part.repeat_interleave(pieces, 1) for part in encoder_output.state)
        answered, _ = backbone(asked, state)
        return self.dropout(answered.reshape(batch, pieces, -1))  # type: ignore[no-any-return]


class RecursiveDecoder(nn.Module):
    """The backbone reads on: each segment that is forecast is its next input.

    With a head that is a distribution, values are drawn and fed back, which gives sample paths:
    DeepAR (Salinas et al. 2020, arXiv:1704.04110).
    """

    def __init__(
        self, hidden_size: int, *, horizon: int, patch_length: int, dropout: float
    ) -> None:
        super().__init__()
        self.steps_per_patch = patch_length
        self.dropout = nn.Dropout(dropout)

    def first_patch(self, encoder_output: EncoderOutput) -> tuple[Tensor, State]:
        """The last answer, and the state behind it."""
        return self.dropout(encoder_output.last_output), encoder_output.state

    def next_patches(
        self,
        patch_embeddings: Tensor,
        carry: State,
        encoder_output: EncoderOutput,
        backbone: RecurrentStack | None,
    ) -> tuple[Tensor, State]:
        """The backbone's answers to the segments fed."""
        assert backbone is not None
        out, state = backbone(patch_embeddings, carry)
        return self.dropout(out), state


class Seq2SeqDecoder(nn.Module):
    """A GRU of its own reads on, looking back at the encoder's states by attention.

    It starts from tanh(W last), as in Bahdanau et al. 2015, arXiv:1409.0473, appendix A.2.2.
    """

    def __init__(
        self, hidden_size: int, *, horizon: int, patch_length: int, dropout: float, attention: str
    ) -> None:
        super().__init__()
        self.steps_per_patch = patch_length
        self.initial_state = nn.Linear(hidden_size, hidden_size)
        self.attention = ATTENTIONS[attention](hidden_size)
        self.dropout = nn.Dropout(dropout)

    def first_patch(self, encoder_output: EncoderOutput) -> tuple[Tensor, State]:
        """The answer to the last segment of the lookback."""
        state = torch.tanh(self.initial_state(encoder_output.last_output))
        piece, state = self.attention(encoder_output.last_input, state, encoder_output.output)
        return self.dropout(piece), (state,)

    def next_patches(
        self,
        patch_embeddings: Tensor,
        carry: State,
        encoder_output: EncoderOutput,
        backbone: RecurrentStack | None,
    ) -> tuple[Tensor, State]:
        """Segment by segment."""
        (state,), pieces = carry, []
        for segment in patch_embeddings.unbind(1):
            piece, state = self.attention(segment, state, encoder_output.output)
            pieces.append(piece)
        return self.dropout(torch.stack(pieces, 1)), (state,)


def build_decoder(
    name: str, hidden_size: int, *, horizon: int, patch_length: int, dropout: float, attention: str
) -> nn.Module:
    """A fresh decoder by its name in the spec."""
    if name == "seq2seq":
        return Seq2SeqDecoder(
            hidden_size,
            horizon=horizon,
            patch_length=patch_length,
            dropout=dropout,
            attention=attention,
        )
    kinds: dict[str, type[DirectDecoder] | type[ParallelDecoder] | type[RecursiveDecoder]] = {
        "direct": DirectDecoder,
        "forking": DirectDecoder,
        "parallel": ParallelDecoder,
        "recursive": RecursiveDecoder,
    }
    return kinds[name](hidden_size, horizon=horizon, patch_length=patch_length, dropout=dropout)
