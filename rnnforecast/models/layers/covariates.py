"""Covariates in the net: categories as learnt vectors, and what is known ahead at each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

WIDEST_CATEGORY = 16
"""A category's vector is as long as the root of the number of its values, and never longer."""


@dataclass(frozen=True)
class Sizes:
    """How many covariates a net reads; for categories the number of values of each, the slot for
    unseen ones included."""

    past: int = 0
    past_codes: tuple[int, ...] = ()
    known: int = 0
    known_codes: tuple[int, ...] = ()
    static: int = 0
    static_codes: tuple[int, ...] = ()
    elapsed: bool = False
    """Whether the net is told the time since the last observation."""

    @property
    def codes(self) -> tuple[int, ...]:
        """The sizes of all categories."""
        return (*self.past_codes, *self.known_codes, *self.static_codes)


class Covariates(nn.Module):
    """Numbers as they are and categories as learnt vectors, one behind the other.

    `[..., X]` numbers and `[..., Xc]` codes → `[..., width]`; `width` is 0 where there are none.
    """

    def __init__(self, n_real: int, cardinalities: Sequence[int]) -> None:
        super().__init__()
        lengths = [min(WIDEST_CATEGORY, round(size**0.5) + 1) for size in cardinalities]
        self.vectors = nn.ModuleList(
            nn.Embedding(size, length) for size, length in zip(cardinalities, lengths, strict=True)
        )
        self.width = n_real + sum(lengths)

    def forward(self, real_values: Tensor | None, codes: Tensor | None) -> Tensor | None:
        """None where there is nothing to read."""
        parts = [] if real_values is None else [real_values]
        if codes is not None:
            parts += [vectors(codes[..., i]) for i, vectors in enumerate(self.vectors)]
        return torch.cat(parts, -1) if parts else None


class StepsAhead(nn.Module):
    """What the covariates of each forecast step add to the forecast of that step.

    One small net for all steps, which sees the step's covariates and the state of the history:
    a price matters at its own day, whatever the day's place in the horizon is. It has nothing to
    say before it has learnt something. After the local decoder of MQ-RNN (Wen et al. 2017,
    arXiv:1711.11053), section 3.2.
    """

    def __init__(self, n_covariates: int, hidden_size: int, n_outputs: int, *, dropout: float) -> None:
        super().__init__()
        self.of_step = nn.Linear(n_covariates, hidden_size)
        self.of_state = nn.Linear(hidden_size, hidden_size, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden_size, n_outputs)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, future_covariates: Tensor, state: Tensor) -> Tensor:
        """Covariates `[B, H, X]` and last state `[B, K]` → `[B, H, outputs]`."""
        hidden = torch.relu(self.of_step(future_covariates) + self.of_state(state).unsqueeze(1))  # [B, H, K]
        return self.out(self.dropout(hidden))  # type: ignore[no-any-return]
