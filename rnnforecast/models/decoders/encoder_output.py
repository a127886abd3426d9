"""Output of the encoder, and the interfaces of decoders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from rnnforecast.models.base import State
from rnnforecast.models.layers.stack import RecurrentStack


@dataclass(frozen=True)
class EncoderOutput:
    """Output and state of the backbone after the lookback of B windows."""

    output: Tensor
    """`[B, G, K]`."""
    state: State
    """State after the last patch; empty if the backbone is bidirectional."""
    last_output: Tensor
    """`[B, K]` output at the last patch."""
    last_input: Tensor
    """`[B, K]` embedding of the last patch."""

    def repeat_windows(self, times: int) -> EncoderOutput:
        """Each window repeated `times` times; copies are adjacent."""
        return EncoderOutput(
            self.output.repeat_interleave(times, 0),
            tuple(part.repeat_interleave(times, 1) for part in self.state),
            self.last_output.repeat_interleave(times, 0),
            self.last_input.repeat_interleave(times, 0),
        )


class NonAutoregressiveDecoder(Protocol):
    """A decoder that returns all patches at once."""

    steps_per_patch: int

    def __call__(self, encoder_output: EncoderOutput, backbone: RecurrentStack | None) -> Tensor:
        """The patches `[B, J, K]`; `backbone` is None if it is bidirectional."""
        ...


class AutoregressiveDecoder(Protocol):
    """A decoder that reads each patch before it returns the next."""

    steps_per_patch: int

    def first_patch(self, encoder_output: EncoderOutput) -> tuple[Tensor, State]:
        """The first patch `[B, K]`, and the state to carry."""
        ...

    def next_patches(
        self,
        patch_embeddings: Tensor,
        carry: State,
        encoder_output: EncoderOutput,
        backbone: RecurrentStack | None,
    ) -> tuple[Tensor, State]:
        """The patch that follows each of `patch_embeddings [B, T, K]`, `[B, T, K]`, and the state
        to carry."""
        ...
