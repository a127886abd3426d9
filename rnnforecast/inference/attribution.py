"""What a net's forecasts hang on, found by asking it again with a part of its inputs changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.inputs import History
from rnnforecast.models.interpret import activations as looking
from rnnforecast.models.interpret import masking as hiding
from rnnforecast.training.dataset import Windows
from rnnforecast.types import Floats, Ints


@dataclass(frozen=True)
class Part:
    """Something that the net reads: steps of the targets' past, or columns of covariates."""

    name: str
    stretch: slice | None = None
    """Steps of what is read, from the oldest."""
    table: str = ""
    columns: slice = field(default_factory=lambda: slice(None))
    """Of a table of `History`."""


@dataclass(frozen=True)
class Insides:
    """What a net does with one window, as numpy arrays; see `models.looking`."""

    tracks: list[tuple[str, Floats, dict[str, Floats]]]
    """Name, hidden `[G, K]` and gates `[G, K]` of each layer."""
    ahead: Floats | None
    """`[J, G]`."""
    within: list[Floats]
    """`[G, G]` a layer."""
    slope: Floats
    recurrent: Floats | None
    """`[H, L, C]`; of the recurrent part alone where there is a linear one too."""


def insides(net: Forecaster, windows: Windows, item: int, origin: int, target: int) -> Insides:
    """All that can be seen of one window; slopes are those of the forecast of `target`."""
    history = _histories(net, windows, _one(item), _one(origin))
    looks = looking.looks(net, history)
    linear = net.first is not None
    recurrent = looking.reach(net, history, target, recurrent_only=True) if linear else None
    return Insides(
        tracks=[
            (track.name, _array(track.hidden), {k: _array(g) for k, g in track.gates.items()})
            for track in looking.tracks(net, history)
        ],
        ahead=None if looks.ahead is None else _array(looks.ahead),
        within=[_array(each) for each in looks.within],
        slope=_array(looking.reach(net, history, target)),
        recurrent=None if recurrent is None else _array(recurrent),
    )


def without(
    net: Forecaster, windows: Windows, item: int, origin: int, step_ranges: Sequence[slice]
) -> tuple[Floats, Floats]:
    """The median of one window, `[H, C]`, and those with each of the `stretches` hidden in turn,
    `[n, H, C]`; all as the net forecasts them, before any transform is undone.

    Stretches are steps of what is read, from the oldest.
    """
    history = _histories(net, windows, _one(item), _one(origin))
    observed, before = _around(net, windows, _one(item), _one(origin))
    start = torch.tensor([max(history.steps - origin, 0)])
    medians = [looking.median(net, history)]
    medians += [
        looking.median(net, hiding.hidden(history, observed, before, start, stretch))
        for stretch in step_ranges
    ]
    found = _array(torch.cat(medians))
    return found[0], found[1:]


def shuffled(
    net: Forecaster,
    windows: Windows,
    item: Ints,
    origin: Ints,
    groups: Sequence[Part],
    *,
    score: Callable[[Floats], float],
    repeats: int,
    seed: int,
) -> tuple[float, Floats]:
    """The `score` of the medians `[W, H, C]` of these windows, and by how much it changes when a
    part is shuffled between them: `[parts, repeats]`.

    All parts are shuffled by the same orders, which hang on the seed alone.
    """
    history = _histories(net, windows, item, origin)
    random = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(item), generator=random) for _ in range(repeats)]
    whole = score(_array(looking.median(net, history)))
    log = net.architecture.normalize in ("log_mean", "exponential_smoothing")
    changes = [
        [
            score(_array(looking.median(net, _changed(history, part, order, log=log)))) - whole
            for order in orders
        ]
        for part in groups
    ]
    return whole, np.array(changes, dtype=np.float64).reshape(len(groups), repeats)


def _changed(history: History, group: Part, order: Tensor, *, log: bool) -> History:
    if group.stretch is not None:
        return hiding.exchanged(history, order, group.stretch, use_logs=log)
    return hiding.swapped(history, order, group.table, group.columns)


def _histories(net: Forecaster, windows: Windows, item: Ints, origin: Ints) -> History:
    windows = windows.reaching(net.architecture.steps_read)
    at = torch.from_numpy(origin)
    return windows.gather(torch.from_numpy(item), at, at).history


def _around(
    net: Forecaster, windows: Windows, item: Ints, origin: Ints
) -> tuple[Tensor, hiding.Before]:
    """What was observed of the lookback, `[B, L, C]`, and the step before it."""
    wide = windows.reaching(net.architecture.steps_read + 1)
    wide.past_counts = True  # of the copy that `reaching` made
    at = torch.from_numpy(origin)
    history = wide.gather(torch.from_numpy(item), at, at).history
    assert history.counted is not None
    elapsed = history.elapsed
    elapsed = torch.zeros_like(history.values) if elapsed is None else elapsed
    before = hiding.Before(history.values[:, 0], history.present[:, 0], elapsed[:, 0])
    return history.counted[:, 1:], before


def _one(number: int) -> Ints:
    return np.array([number], dtype=np.int64)


def _array(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().cpu().double().numpy()
    return array
