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

from rnnforecast.models.backbones.transformer import Attention
from rnnforecast.models.decoders.decoders import FED_BACK
from rnnforecast.models.decoders.feedback import Truth, feed
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.heads.heads import Frame
from rnnforecast.models.inputs import History
from rnnforecast.models.layers.attention import Weights
from rnnforecast.models.layers.stack import BothWays, Stack

MEDIAN = (0.5,)


@dataclass(frozen=True)
class Track:
    """What one layer does while it reads one window."""

    name: str
    hidden: Tensor
    """`[G, K]` what it says after each segment, the oldest first."""
    gates: dict[str, Tensor]
    """`[G, K]` each, from 0 to 1, where it has any."""


@dataclass(frozen=True)
class Looks:
    """Attention of one window; the weights of a row add up to 1."""

    ahead: Tensor | None
    """`[J, G]` where each piece of the horizon looks in the lookback."""
    within: tuple[Tensor, ...]
    """`[G, G]` a layer: where each segment looks in what was read up to it, mean of its heads."""


@torch.no_grad()
def median(net: Forecaster, inputs: History) -> Tensor:
    """The median (of a net of one number: its forecast) `[B, H, C]`, in the history's units."""
    with _fed_medians(net):
        raw, frame = net.answer(inputs)
    z = net.head.quantiles(raw.float(), frame, MEDIAN)[..., 0]
    return frame.level.undo(z * net.unit)


@torch.no_grad()
def tracks(net: Forecaster, inputs: History) -> list[Track]:
    """All layers of the backbone, from below, while they read the one window of `history`."""
    both = isinstance(net.backbone, BothWays)
    stacks = {"": net.backbone}
    if isinstance(net.backbone, BothWays):
        stacks = {" forwards": net.backbone.forwards, " backwards": net.backbone.backwards}
    layers = {
        f"layer {depth}{way}": layer
        for way, stack in stacks.items()
        for depth, layer in enumerate(cast("Stack", stack).layers, 1)
    }
    calls: dict[str, list[tuple[Any, Any]]] = {name: [] for name in layers}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _, given, out: calls[name].append((given, out))

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_hook(keep(name)).remove)
        with _fed_medians(net):
            net.answer(inputs)
    found = []
    for name, layer in layers.items():
        hidden, gates = _of_lookback(layer, calls[name], _segments(net))
        if both and name.endswith("backwards"):
            hidden, gates = hidden.flip(0), {key: gate.flip(0) for key, gate in gates.items()}
        found.append(Track(name, hidden, gates))
    return found


