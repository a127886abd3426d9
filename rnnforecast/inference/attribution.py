"""What a net's forecasts hang on, found by asking it again with a part of its inputs changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.interpret import activations as looking
from rnnforecast.models.interpret import occlusion as hiding
from rnnforecast.registry import WINDOW_SCALERS
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.types import Floats, Ints


@dataclass(frozen=True)
class InputGroup:
    """Something that the net reads: steps of the targets' past, or columns of covariates."""

    name: str
    steps: slice | None = None
    """Steps of what is read, from the oldest."""
    table: str = ""
    columns: slice = field(default_factory=lambda: slice(None))
    """Of a table of `History`."""


@dataclass(frozen=True)
class WindowInspection:
    """What a net does with one window, as numpy arrays; see `models.looking`."""

    layers: list[tuple[str, Floats, dict[str, Floats]]]
    """Name, hidden `[G, K]` and gates `[G, K]` of each layer."""
    decoder_attention: Floats | None
    """`[J, G]`."""
    self_attention: list[Floats]
    """`[G, G]` a layer."""
    gradients: Floats
    recurrent_gradients: Floats | None
    """`[H, L, C]`; of the recurrent part alone where there is a linear one too."""


def inspect_window(
    net: Forecaster, windows: WindowDataset, item: int, origin: int, target: int
) -> WindowInspection:
    """All that can be seen of one window; slopes are those of the forecast of `target`."""
    history = _gather_histories(net, windows, _as_index(item), _as_index(origin))
    looks = looking.attention_maps(net, history)
    linear = net.base_forecast is not None
    recurrent = (
        looking.input_gradients(net, history, target, recurrent_only=True) if linear else None
    )
    return WindowInspection(
        layers=[
            (
                track.name,
                _to_numpy(track.outputs),
                {k: _to_numpy(g) for k, g in track.gates.items()},
            )
            for track in looking.layer_activations(net, history)
        ],
        decoder_attention=None
        if looks.decoder_attention is None
        else _to_numpy(looks.decoder_attention),
        self_attention=[_to_numpy(each) for each in looks.self_attention],
        gradients=_to_numpy(looking.input_gradients(net, history, target)),
        recurrent_gradients=None if recurrent is None else _to_numpy(recurrent),
    )


def occluded_medians(
    net: Forecaster, windows: WindowDataset, item: int, origin: int, step_ranges: Sequence[slice]
) -> tuple[Floats, Floats]:
    """The median of one window, `[H, C]`, and those with each of the `stretches` hidden in turn,
    `[n, H, C]`; all as the net forecasts them, before any transform is undone.

    Stretches are steps of what is read, from the oldest.
    """
    history = _gather_histories(net, windows, _as_index(item), _as_index(origin))
    observed, before = _observed_and_previous(net, windows, _as_index(item), _as_index(origin))
    start = torch.tensor([max(history.steps - origin, 0)])
    medians = [looking.median_forecast(net, history)]
    medians += [
        looking.median_forecast(
            net, hiding.occlude_steps(history, observed, before, start, stretch)
        )
        for stretch in step_ranges
    ]
    found = _to_numpy(torch.cat(medians))
    return found[0], found[1:]


def permutation_importance(
    net: Forecaster,
    windows: WindowDataset,
    item: Ints,
    origin: Ints,
    groups: Sequence[InputGroup],
    *,
    score: Callable[[Floats], float],
    repeats: int,
    seed: int,
) -> tuple[float, Floats]:
    """The `score` of the medians `[W, H, C]` of these windows, and by how much it changes when a
    part is shuffled between them: `[parts, repeats]`.

    All parts are shuffled by the same orders, which hang on the seed alone.
    """
    history = _gather_histories(net, windows, item, origin)
    random = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(item), generator=random) for _ in range(repeats)]
    whole = score(_to_numpy(looking.median_forecast(net, history)))
    log = "log" in WINDOW_SCALERS.traits(net.config.normalize)
    changes = [
        [
            score(
                _to_numpy(
                    looking.median_forecast(net, _permute_group(history, part, order, log=log))
                )
            )
            - whole
            for order in orders
        ]
        for part in groups
    ]
    return whole, np.array(changes, dtype=np.float64).reshape(len(groups), repeats)


def _permute_group(
    history: ModelInputs, group: InputGroup, order: Tensor, *, log: bool
) -> ModelInputs:
    if group.steps is not None:
        return hiding.exchange_targets(history, order, group.steps, use_logs=log)
    return hiding.exchange_covariates(history, order, group.table, group.columns)


def _gather_histories(
    net: Forecaster, windows: WindowDataset, item: Ints, origin: Ints
) -> ModelInputs:
    windows = windows.with_lookback(net.config.input_length)
    at = torch.from_numpy(origin)
    return windows.gather(torch.from_numpy(item), at, at).history


def _observed_and_previous(
    net: Forecaster, windows: WindowDataset, item: Ints, origin: Ints
) -> tuple[Tensor, hiding.PrecedingStep]:
    """What was observed of the lookback, `[B, L, C]`, and the step before it."""
    wide = windows.with_lookback(net.config.input_length + 1)
    wide.include_past_target_mask = True  # of the copy that `reaching` made
    at = torch.from_numpy(origin)
    history = wide.gather(torch.from_numpy(item), at, at).history
    assert history.target_mask is not None
    elapsed = history.elapsed
    elapsed = torch.zeros_like(history.values) if elapsed is None else elapsed
    before = hiding.PrecedingStep(history.values[:, 0], history.input_mask[:, 0], elapsed[:, 0])
    return history.target_mask[:, 1:], before


def _as_index(number: int) -> Ints:
    return np.array([number], dtype=np.int64)


def _to_numpy(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().cpu().double().numpy()
    return array
