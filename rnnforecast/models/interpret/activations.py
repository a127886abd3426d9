"""Looking into a fitted net: its units and gates over time, attention, how far gradients reach.

Nothing is left to chance: a decoder that is fed what it forecast is fed its medians here, where in
use a distribution's drawn values are fed.

Axes: B windows, L past steps, H steps ahead, C targets, G segments, K units.
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
from rnnforecast.models.layers.stack import BidirectionalStack, RecurrentStack
from rnnforecast.models.scaling.window_scaler import WindowScaler

MEDIAN_LEVEL = (0.5,)


@dataclass(frozen=True)
class LayerActivations:
    """What one layer does while it reads one window."""

    name: str
    outputs: Tensor
    """`[G, K]` what it says after each segment, the oldest first."""
    gates: dict[str, Tensor]
    """`[G, K]` each, from 0 to 1, where it has any."""


@dataclass(frozen=True)
class AttentionMaps:
    """Attention of one window; the weights of a row add up to 1."""

    decoder_attention: Tensor | None
    """`[J, G]` where each piece of the horizon looks in the lookback."""
    self_attention: tuple[Tensor, ...]
    """`[G, G]` a layer: where each segment looks in what was read up to it, mean of its heads."""


@torch.no_grad()
def median_forecast(net: Forecaster, inputs: ModelInputs) -> Tensor:
    """The median (of a net of one number: its forecast) `[B, H, C]`, in the history's units."""
    with _medians_fed_back(net):
        raw, frame = net.predict_raw(inputs)
    z = net.head.quantiles(raw.float(), frame, MEDIAN_LEVEL)[..., 0]
    return frame.stats.denormalize(z * net.global_scale)


@torch.no_grad()
def layer_activations(net: Forecaster, inputs: ModelInputs) -> list[LayerActivations]:
    """All layers of the backbone, from below, while they read the one window of `history`."""
    both = isinstance(net.backbone, BidirectionalStack)
    stacks = {"": net.backbone}
    if isinstance(net.backbone, BidirectionalStack):
        stacks = {
            " forwards": net.backbone.forward_stack,
            " backwards": net.backbone.backward_stack,
        }
    layers = {
        f"layer {depth}{way}": layer
        for way, stack in stacks.items()
        for depth, layer in enumerate(cast("RecurrentStack", stack).layers, 1)
    }
    calls: dict[str, list[tuple[Any, Any]]] = {name: [] for name in layers}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _, given, out: calls[name].append((given, out))

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_hook(keep(name)).remove)
        with _medians_fed_back(net):
            net.predict_raw(inputs)
    found = []
    for name, layer in layers.items():
        hidden, gates = _lookback_activations(layer, calls[name], _n_patches(net))
        if both and name.endswith("backwards"):
            hidden, gates = hidden.flip(0), {key: gate.flip(0) for key, gate in gates.items()}
        found.append(LayerActivations(name, hidden, gates))
    return found


