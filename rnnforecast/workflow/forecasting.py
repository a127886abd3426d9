"""From a panel to forecasts of its series: where `train` and `predict` ask the net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnforecast.data.impute import Filled
from rnnforecast.data.panel import Panel
from rnnforecast.data.window import Index, at, first_observed
from rnnforecast.evaluation.conformal import residual_quantiles
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.training import device, inference
from rnnforecast.training.batches import Windows

FEW_ERRORS = 30
"""With fewer windows than this the errors of all steps are pooled into one set of quantiles."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of S series in original units; NaN where nothing was ever observed.

    `yhat [S, H, C]` and `quantiles [S, H, C, Q]`.
    """

    yhat: Floats
    quantiles: Floats


def windows_of(panel: Panel, filled: Filled, net: Forecaster) -> Windows:
    """The panel on the net's device, ready to be cut into its windows."""
    looks_ahead = filled.known_from is not None
    return Windows(
        inputs=filled.inputs,
        visible=filled.visible,
        observed=panel.observed,
        offsets=panel.offsets,
        lookback=net.architecture.lookback,
        horizon=net.architecture.horizon,
        device=device.of(net),
        causal=filled.causal if looks_ahead else None,
        known_from=filled.known_from,
    )


def levels_with_median(quantiles: Sequence[float]) -> tuple[float, ...]:
    """The quantiles a head must have to serve the wanted ones: those, and the median."""
    return tuple(sorted({*quantiles, 0.5}))


def calibrate(
    net: Forecaster, windows: Windows, index: Index, quantiles: Sequence[float]
) -> Floats:
    """What a point head's errors on these windows say of its quantiles: `[H, Q]`, normalised.

    `index` should hold windows that were not trained on; Q counts the median, which is not moved.
    See `evaluation.conformal`.
    """
    errors = inference.normalised_errors(net, windows, index.item, index.origin)  # [W, H]
    levels = levels_with_median(quantiles)
    if len(errors) < FEW_ERRORS:
        pooled = residual_quantiles(errors.reshape(-1, 1), levels)
        residuals = np.repeat(pooled, errors.shape[1], 0)
    else:
        residuals = residual_quantiles(errors, levels)
    residuals = np.nan_to_num(residuals)  # a step of the horizon that was never observed
    residuals[:, levels.index(0.5)] = 0.0
    below = np.minimum(residuals, 0.0)
    above = np.maximum(residuals, 0.0)
    return np.where(np.array(levels) < 0.5, below, above)


def forecast(
    net: Forecaster,
    windows: Windows,
    panel: Panel,
    origins: Ints,
    *,
    quantiles: Sequence[float],
    horizon: int | None = None,
    residuals: Floats | None = None,
) -> Forecasts:
    """Forecasts each series from its origin `[S]` (steps from its start; below 0: no forecast).

    `horizon` is the trained one if None; beyond it see `training.inference.quantiles`.
    `residuals` are those of `calibrate`, for a point head.
    """
    channels = panel.observed.shape[1]
    steps = horizon or net.architecture.horizon
    levels = levels_with_median(quantiles)
    middle = levels.index(0.5)
    index = at(origins, horizon=steps, channels=channels)
    begun = index.origin > first_observed(panel.observed, panel.offsets)[index.item]
    item, origin = index.item[begun], index.origin[begun]
    values = np.full((panel.size * channels, steps, len(levels)), np.nan)
    if len(item):
        values[item] = inference.quantiles(
            net, windows, item, origin, steps=steps, middle=middle, residuals=residuals
        )
    # [S * C, H, Q] -> [S, H, C, Q]
    values = values.reshape(panel.size, channels, steps, len(levels)).swapaxes(1, 2)
    wanted = [levels.index(q) for q in quantiles]
    return Forecasts(values[..., middle], values[..., wanted])
