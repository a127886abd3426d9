"""Attribution of forecasts to inputs: gradients, occlusion, permutation importance.

Axes: W windows, L steps of the lookback, H steps of the horizon, C targets, G patches of the
lookback, J patches of the horizon, K hidden units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.interpret import activations, occlusion
from rnnforecast.registry import WINDOW_SCALERS
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.types import Floats, Ints


@dataclass(frozen=True)
class InputGroup:
    """Past steps of the targets, or columns of covariates.

    Exactly one of `steps` and `covariate_field` is set.
    """

    name: str
    steps: slice | None = None
    """Steps of the lookback; 0 is the oldest."""
    covariate_field: str = ""
    """Name of a field of `ModelInputs`."""
    columns: slice = field(default_factory=lambda: slice(None))
    """Columns of that field."""


@dataclass(frozen=True)
class WindowInspection:
    """Activations, attention and gradients of one window; see `interpret.activations`."""

    layers: list[tuple[str, Floats, dict[str, Floats]]]
    """Name, outputs `[G, K]` and gates `[G, K]` of each layer."""
    decoder_attention: Floats | None
    """`[J, G]`; None without decoder attention."""
    self_attention: list[Floats]
    """`[G, G]` for each self-attention layer."""
    gradients: Floats
    """`[H, L, C]`."""
    recurrent_gradients: Floats | None
    """`[H, L, C]` gradients of the recurrent part alone; None without a base forecast."""


def inspect_window(
    net: Forecaster, windows: WindowDataset, item: int, origin: int, target: int
) -> WindowInspection:
    """Activations and attention in one window, and the gradients of its forecast of `target`."""
    history = _gather_histories(net, windows, _as_index(item), _as_index(origin))
    attention = activations.attention_maps(net, history)
    recurrent_gradients = None
    if net.base_forecast is not None:
        recurrent_gradients = _to_numpy(
            activations.input_gradients(net, history, target, recurrent_only=True)
        )
    return WindowInspection(
        layers=[
            (
                layer.name,
                _to_numpy(layer.outputs),
                {name: _to_numpy(gate) for name, gate in layer.gates.items()},
            )
            for layer in activations.layer_activations(net, history)
        ],
        decoder_attention=None
        if attention.decoder_attention is None
        else _to_numpy(attention.decoder_attention),
        self_attention=[_to_numpy(weights) for weights in attention.self_attention],
        gradients=_to_numpy(activations.input_gradients(net, history, target)),
        recurrent_gradients=recurrent_gradients,
    )


def occluded_medians(
    net: Forecaster, windows: WindowDataset, item: int, origin: int, step_ranges: Sequence[slice]
) -> tuple[Floats, Floats]:
    """Median forecast of one window, `[H, C]`, and with each range of steps occluded, `[n, H, C]`.

    Values are as before the target transform is inverted. `step_ranges` are slices of the lookback;
    0 is its oldest step.
    """
    history = _gather_histories(net, windows, _as_index(item), _as_index(origin))
    target_mask, preceding = _target_mask_and_preceding(
        net, windows, _as_index(item), _as_index(origin)
    )
    start = torch.tensor([max(history.steps - origin, 0)])
    medians = [activations.median_forecast(net, history)]
    medians += [
        activations.median_forecast(
            net, occlusion.occlude_steps(history, target_mask, preceding, start, step_range)
        )
        for step_range in step_ranges
    ]
    values = _to_numpy(torch.cat(medians))
    return values[0], values[1:]


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
    """The score of the median forecasts `[W, H, C]`, and its changes `[groups, repeats]`.

    Each change is the score after permuting one group between windows, minus the baseline. All
    groups are permuted in the same orders, which depend on the seed alone.
    """
    history = _gather_histories(net, windows, item, origin)
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(item), generator=generator) for _ in range(repeats)]
    baseline = score(_to_numpy(activations.median_forecast(net, history)))
    use_logs = "log" in WINDOW_SCALERS.traits(net.config.normalize)
    changes = [
        [
            score(
                _to_numpy(
                    activations.median_forecast(
                        net, _permute_group(history, group, order, use_logs=use_logs)
                    )
                )
            )
            - baseline
            for order in orders
        ]
        for group in groups
    ]
    return baseline, np.array(changes, dtype=np.float64).reshape(len(groups), repeats)


def _permute_group(
    history: ModelInputs, group: InputGroup, order: Tensor, *, use_logs: bool
) -> ModelInputs:
    if group.steps is not None:
        return occlusion.exchange_targets(history, order, group.steps, use_logs=use_logs)
    return occlusion.exchange_covariates(history, order, group.covariate_field, group.columns)


def _gather_histories(
    net: Forecaster, windows: WindowDataset, item: Ints, origin: Ints
) -> ModelInputs:
    windows = windows.with_lookback(net.config.input_length)
    origins = torch.from_numpy(origin)
    return windows.gather(torch.from_numpy(item), origins, origins).history


def _target_mask_and_preceding(
    net: Forecaster, windows: WindowDataset, item: Ints, origin: Ints
) -> tuple[Tensor, occlusion.PrecedingStep]:
    """The target mask of the lookback, `[W, L, C]`, and the step before the lookback."""
    wide = windows.with_lookback(net.config.input_length + 1)
    wide.include_past_target_mask = True  # of the copy alone
    origins = torch.from_numpy(origin)
    history = wide.gather(torch.from_numpy(item), origins, origins).history
    assert history.target_mask is not None
    elapsed = history.elapsed
    elapsed = torch.zeros_like(history.values) if elapsed is None else elapsed
    first = history.values[:, 0], history.input_mask[:, 0], elapsed[:, 0]
    return history.target_mask[:, 1:], occlusion.PrecedingStep(*first)


def _as_index(number: int) -> Ints:
    return np.array([number], dtype=np.int64)


def _to_numpy(tensor: Tensor) -> Floats:
    array: Floats = tensor.detach().cpu().double().numpy()
    return array
