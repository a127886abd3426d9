"""From a panel to forecasts of its series: where `train` and `predict` ask the net."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnforecast.data.cleaning.transforms import Bounds, Transform, back_transformed_mean
from rnnforecast.data.cleaning_plan import Cleaned
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.windows.origins import Index, at, first_observed
from rnnforecast.evaluation.calibration import AS_IT_IS, Widening, residual_quantiles
from rnnforecast.evaluation.ensembling import Combination
from rnnforecast.inference import quantiles as inference
from rnnforecast.models.compatibility import MEANS
from rnnforecast.models.config import Architecture
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.training import device
from rnnforecast.training.dataset import Tables, Windows
from rnnforecast.types import Floats, Ints

FEW_ERRORS = 30
"""With fewer windows than this the errors of all steps are pooled into one set of quantiles."""


SHARES = tuple((k + 0.5) / 21 for k in range(21))
"""Levels of equally likely values, which a mean is taken over when a scale is undone."""


ALONE = Combination()


@dataclass(frozen=True)
class Member:
    """One network of a forecaster."""

    net: Forecaster
    residuals: Floats | None = None
    """Those of `calibrate`, for a point head."""


@dataclass(frozen=True)
class Rules:
    """How what the networks say becomes a forecast in original units."""

    quantiles: tuple[float, ...]
    transform: Transform
    bounds: Bounds
    combination: Combination = ALONE
    widening: Widening = AS_IT_IS
    items: tuple[str, ...] = ()
    """Names of the items whose smoothing was learnt; see `item_names`."""


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of S series in original units; NaN where nothing was ever observed.

    `yhat [S, H, C]` and `quantiles [S, H, C, Q]`.
    """

    yhat: Floats
    quantiles: Floats


def windows_of(
    cleaned: Cleaned,
    configs: Sequence[Architecture],
    torch_device: device.Device,
    smoothed_items: Sequence[str] = (),
) -> Windows:
    """The panel on the device `place`, ready to be cut into the windows of each net.

    `items` are the names of the training's items, where a net has learnt something of each.
    """
    filled, features, panel = cleaned.filled, cleaned.features, cleaned.panel
    smooth = any(a.normalize == "exponential_smoothing" for a in configs)
    tables = Tables(
        inputs=filled.inputs,
        visible=filled.visible,
        present=filled.present,
        observed=cleaned.counted,
        offsets=panel.offsets,
        causal=filled.causal,
        known_from=filled.known_from,
        elapsed=filled.elapsed if any(a.covariates.elapsed for a in configs) else None,
        past=_or_none(features.past),
        past_codes=_or_none(features.past_codes),
        known=_or_none(features.future),
        known_codes=_or_none(features.future_codes),
        static=_or_none(features.static),
        static_codes=_or_none(features.static_codes),
        ahead=features.horizon,
        items=_places(item_names(panel), smoothed_items) if smooth else None,
        phase=panel.start if smooth else None,
        past_counts=any(a.decoder == "forking" for a in configs),
    )
    return Windows(
        tables,
        lookback=max(a.steps_read for a in configs),
        horizon=configs[0].horizon,
        device=torch_device,
        joint=configs[0].channels > 1,
    )


def item_names(panel: Panel) -> list[str]:
    """A name for each item `[S * C]`: keys and target, so written that no two are alike."""
    keys = panel.keys.astype(str).to_numpy().tolist()
    return [json.dumps([*key, name]) for key in keys for name in panel.targets_names]


def _places(names: Sequence[str], known: Sequence[str]) -> Ints:
    """Where each of `names` stands in `known`; beyond its end for a new one."""
    found = pd.Index(known).get_indexer(pd.Index(names))
    return np.where(found < 0, len(known), found).astype(np.int64)


def _or_none(table: NDArray[np.generic]) -> NDArray[Any] | None:
    return table if table.shape[1] else None


def items_of(cleaned: Cleaned, *, joint: bool) -> NDArray[np.bool_]:
    """What is learnt from, a column an item of a series: `[N, C]`, or `[N, 1]` where all targets
    of a series are one item."""
    counted = cleaned.counted
    return np.asarray(counted.any(axis=1, keepdims=True)) if joint else counted


def levels_with_median(quantiles: Sequence[float]) -> tuple[float, ...]:
    """The quantiles a head must have to serve the wanted ones: those, and the median."""
    return tuple(sorted({*quantiles, 0.5}))


def levels_asked(quantiles: Sequence[float], loss: str) -> tuple[float, ...]:
    """The levels at which a point head's errors are kept, or a quantile head answers.

    A mean is undone as the mean of many equally likely values, so for `MEANS` those are kept too.
    """
    shares = SHARES if loss in MEANS else ()
    return tuple(sorted({*levels_with_median(quantiles), *shares}))


