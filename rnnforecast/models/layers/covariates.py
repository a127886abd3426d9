"""Covariates in the net: categories as learnt vectors, and what is known ahead at each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

MAX_EMBEDDING_SIZE = 16
"""A category's vector is as long as the root of the number of its values, and never longer."""


@dataclass(frozen=True)
class CovariateSizes:
    """How many covariates a net reads; for categories the number of values of each, the slot for
    unseen ones included."""

    past: int = 0
    past_codes: tuple[int, ...] = ()
    future: int = 0
    future_codes: tuple[int, ...] = ()
    static: int = 0
    static_codes: tuple[int, ...] = ()
    elapsed: bool = False
    """Whether the net is told the time since the last observation."""

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """The sizes of all categories."""
        return (*self.past_codes, *self.future_codes, *self.static_codes)


class CovariateEmbedding(nn.Module):
    """Numbers as they are and categories as learnt vectors, one behind the other.

    `[..., X]` numbers and `[..., Xc]` codes → `[..., width]`; `width` is 0 where there are none.
    """

    def __init__(self, n_real: int, cardinalities: Sequence[int]) -> None:
        super().__init__()
        lengths = [min(MAX_EMBEDDING_SIZE, round(size**0.5) + 1) for size in cardinalities]
        self.embeddings = nn.ModuleList(
            nn.Embedding(size, length) for size, length in zip(cardinalities, lengths, strict=True)
        )
        self.output_size = n_real + sum(lengths)

    def forward(self, real_values: Tensor | None, codes: Tensor | None) -> Tensor | None:
        """None where there is nothing to read."""
        parts = [] if real_values is None else [real_values]
        if codes is not None:
            parts += [vectors(codes[..., i]) for i, vectors in enumerate(self.embeddings)]
        return torch.cat(parts, -1) if parts else None


class LocalDecoder(nn.Module):
    """What the covariates of each forecast step add to the forecast of that step.

    One small net for all steps, which sees the step's covariates and the state of the history:
    a price matters at its own day, whatever the day's place in the horizon is. It has nothing to
    say before it has learnt something. After the local decoder of MQ-RNN (Wen et al. 2017,
    arXiv:1711.11053), section 3.2.
    """

    def __init__(
        self, n_covariates: int, hidden_size: int, n_outputs: int, *, dropout: float
    ) -> None:
        super().__init__()
        self.step_projection = nn.Linear(n_covariates, hidden_size)
        self.state_projection = nn.Linear(hidden_size, hidden_size, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.output_layer = nn.Linear(hidden_size, n_outputs)
        nn.init.zeros_(self.output_layer.weight)
        nn.init.zeros_(self.output_layer.bias)

    def forward(self, future_covariates: Tensor, state: Tensor) -> Tensor:
        """Covariates `[B, H, X]` and last state `[B, K]` → `[B, H, outputs]`."""
        hidden = torch.relu(
            self.step_projection(future_covariates) + self.state_projection(state).unsqueeze(1)
        )  # [B, H, K]
        return self.output_layer(self.dropout(hidden))  # type: ignore[no-any-return]
