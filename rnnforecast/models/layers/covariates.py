"""Covariates in the network: embeddings of categories, and the decoder of known covariates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

MAX_EMBEDDING_SIZE = 16
"""Embeddings have about the square root of the number of categories, and at most this size."""


@dataclass(frozen=True)
class CovariateSizes:
    """Numbers of real covariates, and the number of categories of each categorical one, including
    the category of unseen values."""

    past: int = 0
    past_codes: tuple[int, ...] = ()
    future: int = 0
    future_codes: tuple[int, ...] = ()
    static: int = 0
    static_codes: tuple[int, ...] = ()
    elapsed: bool = False
    """Whether the network reads the time since the last observation."""

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of categories of all categorical covariates."""
        return (*self.past_codes, *self.future_codes, *self.static_codes)


NO_COVARIATES = CovariateSizes()


class CovariateEmbedding(nn.Module):
    """Real covariates and embeddings of categorical ones, concatenated.

    `[..., X]` numbers and `[..., Xc]` codes → `[..., output_size]`; the size is 0 without any.
    """

    def __init__(self, n_real: int, cardinalities: Sequence[int]) -> None:
        super().__init__()
        lengths = [min(MAX_EMBEDDING_SIZE, round(size**0.5) + 1) for size in cardinalities]
        self.embeddings = nn.ModuleList(
            nn.Embedding(size, length) for size, length in zip(cardinalities, lengths, strict=True)
        )
        self.output_size = n_real + sum(lengths)

    def forward(self, real_values: Tensor | None, codes: Tensor | None) -> Tensor | None:
        """None without covariates."""
        parts = [] if real_values is None else [real_values]
        if codes is not None:
            parts += [embedding(codes[..., i]) for i, embedding in enumerate(self.embeddings)]
        return torch.cat(parts, -1) if parts else None


class LocalDecoder(nn.Module):
    """Contribution of the known covariates of a step to the forecast of that step.

    The same network at all steps reads the covariates of the step and the last output of the
    backbone. Its output is initially 0. After the local decoder of MQ-RNN (Wen et al. 2017,
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
        """Covariates `[B, H, X]` and last output `[B, K]` → `[B, H, n_outputs]`."""
        hidden = torch.relu(
            self.step_projection(future_covariates) + self.state_projection(state).unsqueeze(1)
        )  # [B, H, K]
        return self.output_layer(self.dropout(hidden))  # type: ignore[no-any-return]
