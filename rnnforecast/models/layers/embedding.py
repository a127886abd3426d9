"""Patch embedding: the lookback as a sequence of patches, each a vector of size K."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.layers.covariates import (
    NO_COVARIATES,
    CovariateEmbedding,
    CovariateSizes,
)

MAX_NORMALIZED_INPUT = 25.0
"""Bound of absolute normalized inputs, which limits the effect of outliers."""


class InputDecay(nn.Module):
    """Decay of imputed values towards the mean with the time since the last observation.

        x'_t = m_t x_t + (1 - m_t) g_t x_last,  g_t = exp(-max(0, w * d_t + b))  for each target

    m_t is the value mask, d_t the time since the last observation, in patches. GRU-D (Che et al.
    2018, arXiv:1606.01865), eqs. 10 and 11; the mean is 0 here, as values are normalized.
    """

    def __init__(self, channels: int, patch_length: int) -> None:
        super().__init__()
        self.patch_length = patch_length
        # positive, as max(0, .) has no gradient at or below 0: a decay to 0.9 in one patch
        self.weight = nn.Parameter(torch.full((channels,), 0.1))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, values: Tensor, inputs: ModelInputs) -> Tensor:
        """Values `[B, L, C]`, filled forward, → decayed values `[B, L, C]`."""
        if inputs.elapsed is None:
            raise ValueError("input decay needs the time since the last observation")
        elapsed = inputs.elapsed.to(self.weight.dtype) / self.patch_length
        decay = torch.exp(-torch.relu(self.weight * elapsed + self.bias))
        return torch.where(inputs.value_mask, values, values * decay.to(values.dtype))


class PatchEmbedding(nn.Module):
    """Linear embedding of patches of values, value mask and covariates → `[B, G, K]`.

    G = ceil(L / patch_length); the lookback is padded at its start with masked zeros, so the last
    patch ends at the origin. Static covariates are added to each patch. After SegRNN (Lin et al.
    2023, arXiv:2308.11200), eq. 2.
    """

    def __init__(
        self,
        channels: int,
        patch_length: int,
        hidden_size: int,
        *,
        covariate_sizes: CovariateSizes = NO_COVARIATES,
        dropout: float = 0.0,
        use_input_decay: bool = False,
    ) -> None:
        super().__init__()
        self.patch_length, self.uses_elapsed = patch_length, covariate_sizes.elapsed
        self.input_decay = InputDecay(channels, patch_length) if use_input_decay else None
        self.past_covariates = CovariateEmbedding(covariate_sizes.past, covariate_sizes.past_codes)
        self.known_covariates = CovariateEmbedding(
            covariate_sizes.future, covariate_sizes.future_codes
        )
        self.static_covariates = CovariateEmbedding(
            covariate_sizes.static, covariate_sizes.static_codes
        )
        width = (
            (2 + covariate_sizes.elapsed) * channels
            + self.past_covariates.output_size
            + self.known_covariates.output_size
        )
        self.projection = nn.Linear(width * patch_length, hidden_size)
        n_static = self.static_covariates.output_size
        self.static_projection = nn.Linear(n_static, hidden_size, bias=False) if n_static else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, z: Tensor, inputs: ModelInputs) -> Tensor:
        """Normalized values `[B, L, C]` of the inputs → `[B, G, K]`."""
        values = z.clamp(-MAX_NORMALIZED_INPUT, MAX_NORMALIZED_INPUT) * inputs.input_mask
        values = values if self.input_decay is None else self.input_decay(values, inputs)
        parts = [values, inputs.value_mask.to(z.dtype)]
        if self.uses_elapsed and inputs.elapsed is not None:
            parts.append(torch.log1p(inputs.elapsed))
        past = self.past_covariates(inputs.past, inputs.past_codes)
        known = self.known_covariates(inputs.future, inputs.future_codes)
        parts += [] if past is None else [past]
        parts += [] if known is None else [known[:, : z.shape[1]]]
        steps = torch.cat([part.to(z.dtype) for part in parts], -1)  # [B, L, X]
        hidden = self.projection(self._to_patches(steps))
        if self.static_projection is not None:
            static = self.static_covariates(inputs.static, inputs.static_codes)
            hidden = hidden + self.static_projection(static).unsqueeze(1)
        return self.dropout(torch.relu(hidden))  # type: ignore[no-any-return]

    def gaps(self, inputs: ModelInputs) -> Tensor:
        """Time since the last observation at each step of each patch, in patches.

        `[B, G, patch_length * C]`, ordered like the values; zero if the inputs have no `elapsed`.
        """
        elapsed = inputs.elapsed
        if elapsed is None:
            return self._to_patches(torch.zeros_like(inputs.values))
        return self._to_patches(elapsed / self.patch_length)

    def _to_patches(self, values: Tensor) -> Tensor:
        """`[B, L, X]` → `[B, G, patch_length * X]`, padded with zeros before the first step."""
        padded = functional.pad(values, (0, 0, -values.shape[1] % self.patch_length, 0))
        return padded.reshape(values.shape[0], -1, self.patch_length * values.shape[-1])
