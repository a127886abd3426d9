"""Interpretation of a fitted network: hidden states, gates, attention and input gradients.

Results are deterministic: an autoregressive decoder is fed medians here, not random values of the
forecast distribution.

Axes: B windows, L past steps, H steps ahead, C targets, G patches, J patches ahead, K units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from rnnforecast.models.decoders.autoregressive import GroundTruth, decode_autoregressively
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.layers.attention import AttentionPooling
from rnnforecast.models.layers.stack import BidirectionalStack
from rnnforecast.models.scaling.window_scaler import WindowScaler

MEDIAN_LEVEL = (0.5,)


@dataclass(frozen=True)
class LayerActivations:
    """Activations of one layer for one window."""

    name: str
    outputs: Tensor
    """`[G, K]` output at each patch, the oldest first."""
    gates: dict[str, Tensor]
    """`[G, K]` each, from 0 to 1."""


@dataclass(frozen=True)
class AttentionMaps:
    """Attention weights of one window; each row adds up to 1."""

    decoder_attention: Tensor | None
    """`[J, G]` of each patch of the horizon over the lookback."""
    self_attention: tuple[Tensor, ...]
    """`[G, G]` for each layer: of each patch over itself and earlier ones, averaged over heads."""


@torch.no_grad()
def median_forecast(net: Forecaster, inputs: ModelInputs) -> Tensor:
    """The median `[B, H, C]`, or the forecast of a point head, in the units of the inputs."""
    with _medians_fed_back(net):
        raw, scaler = net.predict_raw(inputs)
    z = net.head.quantiles(raw.float(), scaler, MEDIAN_LEVEL)[..., 0]
    return scaler.stats.denormalize(z * net.global_scale)


@torch.no_grad()
def layer_activations(net: Forecaster, inputs: ModelInputs) -> list[LayerActivations]:
    """Activations of all layers of the backbone, from the bottom, for one window."""
    if isinstance(net.backbone, BidirectionalStack):
        stacks = {
            " forwards": net.backbone.forward_stack,
            " backwards": net.backbone.backward_stack,
        }
    else:
        stacks = {"": net.backbone}
    layers = {
        f"layer {number}{direction}": layer
        for direction, stack in stacks.items()
        for number, layer in enumerate(stack.layers, 1)
    }
    calls: dict[str, list[tuple[Any, Any]]] = {name: [] for name in layers}

    def record(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _, args, out: calls[name].append((args, out))

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_hook(record(name)).remove)
        with _medians_fed_back(net):
            net.predict_raw(inputs)
    found = []
    for name, layer in layers.items():
        outputs, gates = _lookback_activations(layer, calls[name], net.config.n_patches)
        if name.endswith("backwards"):
            outputs, gates = outputs.flip(0), {key: gate.flip(0) for key, gate in gates.items()}
        found.append(LayerActivations(name, outputs, gates))
    return found


def _lookback_activations(
    layer: nn.Module, calls: list[tuple[Any, Any]], n_patches: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Outputs `[G, K]` and gates of a layer in its first calls, which read the lookback; later
    calls are a decoder's."""
    outputs: list[Tensor] = []
    gates: dict[str, list[Tensor]] = {}
    for args, (out, _) in calls:
        if sum(map(len, outputs)) == n_patches:
            break
        outputs.append(out[0])
        activations = cast("Any", layer).gates(*args) if hasattr(layer, "gates") else {}
        for name, gate in activations.items():
            gates.setdefault(name, []).append(gate[0])
    return torch.cat(outputs), {name: torch.cat(parts) for name, parts in gates.items()}


@torch.no_grad()
def attention_maps(net: Forecaster, inputs: ModelInputs) -> AttentionMaps:
    """The attention weights of the network for one window; None and `()` without attention."""
    decoder_rows: list[Tensor] = []
    layers: list[list[Tensor]] = []
    with ExitStack() as hooks:
        for part in net.modules():
            if isinstance(part, AttentionPooling):
                hook = part.register_forward_hook(lambda _, __, out: decoder_rows.append(out[1][0]))
                hooks.callback(hook.remove)
            elif isinstance(part, nn.MultiheadAttention):
                maps: list[Tensor] = []
                layers.append(maps)
                request = part.register_forward_pre_hook(
                    lambda _, args, kwargs: (args, {**kwargs, "need_weights": True}),
                    with_kwargs=True,
                )
                hook = part.register_forward_hook(
                    lambda _, __, out, maps=maps: maps.append(out[1][0])
                )
                hooks.callback(request.remove)
                hooks.callback(hook.remove)
        with _medians_fed_back(net):
            net.predict_raw(inputs)
    self_attention = tuple(_join_attention_maps(maps, net.config.n_patches) for maps in layers)
    return AttentionMaps(torch.stack(decoder_rows) if decoder_rows else None, self_attention)


