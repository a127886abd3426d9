"""Autoregressive decoding: patch by patch, from true values or from the network's own forecasts.

In training, true values are fed: in all windows (teacher forcing), or in a fraction of the windows
that falls as training proceeds (scheduled sampling: Bengio et al. 2015, arXiv:1506.03099). In
forecasting, random values of the forecast distribution are fed back, so each run is a sample path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.decoders.encoder_output import AutoregressiveDecoder, EncoderOutput
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.layers.embedding import PatchEmbedding
from rnnforecast.models.layers.stack import RecurrentStack
from rnnforecast.models.scaling.window_scaler import WindowScaler


@dataclass(frozen=True)
class GroundTruth:
    """Normalized future values and their target mask, both `[B, H, C]`."""

    values: Tensor
    target_mask: Tensor


class AutoregressiveNetwork(Protocol):
    """The parts of a forecaster that decoding uses."""

    config: ForecasterConfig
    decoder: nn.Module
    embedding: PatchEmbedding
    training_progress: float

    @property
    def causal_backbone(self) -> RecurrentStack | None:
        """The backbone; None if bidirectional."""
        ...

    def project_output(self, patches: Tensor) -> Tensor:
        """Patches `[B, J, K]` → raw outputs `[B, J * steps_per_patch, C, P]`."""
        ...

    def sample_steps(self, raw: Tensor, scaler: WindowScaler, n_paths: int) -> Tensor:
        """Raw outputs `[B, T, C, P]` → random normalized values `[B, T, C]`."""
        ...


def decode_autoregressively(
    net: AutoregressiveNetwork,
    encoder_output: EncoderOutput,
    inputs: ModelInputs,
    scaler: WindowScaler,
    additive_terms: Tensor,
    truth: GroundTruth | None = None,
    *,
    n_paths: int = 1,
) -> tuple[Tensor, Tensor]:
    """Raw outputs `[B, H, C, P]`, and normalized values `[B, H, C]`: random values of the forecast,
    or the truth with full teacher forcing.

    `additive_terms` broadcasts to the raw outputs and is added to them. Of `n_paths` each row is a
    sample path, those of a window side by side.
    """
    a, decoder = net.config, cast("AutoregressiveDecoder", net.decoder)
    additive_terms = additive_terms.expand(-1, a.horizon, -1, -1)
    truth_fraction = 1.0 - (1.0 - a.teacher_forcing) * net.training_progress
    patch, carry = decoder.first_patch(encoder_output)
    if truth is not None and truth_fraction >= 1.0:
        patches = _teacher_forced_patches(net, patch, carry, encoder_output, inputs, truth)
        return net.project_output(patches)[:, : a.horizon] + additive_terms, truth.values
    raws, samples = [], []
    for begin in range(0, a.horizon, a.patch_length):
        steps = slice(begin, min(begin + a.patch_length, a.horizon))
        raw = net.project_output(patch.unsqueeze(1))[:, : steps.stop - begin]
        raw = raw + additive_terms[:, steps]
        raws.append(raw)
        with torch.no_grad():
            sample = net.sample_steps(raw.float(), scaler.select_steps(steps), n_paths)
            samples.append(sample.to(raw.dtype))
        if steps.stop == a.horizon:
            break
        values, mask = _next_decoder_values(samples[-1], truth, steps, truth_fraction)
        x = net.embedding(values, inputs.decoder_inputs(mask, begin))
        following, carry = decoder.next_patches(x, carry, encoder_output, net.causal_backbone)
        patch = following[:, 0]
    return torch.cat(raws, 1), torch.cat(samples, 1)


def _teacher_forced_patches(
    net: AutoregressiveNetwork,
    first_patch: Tensor,
    carry: tuple[Tensor, ...],
    encoder_output: EncoderOutput,
    inputs: ModelInputs,
    truth: GroundTruth,
) -> Tensor:
    """All patches `[B, J, K]` in one run, from true values."""
    a = net.config
    n_fed = (-(-a.horizon // a.patch_length) - 1) * a.patch_length  # steps before the last patch
    if not n_fed:
        return first_patch.unsqueeze(1)
    x = net.embedding(
        truth.values[:, :n_fed], inputs.decoder_inputs(truth.target_mask[:, :n_fed], 0)
    )
    following, _ = cast("AutoregressiveDecoder", net.decoder).next_patches(
        x, carry, encoder_output, net.causal_backbone
    )
    return torch.cat([first_patch.unsqueeze(1), following], 1)


def _next_decoder_values(
    forecast: Tensor, truth: GroundTruth | None, steps: slice, truth_fraction: float
) -> tuple[Tensor, Tensor]:
    """Values and mask `[B, T, C]` of `steps` to feed: the truth in a fraction of the windows, the
    forecast in the others."""
    if truth is None:
        return forecast, torch.ones_like(forecast, dtype=torch.bool)
    use_truth = torch.rand(len(forecast), 1, 1, device=forecast.device) < truth_fraction
    return (
        torch.where(use_truth, truth.values[:, steps], forecast),
        ~use_truth | truth.target_mask[:, steps],
    )


def path_quantiles(paths: Tensor, levels: Sequence[float]) -> Tensor:
    """Quantiles `[B, H, C, Q]` of `paths [B, n_paths, H, C]`, linear between order statistics."""
    ordered = paths.sort(1).values
    position = torch.tensor(levels, dtype=paths.dtype, device=paths.device) * (paths.shape[1] - 1)
    low, high = ordered[:, position.floor().long()], ordered[:, position.ceil().long()]
    fraction = (position - position.floor())[None, :, None, None]
    return torch.lerp(low, high, fraction).movedim(1, -1)
