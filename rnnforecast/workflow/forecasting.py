"""From a panel to forecasts of its series: where `train` and `predict` ask the net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnforecast.data.plan import Cleaned
from rnnforecast.data.transform import Bounds, Transform, back_transformed_mean
from rnnforecast.data.window import Index, at, first_observed
from rnnforecast.evaluation.conformal import residual_quantiles
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.training import device, inference
from rnnforecast.training.batches import Tables, Windows

FEW_ERRORS = 30
"""With fewer windows than this the errors of all steps are pooled into one set of quantiles."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


SHARES = tuple((k + 0.5) / 21 for k in range(21))
"""Levels of equally likely values, which a mean is taken over when a scale is undone."""


@dataclass(frozen=True)
class Rules:
    """How what the net says becomes a forecast in original units."""

    quantiles: tuple[float, ...]
    transform: Transform
    bounds: Bounds
    residuals: Floats | None = None
    """Those of `calibrate`, for a point head."""


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of S series in original units; NaN where nothing was ever observed.

    `yhat [S, H, C]` and `quantiles [S, H, C, Q]`.
    """

    yhat: Floats
    quantiles: Floats


def windows_of(cleaned: Cleaned, net: Forecaster) -> Windows:
    """The panel on the net's device, ready to be cut into its windows."""
    filled, features = cleaned.filled, cleaned.features
    architecture = net.architecture
    tables = Tables(
        inputs=filled.inputs,
        visible=filled.visible,
        present=filled.present,
        observed=cleaned.counted,
        offsets=cleaned.panel.offsets,
        causal=filled.causal,
        known_from=filled.known_from,
        elapsed=filled.elapsed if architecture.covariates.elapsed else None,
        past=_or_none(features.past),
        past_codes=_or_none(features.past_codes),
        known=_or_none(features.future),
        known_codes=_or_none(features.future_codes),
        static=_or_none(features.static),
        static_codes=_or_none(features.static_codes),
        ahead=features.horizon,
    )
    return Windows(
        tables,
        lookback=architecture.steps_read,
        horizon=architecture.horizon,
        device=device.of(net),
        joint=architecture.channels > 1,
    )


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

    A mean is undone as the mean of many equally likely values, so for `mse` those are kept too.
    """
    shares = SHARES if loss == "mse" else ()
    return tuple(sorted({*levels_with_median(quantiles), *shares}))


def calibrate(
    net: Forecaster, windows: Windows, index: Index, quantiles: Sequence[float]
) -> Floats:
    """What a point head's errors on these windows say of its quantiles: `[H, Q]`, normalised.

    `index` should hold windows that were not trained on; Q are those of `levels_asked`, of which
    the median is not moved. See `evaluation.conformal`.
    """
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
    if net.architecture.loss == "mse":  # the net's own answer is the mean: they say how it varies
        moved = [levels.index(level) for level in SHARES if level not in (0.5, *quantiles)]
        residuals[:, moved] -= residuals[:, moved].mean(1, keepdims=True)
    return residuals


def forecast(
    net: Forecaster,
    cleaned: Cleaned,
    origins: Ints,
    *,
    rules: Rules,
    windows: Windows | None = None,
    horizon: int | None = None,
) -> Forecasts:
    """Forecasts each series from its origin `[S]` (steps from its start; below 0: no forecast).

    `horizon` is the trained one if None; beyond it see `training.inference.quantiles`. `windows`
    are those of `windows_of`, if they are at hand.
    """
    panel, architecture = cleaned.panel, net.architecture
    windows = windows or windows_of(cleaned, net)
    targets, channels = panel.observed.shape[1], windows.channels
    steps = horizon or architecture.horizon
    asked = levels_asked(rules.quantiles, architecture.loss)
    middle = asked.index(0.5)
    index = at(origins, horizon=steps, channels=channels)
    seen = items_of(cleaned, joint=channels < targets)
    begun = index.origin > first_observed(seen, panel.offsets)[index.item]
    item, origin = index.item[begun], index.origin[begun]
    values = np.full((panel.size * channels, steps, targets // channels, len(asked)), np.nan)
    if len(item):
        values[item] = inference.quantiles(
            net, windows, item, origin, steps=steps, middle=middle, residuals=rules.residuals
        )
    # [S * C, H, 1, Q] or [S, H, C, Q] -> [S, H, C, Q]
    values = values.reshape(panel.size, channels, steps, -1, len(asked)).swapaxes(1, 2)
    values = values.reshape(panel.size, steps, targets, len(asked))
    original = rules.transform.undo(values, axis=-2)
    yhat = original[..., middle]
    if architecture.loss == "mse":
        shares = [asked.index(level) for level in SHARES]
        center = values[..., middle]
        spread = values[..., shares] - center[..., None]
        yhat = back_transformed_mean(rules.transform, center, spread)
    wanted = [asked.index(q) for q in rules.quantiles]
    return Forecasts(
        rules.bounds.respect(yhat), rules.bounds.respect(original[..., wanted], axis=-2)
    )