def _join_attention_maps(maps: list[Tensor], n_patches: int) -> Tensor:
    """Maps `[n, steps so far]` of consecutive calls as one `[G, G]`."""
    joined = maps[0].new_zeros(n_patches, n_patches)
    begin = 0
    for part in maps:
        if begin == n_patches:  # later calls are a decoder's
            break
        joined[begin : begin + len(part), : part.shape[1]] = part
        begin += len(part)
    return joined


def input_gradients(
    net: Forecaster, inputs: ModelInputs, target: int, *, recurrent_only: bool = False
) -> Tensor:
    """Gradients `[H, L, C]` of the forecast of one window with respect to its past values.

    Inputs and the location of `target` are normalized; window statistics and fed-back values are
    constants. Gradients of masked steps are 0. `recurrent_only` leaves out the base forecast.
    """
    horizon = net.config.horizon
    repeated = inputs.repeat_windows(horizon)  # one copy for each step ahead: a single pass
    shape = (horizon, net.config.lookback, repeated.values.shape[2])
    delta = torch.zeros(
        shape, dtype=net.global_scale.dtype, device=net.global_scale.device, requires_grad=True
    )
    base_forecast = net.base_forecast
    if recurrent_only:
        net.base_forecast = None
    try:
        location = forecast_location(net, repeated, delta)[..., target]  # [H, H]
        (gradients,) = torch.autograd.grad(location.diagonal().sum(), delta)
    finally:
        net.base_forecast = base_forecast
    return gradients


def forecast_location(net: Forecaster, inputs: ModelInputs, input_delta: Tensor) -> Tensor:
    """The normalized location `[B, H, C]` of the forecast if `input_delta [B, L, C]` is added to
    the normalized inputs; an autoregressive decoder is fed the same values as without it."""
    if net.scale_change is not None:
        return _forked_location(net, inputs, input_delta)
    truth = _median_ground_truth(net, inputs) if net.is_autoregressive else None
    inputs, scaler = net.prepare_inputs(inputs)
    with _full_teacher_forcing(net):
        raw = net(scaler.normalize_past(inputs.values) + input_delta, inputs, scaler, truth)
    return cast("Tensor", raw[..., net.head.location_index])


@torch.no_grad()
def _median_ground_truth(net: Forecaster, inputs: ModelInputs) -> GroundTruth:
    """The medians that an autoregressive decoder feeds back."""
    inputs, scaler = net.prepare_inputs(inputs)
    z = scaler.normalize_past(inputs.values).to(net.global_scale.dtype)
    encoded = net.encode(z, inputs)
    with _medians_fed_back(net):
        terms = net.additive_terms(z, inputs, encoded.last_output)
        _, medians = decode_autoregressively(net, encoded, inputs, scaler, terms)
    return GroundTruth(medians, torch.ones_like(medians, dtype=torch.bool))


def _forked_location(net: Forecaster, inputs: ModelInputs, input_delta: Tensor) -> Tensor:
    """`forecast_location` with forks: `input_delta` is added to each patch as normalized by the
    scaler of its own fork."""
    a, windows = net.config, len(input_delta)
    zeros = input_delta.new_zeros(windows, a.horizon, a.channels)
    extra_steps = inputs.values.shape[1] - input_delta.shape[1]
    padded = nn.functional.pad(input_delta, (0, 0, extra_steps, 0))
    deltas, _, _ = net.fork_windows(replace(inputs, values=padded), zeros, zeros)
    inputs, _, _ = net.fork_windows(inputs, zeros, zeros)
    inputs, scaler = net.prepare_inputs(inputs)
    n_forks = len(inputs.values) // windows
    z = scaler.normalize_past(inputs.values) + deltas.values[:, extra_steps:]
    raw = net.forward_forks(z, inputs, scaler)
    return raw[n_forks - 1 :: n_forks][..., net.head.location_index]


@contextmanager
def _medians_fed_back(net: Forecaster) -> Iterator[None]:
    """Context in which an autoregressive decoder is fed medians instead of random values."""
    head = net.head

    def median(raw: Tensor, scaler: WindowScaler) -> Tensor:
        return head.quantiles(raw, scaler, MEDIAN_LEVEL)[..., 0]

    head.sample = median  # type: ignore[method-assign]
    try:
        yield
    finally:
        del head.sample


@contextmanager
def _full_teacher_forcing(net: Forecaster) -> Iterator[None]:
    """Context in which an autoregressive decoder is fed only true values, if given."""
    progress, net.training_progress = net.training_progress, 0.0
    try:
        yield
    finally:
        net.training_progress = progress
