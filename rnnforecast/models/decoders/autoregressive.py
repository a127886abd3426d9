"""Runs a fed-back decoder: segment by segment, each fed the true values or the net's own.

In training `Truth` is fed, all of it at once (teacher forcing), or for a share of the windows that
falls as training goes on (scheduled sampling: Bengio et al. 2015, arXiv:1506.03099). In use a
distribution's drawn values are fed back, which makes each run a sample path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from rnnforecast.models.decoders.decoders import AutoregressiveDecoder, EncoderOutput
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.scaling.window_scaler import WindowScaler

if TYPE_CHECKING:
    from rnnforecast.models.forecaster import Forecaster


@dataclass(frozen=True)
class GroundTruth:
    """The future: the net's values and whether they are known, both `[B, H, C]`."""

    values: Tensor
    target_mask: Tensor


def decode_autoregressively(
    net: Forecaster,
    encoder_output: EncoderOutput,
    inputs: ModelInputs,
    scaler: WindowScaler,
    additive_terms: Tensor,
    truth: GroundTruth | None = None,
) -> tuple[Tensor, Tensor]:
    """Raw numbers `[B, H, C, P]`, and without `truth` the values that were picked `[B, H, C]`.

    `extra` broadcasts to the raw numbers and is added to them.
    """
    a, decoder = net.config, cast("AutoregressiveDecoder", net.decoder)
    additive_terms = additive_terms.expand(-1, a.horizon, -1, -1)
    share = 1.0 - (1.0 - a.teacher_forcing) * net.training_progress
    piece, carried = decoder.first_patch(encoder_output)
    if truth is not None and share >= 1.0:
        pieces = _teacher_forced_patches(net, piece, carried, encoder_output, inputs, truth)
        return net.project_output(pieces)[:, : a.horizon] + additive_terms, truth.values
    raws, picks = [], []
    for begin in range(0, a.horizon, a.patch_length):
        steps = slice(begin, min(begin + a.patch_length, a.horizon))
        raw = (
            net.project_output(piece.unsqueeze(1))[:, : steps.stop - begin]
            + additive_terms[:, steps]
        )
        raws.append(raw)
        with torch.no_grad():
            picks.append(net.head.sample(raw.float(), scaler.select_steps(steps)).to(raw.dtype))
        if steps.stop == a.horizon:
            break
        fed, seen = _next_decoder_values(picks[-1], truth, steps, share)
        x = _embed_future(net, fed, seen, inputs, begin)
        rest, carried = decoder.next_patches(x, carried, encoder_output, net.causal_backbone)
        piece = rest[:, 0]
    return torch.cat(raws, 1), torch.cat(picks, 1)


def _teacher_forced_patches(
    net: Forecaster,
    first_patch: Tensor,
    carry: tuple[Tensor, ...],
    encoder_output: EncoderOutput,
    inputs: ModelInputs,
    truth: GroundTruth,
) -> Tensor:
    """All pieces `[B, J, K]` in one run: what is fed is known beforehand."""
    a = net.config
    fed = (
        -(-a.horizon // a.patch_length) - 1
    ) * a.patch_length  # steps of all segments but the last
    if not fed:
        return first_patch.unsqueeze(1)
    x = _embed_future(net, truth.values[:, :fed], truth.target_mask[:, :fed], inputs, 0)
    rest, _ = cast("AutoregressiveDecoder", net.decoder).next_patches(
        x, carry, encoder_output, net.causal_backbone
    )
    return torch.cat([first_patch.unsqueeze(1), rest], 1)


def _next_decoder_values(
    forecast: Tensor, truth: GroundTruth | None, steps: slice, truth_share: float
) -> tuple[Tensor, Tensor]:
    """What is fed after `steps`, and which of it is known, `[B, T, C]`: in a `share` of the windows
    the truth."""
    if truth is None:
        return forecast, torch.ones_like(forecast, dtype=torch.bool)
    taught = torch.rand(len(forecast), 1, 1, device=forecast.device) < truth_share
    return (
        torch.where(taught, truth.values[:, steps], forecast),
        ~taught | truth.target_mask[:, steps],
    )


def _embed_future(
    net: Forecaster, values: Tensor, value_mask: Tensor, inputs: ModelInputs, begin: int
) -> Tensor:
    """The net's values `[B, T, C]` of steps ahead as the lookback is embedded, `[B, J, K]`."""
    fed: Tensor = net.embedding(values, inputs.decoder_inputs(value_mask, begin))
    return fed


def path_quantiles(paths: Tensor, levels: Sequence[float]) -> Tensor:
    """Quantiles `[B, H, C, Q]` of `paths [B, count, H, C]`, between two on a straight line."""
    ordered = paths.sort(1).values
    place = torch.tensor(levels, dtype=paths.dtype, device=paths.device) * (paths.shape[1] - 1)
    low, high = ordered[:, place.floor().long()], ordered[:, place.ceil().long()]
    share = (place - place.floor())[None, :, None, None]
    return torch.lerp(low, high, share).movedim(1, -1)