def _segments(net: Forecaster) -> int:
    a = net.architecture
    return -(-a.lookback // a.segment)


def _of_lookback(
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
def looks(net: Forecaster, inputs: History) -> Looks:
    """Where the net looks in the one window of `history`, if it has attention."""
    ahead: list[Tensor] = []
    layers: list[list[Tensor]] = []
    with ExitStack() as hooks:
        for part in net.modules():
            if isinstance(part, Weights):
                hook = part.register_forward_hook(lambda _, __, out: ahead.append(out[1][0]))
                hooks.callback(hook.remove)
            elif isinstance(part, Attention):
                seen: list[Tensor] = []
                layers.append(seen)
                inner = part.block.self_attn
                asked = inner.register_forward_pre_hook(_asks_for_weights, with_kwargs=True)
                hook = inner.register_forward_hook(
                    lambda _, __, out, seen=seen: seen.append(out[1][0])
                )
                hooks.callback(asked.remove)
                hooks.callback(hook.remove)
        with _fed_medians(net):
            net.answer(inputs)
    within = tuple(_square(seen, _segments(net)) for seen in layers)
    return Looks(torch.stack(ahead) if ahead else None, within)


def _asks_for_weights(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
    return args, {**kwargs, "need_weights": True}


def _square(maps: list[Tensor], n_patches: int) -> Tensor:
    """Maps of the steps that were read one after the other, `[n, seen so far]`, as `[G, G]`."""
    whole = maps[0].new_zeros(n_patches, n_patches)
    begin = 0
    for part in maps:
        if begin == n_patches:  # what follows is no part of the lookback
            break
        whole[begin : begin + len(part), : part.shape[1]] = part
        begin += len(part)
    return whole


def reach(net: Forecaster, inputs: History, target: int, *, recurrent_only: bool = False) -> Tensor:
    """How each step ahead hangs on each step read: `[H, L, C]`, of one window.

    The slope of the forecast of `target` over the normalised input, both in the net's units; the
    level that was taken out counts as given, and so does what a decoder is fed. A step before the
    series, or where nothing stands, has none. `recurrent`: without the linear map from lookback to
    horizon. Of a distribution its location is taken, of a difference the differences.
    """
    horizon = net.architecture.horizon
    many = inputs.repeated(horizon)  # a copy a step ahead: one pass for all
    shape = (horizon, net.architecture.lookback, many.values.shape[2])
    nudge = torch.zeros(shape, dtype=net.unit.dtype, device=net.unit.device, requires_grad=True)
    first = net.first
    if recurrent_only:
        net.first = None
    try:
        location = located(net, many, nudge)[..., target]  # [H, H]
        (slope,) = torch.autograd.grad(location.diagonal().sum(), nudge)
    finally:
        net.first = first
    return slope


def located(net: Forecaster, inputs: History, input_delta: Tensor) -> Tensor:
    """The location of the forecast `[B, H, C]`, the net's units, where `nudge [B, L, C]` is added
    to what it reads. What a decoder is fed stays what it is fed without."""
    if net.change is not None:
        return _forked(net, inputs, input_delta)
    truth = _fed(net, inputs) if net.architecture.decoder in FED_BACK else None
    inputs, frame = net.read(inputs)
    with _all_taught(net):
        raw = net(frame.past(inputs.values) + input_delta, inputs, frame, truth)
    return cast("Tensor", raw[..., net.head.middle])


@torch.no_grad()
def _fed(net: Forecaster, inputs: History) -> Truth:
    """The medians that a decoder feeds back to itself."""
    inputs, frame = net.read(inputs)
    z = frame.past(inputs.values).to(net.unit.dtype)
    encoded = net._encode(z, inputs)
    with _fed_medians(net):
        extra = net._extra(z, inputs, encoded.last)
        _, picked = feed(net, encoded, inputs, frame, extra)
    return Truth(picked, torch.ones_like(picked, dtype=torch.bool))


def _forked(net: Forecaster, inputs: History, input_delta: Tensor) -> Tensor:
    """`located` for a net that forks: each segment is read by the level of its own fork, and what
    is added to it counts in that."""
    a, windows = net.architecture, len(input_delta)
    nothing = input_delta.new_zeros(windows, a.horizon, a.channels)
    spare = inputs.values.shape[1] - input_delta.shape[1]
    padded = nn.functional.pad(input_delta, (0, 0, spare, 0))
    moved, _, _ = net._forks(replace(inputs, values=padded), nothing, nothing)
    inputs, _, _ = net._forks(inputs, nothing, nothing)
    inputs, frame = net.read(inputs)
    forks = len(inputs.values) // windows
    raw = net._forked(frame.past(inputs.values) + moved.values[:, spare:], inputs, frame)
    return raw[forks - 1 :: forks][..., net.head.middle]


@contextmanager
def _fed_medians(net: Forecaster) -> Iterator[None]:
    """Where a forecast is fed back, its median is, and none of its random values."""
    head = net.head

    def middle(raw: Tensor, frame: Frame) -> Tensor:
        return head.quantiles(raw, frame, MEDIAN)[..., 0]

    head.draw = middle  # type: ignore[method-assign]
    try:
        yield
    finally:
        del head.draw


@contextmanager
def _all_taught(net: Forecaster) -> Iterator[None]:
    """All that is fed is the truth given, however far the training had come."""
    progress, net.progress = net.progress, 0.0
    try:
        yield
    finally:
        net.progress = progress
