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
from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.windows.origins import WindowIndex, first_observed, windows_at_origins
from rnnforecast.evaluation.calibration import IDENTITY_SCALING, IntervalScaling, residual_quantiles
from rnnforecast.evaluation.ensembling import ForecastCombiner
from rnnforecast.inference import quantiles as inference
from rnnforecast.models.compatibility import MEAN_LOSSES
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.registry import DECODERS, WINDOW_SCALERS
from rnnforecast.training import device
from rnnforecast.training.dataset import PanelArrays, WindowDataset
from rnnforecast.types import Floats, Ints

MIN_ERRORS_PER_STEP = 30
"""With fewer windows than this the errors of all steps are pooled into one set of quantiles."""


MEAN_LEVELS = tuple((k + 0.5) / 21 for k in range(21))
"""Levels of equally likely values, which a mean is taken over when a scale is undone."""


DEFAULT_COMBINER = ForecastCombiner()


@dataclass(frozen=True)
class Member:
    """One network of a forecaster."""

    net: Forecaster
    residuals: Floats | None = None
    """Those of `calibrate`, for a point head."""


@dataclass(frozen=True)
class Postprocessing:
    """How what the networks say becomes a forecast in original units."""

    quantiles: tuple[float, ...]
    transform: Transform
    bounds: Bounds
    combiner: ForecastCombiner = DEFAULT_COMBINER
    interval_scaling: IntervalScaling = IDENTITY_SCALING
    smoothed_items: tuple[str, ...] = ()
    """Names of the items whose smoothing was learnt; see `item_names`."""


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of S series in original units; NaN where nothing was ever observed.

    `yhat [S, H, C]` and `quantiles [S, H, C, Q]`.
    """

    yhat: Floats
    quantiles: Floats


def build_window_dataset(
    cleaned: CleanedData,
    configs: Sequence[ForecasterConfig],
    torch_device: device.Device,
    smoothed_items: Sequence[str] = (),
) -> WindowDataset:
    """The panel on the device `place`, ready to be cut into the windows of each net.

    `items` are the names of the training's items, where a net has learnt something of each.
    """
    filled, features, panel = cleaned.filled, cleaned.features, cleaned.panel
    smooth = any("learned" in WINDOW_SCALERS.traits(a.normalize) for a in configs)
    tables = PanelArrays(
        inputs=filled.inputs,
        value_mask=filled.value_mask,
        input_mask=filled.input_mask,
        target_mask=cleaned.target_mask,
        offsets=panel.offsets,
        causal_inputs=filled.causal_inputs,
        known_from=filled.known_from,
        elapsed=filled.elapsed if any(a.covariates.elapsed for a in configs) else None,
        past=_none_if_empty(features.past),
        past_codes=_none_if_empty(features.past_codes),
        future=_none_if_empty(features.future),
        future_codes=_none_if_empty(features.future_codes),
        static=_none_if_empty(features.static),
        static_codes=_none_if_empty(features.static_codes),
        future_steps=features.horizon,
        item_index=_positions(item_names(panel), smoothed_items) if smooth else None,
        phase=panel.start if smooth else None,
        include_past_target_mask=any(
            "forks_windows" in DECODERS.traits(a.decoder) for a in configs
        ),
    )
    return WindowDataset(
        tables,
        lookback=max(a.input_length for a in configs),
        horizon=configs[0].horizon,
        device=torch_device,
        joint=configs[0].channels > 1,
    )


def item_names(panel: Panel) -> list[str]:
    """A name for each item `[S * C]`: keys and target, so written that no two are alike."""
    keys = panel.keys.astype(str).to_numpy().tolist()
    return [json.dumps([*key, name]) for key in keys for name in panel.target_names]


def _positions(names: Sequence[str], known: Sequence[str]) -> Ints:
    """Where each of `names` stands in `known`; beyond its end for a new one."""
    found = pd.Index(known).get_indexer(pd.Index(names))
    return np.where(found < 0, len(known), found).astype(np.int64)


def _none_if_empty(table: NDArray[np.generic]) -> NDArray[Any] | None:
    return table if table.shape[1] else None


def item_target_mask(cleaned: CleanedData, *, joint: bool) -> NDArray[np.bool_]:
    """What is learnt from, a column an item of a series: `[N, C]`, or `[N, 1]` where all targets
    of a series are one item."""
    counted = cleaned.target_mask
    return np.asarray(counted.any(axis=1, keepdims=True)) if joint else counted


def levels_with_median(quantiles: Sequence[float]) -> tuple[float, ...]:
    """The quantiles a head must have to serve the wanted ones: those, and the median."""
    return tuple(sorted({*quantiles, 0.5}))


def computed_levels(quantiles: Sequence[float], loss: str) -> tuple[float, ...]:
    """The levels at which a point head's errors are kept, or a quantile head answers.

    A mean is undone as the mean of many equally likely values, so for `MEANS` those are kept too.
    """
    shares = MEAN_LEVELS if loss in MEAN_LOSSES else ()
    return tuple(sorted({*levels_with_median(quantiles), *shares}))


def calibrate_point_head(
    net: Forecaster, windows: WindowDataset, index: WindowIndex, quantiles: Sequence[float]
) -> Floats:
    """What a point head's errors on these windows say of its quantiles: `[H, Q]`, normalised.

    `index` should hold windows that were not trained on; Q are those of `levels_asked`, of which
    the median is not moved. See `evaluation.conformal`.
    """
    windows = windows.with_lookback(net.config.input_length)
    errors = inference.normalized_errors(net, windows, index.item, index.origin)  # [W, H, C]
    errors = errors.swapaxes(1, 2).reshape(-1, errors.shape[1])  # [W * C, H]
    levels = computed_levels(quantiles, net.config.loss)
    if len(errors) < MIN_ERRORS_PER_STEP:
        pooled = residual_quantiles(errors.reshape(-1, 1), levels)
        residuals = np.repeat(pooled, errors.shape[1], 0)
    else:
        residuals = residual_quantiles(errors, levels)
    residuals = np.nan_to_num(residuals)  # a step of the horizon that was never observed
    residuals[:, levels.index(0.5)] = 0.0
    below = np.minimum(residuals, 0.0)
    above = np.maximum(residuals, 0.0)
    residuals = np.where(np.array(levels) < 0.5, below, above)
    if net.config.loss in MEAN_LOSSES:  # the net's own answer is the mean: they say how it varies
        moved = [levels.index(level) for level in MEAN_LEVELS if level not in (0.5, *quantiles)]
        residuals[:, moved] -= residuals[:, moved].mean(1, keepdims=True)
    return residuals


def forecast(
    members: Sequence[Member],
    cleaned: CleanedData,
    origins: Ints,
    *,
    postprocessing: Postprocessing,
    windows: WindowDataset | None = None,
    horizon: int | None = None,
) -> Forecasts:
    """Forecasts each series from its origin `[S]` (steps from its start; below 0: no forecast).

    `horizon` is the trained one if None; beyond it see `training.inference.quantiles`. `windows`
    are those of `windows_of`, if they are at hand.
    """
    panel = cleaned.panel
    nets = [member.net for member in members]
    architectures = [net.config for net in nets]
    windows = windows or build_window_dataset(
        cleaned, architectures, device.device_of(nets[0]), postprocessing.smoothed_items
    )
    targets, channels = panel.observed_mask.shape[1], windows.items_per_series
    steps = horizon or nets[0].config.horizon
    index = windows_at_origins(origins, horizon=steps, channels=channels)
    seen = item_target_mask(cleaned, joint=channels < targets)
    begun = index.origin > first_observed(seen, panel.offsets)[index.item]
    index = WindowIndex(index.item[begun], index.origin[begun], index.target_end[begun])
    several = [
        _forecast_member(
            member, windows, index, postprocessing, (panel.n_series, channels, steps, targets)
        )
        for member in members
    ]
    values = postprocessing.combiner.combine(np.stack(several))
    return Forecasts(
        postprocessing.bounds.apply(values[..., 0]),
        postprocessing.bounds.apply(values[..., 1:], axis=-2),
    )


def _forecast_member(
    member: Member,
    windows: WindowDataset,
    index: WindowIndex,
    postprocessing: Postprocessing,
    shape: tuple[int, int, int, int],
) -> Floats:
    """One network's forecast, `[S, H, C, 1 + Q]` original units: its point, then the quantiles.

    `shape` is S, items a series, H and C.
    """
    size, channels, steps, targets = shape
    loss = member.net.config.loss
    asked = computed_levels(postprocessing.quantiles, loss)
    middle = asked.index(0.5)
    values = np.full((size * channels, steps, targets // channels, len(asked)), np.nan)
    if len(index.item):
        values[index.item] = member_quantiles(member, windows, index, asked, steps=steps)
    # [S * C, H, 1, Q] or [S, H, C, Q] -> [S, H, C, Q]
    values = values.reshape(size, channels, steps, -1, len(asked)).swapaxes(1, 2)
    values = values.reshape(size, steps, targets, len(asked))
    wide = postprocessing.interval_scaling.apply(values, asked)
    original = postprocessing.transform.inverse(wide, axis=-2)
    yhat = original[..., middle]
    if loss in MEAN_LOSSES:
        shares = [asked.index(level) for level in MEAN_LEVELS]
        center = values[..., middle]
        spread = values[..., shares] - center[..., None]
        yhat = back_transformed_mean(postprocessing.transform, center, spread)
    wanted = [asked.index(q) for q in postprocessing.quantiles]
    return np.concatenate([yhat[..., None], original[..., wanted]], -1)


def member_quantiles(
    member: Member,
    windows: WindowDataset,
    index: WindowIndex,
    levels: Sequence[float],
    *,
    steps: int,
) -> Floats:
    """What a network says of the windows of `index`: `[W, steps, C, Q]`, before any transform is
    undone."""
    return inference.predict_quantiles(
        member.net,
        windows.with_lookback(member.net.config.input_length),
        index.item,
        index.origin,
        steps=steps,
        levels=levels,
        residuals=member.residuals,
    )