def _n_patches(net: Forecaster) -> int:
    a = net.config
    return -(-a.lookback // a.patch_length)


def _lookback_activations(
    layer: nn.Module, calls: list[tuple[Any, Any]], n_patches: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """What a layer said `[G, K]`, and its gates, while it read the lookback: the first calls; in
    later ones a decoder goes on with it."""
    outs: list[Tensor] = []
    gates: dict[str, list[Tensor]] = {}
    for given, (out, _) in calls:
        if sum(map(len, outs)) == n_patches:
            break
        outs.append(out[0])
        told = cast("Any", layer).gates(*given) if hasattr(layer, "gates") else {}
        for name, gate in told.items():
            gates.setdefault(name, []).append(gate[0])
    return torch.cat(outs), {name: torch.cat(parts) for name, parts in gates.items()}


@torch.no_grad()
def attention_maps(net: Forecaster, inputs: ModelInputs) -> AttentionMaps:
    """Where the net looks in the one window of `history`, if it has attention."""
    ahead: list[Tensor] = []
    layers: list[list[Tensor]] = []
    with ExitStack() as hooks:
        for part in net.modules():
            if isinstance(part, AttentionPooling):
                hook = part.register_forward_hook(lambda _, __, out: ahead.append(out[1][0]))
                hooks.callback(hook.remove)
            elif isinstance(part, nn.MultiheadAttention):
                maps: list[Tensor] = []
                layers.append(maps)
                request = part.register_forward_pre_hook(
                    _request_attention_weights, with_kwargs=True
                )
                hook = part.register_forward_hook(
                    lambda _, __, out, maps=maps: maps.append(out[1][0])
                )
                hooks.callback(request.remove)
                hooks.callback(hook.remove)
        with _medians_fed_back(net):
            net.predict_raw(inputs)
    within = tuple(_join_attention_maps(seen, _n_patches(net)) for seen in layers)
    return AttentionMaps(torch.stack(ahead) if ahead else None, within)


def _request_attention_weights(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    return args, {**kwargs, "need_weights": True}


def _join_attention_maps(maps: list[Tensor], n_patches: int) -> Tensor:
    """Maps of the steps that were read one after the other, `[n, seen so far]`, as `[G, G]`."""
    whole = maps[0].new_zeros(n_patches, n_patches)
    begin = 0
    for part in maps:
        if begin == n_patches:  # what follows is no part of the lookback
            break
        whole[begin : begin + len(part), : part.shape[1]] = part
        begin += len(part)
    return whole


def input_gradients(
    net: Forecaster, inputs: ModelInputs, target: int, *, recurrent_only: bool = False
) -> Tensor:
    """How each step ahead hangs on each step read: `[H, L, C]`, of one window.

    The slope of the forecast of `target` over the normalised input, both in the net's units; the
    level that was taken out counts as given, and so does what a decoder is fed. A step before the
    series, or where nothing stands, has none. `recurrent`: without the linear map from lookback to
    horizon. Of a distribution its location is taken, of a difference the differences.
    """
    horizon = net.config.horizon
    many = inputs.repeat_windows(horizon)  # a copy a step ahead: one pass for all
    shape = (horizon, net.config.lookback, many.values.shape[2])
    nudge = torch.zeros(
        shape, dtype=net.global_scale.dtype, device=net.global_scale.device, requires_grad=True
    )
    first = net.base_forecast
    if recurrent_only:
        net.base_forecast = None
    try:
        location = forecast_location(net, many, nudge)[..., target]  # [H, H]
        (slope,) = torch.autograd.grad(location.diagonal().sum(), nudge)
    finally:
        net.base_forecast = first
    return slope


def forecast_location(net: Forecaster, inputs: ModelInputs, input_delta: Tensor) -> Tensor:
    """The location of the forecast `[B, H, C]`, the net's units, where `nudge [B, L, C]` is added
    to what it reads. What a decoder is fed stays what it is fed without."""
    if net.scale_change is not None:
        return _forked_location(net, inputs, input_delta)
    truth = _median_ground_truth(net, inputs) if net.is_autoregressive else None
    inputs, frame = net.prepare_inputs(inputs)
    with _full_teacher_forcing(net):
        raw = net(frame.normalize_past(inputs.values) + input_delta, inputs, frame, truth)
    return cast("Tensor", raw[..., net.head.location_index])


@torch.no_grad()
def _median_ground_truth(net: Forecaster, inputs: ModelInputs) -> GroundTruth:
    """The medians that a decoder feeds back to itself."""
    inputs, frame = net.prepare_inputs(inputs)
    z = frame.normalize_past(inputs.values).to(net.global_scale.dtype)
    encoded = net.encode(z, inputs)
    with _medians_fed_back(net):
        extra = net.additive_terms(z, inputs, encoded.last_output)
        _, picked = decode_autoregressively(net, encoded, inputs, frame, extra)
    return GroundTruth(picked, torch.ones_like(picked, dtype=torch.bool))


def _forked_location(net: Forecaster, inputs: ModelInputs, input_delta: Tensor) -> Tensor:
    """`located` for a net that forks: each segment is read by the level of its own fork, and what
    is added to it counts in that."""
    a, windows = net.config, len(input_delta)
    nothing = input_delta.new_zeros(windows, a.horizon, a.channels)
    spare = inputs.values.shape[1] - input_delta.shape[1]
    padded = nn.functional.pad(input_delta, (0, 0, spare, 0))
    moved, _, _ = net.fork_windows(replace(inputs, values=padded), nothing, nothing)
    inputs, _, _ = net.fork_windows(inputs, nothing, nothing)
    inputs, frame = net.prepare_inputs(inputs)
    forks = len(inputs.values) // windows
    raw = net.forward_forks(
        frame.normalize_past(inputs.values) + moved.values[:, spare:], inputs, frame
    )
    return raw[forks - 1 :: forks][..., net.head.location_index]


@contextmanager
def _medians_fed_back(net: Forecaster) -> Iterator[None]:
    """Where a forecast is fed back, its median is, and none of its random values."""
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
    """All that is fed is the truth given, however far the training had come."""
    progress, net.training_progress = net.training_progress, 0.0
    try:
        yield
    finally:
        net.training_progress = progress