def calibrate(
    net: Forecaster, windows: Windows, index: Index, quantiles: Sequence[float]
) -> Floats:
    """What a point head's errors on these windows say of its quantiles: `[H, Q]`, normalised.

    `index` should hold windows that were not trained on; Q are those of `levels_asked`, of which
    the median is not moved. See `evaluation.conformal`.
    """
    windows = windows.reaching(net.architecture.steps_read)
    errors = inference.normalised_errors(net, windows, index.item, index.origin)  # [W, H, C]
    errors = errors.swapaxes(1, 2).reshape(-1, errors.shape[1])  # [W * C, H]
    levels = levels_asked(quantiles, net.architecture.loss)
    if len(errors) < FEW_ERRORS:
        pooled = residual_quantiles(errors.reshape(-1, 1), levels)
        residuals = np.repeat(pooled, errors.shape[1], 0)
    else:
        residuals = residual_quantiles(errors, levels)
    residuals = np.nan_to_num(residuals)  # a step of the horizon that was never observed
    residuals[:, levels.index(0.5)] = 0.0
    below = np.minimum(residuals, 0.0)
    above = np.maximum(residuals, 0.0)
    residuals = np.where(np.array(levels) < 0.5, below, above)
    if net.architecture.loss in MEANS:  # the net's own answer is the mean: they say how it varies
        moved = [levels.index(level) for level in SHARES if level not in (0.5, *quantiles)]
        residuals[:, moved] -= residuals[:, moved].mean(1, keepdims=True)
    return residuals


def forecast(
    members: Sequence[Member],
    cleaned: Cleaned,
    origins: Ints,
    *,
    postprocessing: Rules,
    windows: Windows | None = None,
    horizon: int | None = None,
) -> Forecasts:
    """Forecasts each series from its origin `[S]` (steps from its start; below 0: no forecast).

    `horizon` is the trained one if None; beyond it see `training.inference.quantiles`. `windows`
    are those of `windows_of`, if they are at hand.
    """
    panel = cleaned.panel
    nets = [member.net for member in members]
    architectures = [net.architecture for net in nets]
    windows = windows or windows_of(cleaned, architectures, device.of(nets[0]), postprocessing.items)
    targets, channels = panel.observed.shape[1], windows.channels
    steps = horizon or nets[0].architecture.horizon
    index = at(origins, horizon=steps, channels=channels)
    seen = items_of(cleaned, joint=channels < targets)
    begun = index.origin > first_observed(seen, panel.offsets)[index.item]
    index = Index(index.item[begun], index.origin[begun], index.limit[begun])
    several = [
        _forecast_of(member, windows, index, postprocessing, (panel.size, channels, steps, targets))
        for member in members
    ]
    values = postprocessing.combination.of(np.stack(several))
    return Forecasts(
        postprocessing.bounds.respect(values[..., 0]), postprocessing.bounds.respect(values[..., 1:], axis=-2)
    )


def _forecast_of(
    member: Member, windows: Windows, index: Index, postprocessing: Rules, shape: tuple[int, int, int, int]
) -> Floats:
    """One network's forecast, `[S, H, C, 1 + Q]` original units: its point, then the quantiles.

    `shape` is S, items a series, H and C.
    """
    size, channels, steps, targets = shape
    loss = member.net.architecture.loss
    asked = levels_asked(postprocessing.quantiles, loss)
    middle = asked.index(0.5)
    values = np.full((size * channels, steps, targets // channels, len(asked)), np.nan)
    if len(index.item):
        values[index.item] = answers(member, windows, index, asked, steps=steps)
    # [S * C, H, 1, Q] or [S, H, C, Q] -> [S, H, C, Q]
    values = values.reshape(size, channels, steps, -1, len(asked)).swapaxes(1, 2)
    values = values.reshape(size, steps, targets, len(asked))
    wide = postprocessing.widening.of(values, asked)
    original = postprocessing.transform.undo(wide, axis=-2)
    yhat = original[..., middle]
    if loss in MEANS:
        shares = [asked.index(level) for level in SHARES]
        center = values[..., middle]
        spread = values[..., shares] - center[..., None]
        yhat = back_transformed_mean(postprocessing.transform, center, spread)
    wanted = [asked.index(q) for q in postprocessing.quantiles]
    return np.concatenate([yhat[..., None], original[..., wanted]], -1)


def answers(
    member: Member, windows: Windows, index: Index, levels: Sequence[float], *, steps: int
) -> Floats:
    """What a network says of the windows of `index`: `[W, steps, C, Q]`, before any transform is
    undone."""
    return inference.quantiles(
        member.net,
        windows.reaching(member.net.architecture.steps_read),
        index.item,
        index.origin,
        steps=steps,
        levels=levels,
        residuals=member.residuals,
    )
