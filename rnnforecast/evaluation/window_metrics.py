"""Accuracy metrics of each window: losses of single values, and their means over the horizon.

Arrays: M windows (series and origins), H horizon steps, C targets, Q quantiles, in original units.
`actual` is `[M, H, C]`, NaN where nothing was observed; these cells are ignored. The definitions of
the metrics are listed in `metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.types import Bools, Floats, Ints

MIN_UNIT, MAX_UNIT = 1e-100, 1e100
"""A window whose largest value is not between these is divided by it before errors are squared."""

CHUNK_CELLS = 16_384
"""Cells that are scored at once; arrays of this size stay in the cache of the processor."""


def pinball_loss(actual: Floats, quantile: Floats, level: float) -> Floats:
    """``max(q (a - f), (q - 1) (a - f))`` of forecasts f of the quantile q; any shape."""
    error = actual - quantile
    return np.asarray(np.maximum(level * error, (level - 1.0) * error))


def level_weights(levels: Sequence[float]) -> Floats:
    """`[Q]` the share of all probabilities that are nearest to each of the ascending levels."""
    level = np.asarray(levels, dtype=np.float64)
    bounds = np.concatenate([[0.0], (level[1:] + level[:-1]) / 2, [1.0]])
    return np.diff(bounds)


def crps_from_quantiles(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> Floats:
    """The continuous ranked probability score of quantile forecasts `[..., Q]`, in original units.

    CRPS is twice the integral of the pinball loss over all levels (Gneiting and Ranjan 2011,
    "Comparing density forecasts using threshold- and quantile-weighted scoring rules", equation
    17). Each level stands for the probabilities nearest to it, see `level_weights`: with levels
    ``(i - 1/2) / Q`` it is twice the mean loss; of a forecast without width and symmetric levels it
    is the absolute error.
    """
    total = np.zeros(actual.shape)
    for index, (level, weight) in enumerate(zip(levels, level_weights(levels), strict=True)):
        total += weight * pinball_loss(actual, quantiles[..., index], level)
    return 2.0 * total


def interval_score(actual: Floats, lower: Floats, upper: Floats, coverage: float) -> Floats:
    """The width of an interval with this nominal `coverage`, plus ``2 / (1 - coverage)`` times the
    distance of values outside; any shape, in original units.

    Source: Winkler 1972; Gneiting and Raftery 2007, "Strictly proper scoring rules, prediction, and
    estimation", equation 43.
    """
    outside = np.maximum(lower - actual, 0.0) + np.maximum(actual - upper, 0.0)
    return np.asarray(upper - lower + 2.0 / (1.0 - coverage) * outside)


def symmetric_level_pairs(levels: Sequence[float]) -> list[tuple[int, int]]:
    """The indices of each pair of levels q < 1/2 and 1 - q, widest first."""
    return [
        (low, high)
        for low, lower in enumerate(levels)
        for high, upper in enumerate(levels)
        if lower < 0.5 and abs(lower + upper - 1.0) < 1e-9
    ]


@dataclass(frozen=True)
class WindowMetrics:
    """Metrics of each window and target, `[M, C]` each; NaN where undefined."""

    count: Ints
    """Observed steps."""
    size: Floats
    """Mean absolute actual value."""
    rmse: Floats
    cell_means: dict[str, Floats]
    """Those that are averaged over all cells of several windows: mae, bias, pinball (the mean over
    the levels), crps, coverage_NN, width_NN, winkler_NN."""
    window_means: dict[str, Floats]
    """Those that are averaged over windows: smape, mape, mase, rmsse, scaled_width_NN, msis_NN."""
    lacks_point: Bools
    """Whether the point forecast of an observed step is missing."""
    lacks_quantiles: Bools
    """Whether a quantile of an observed step is missing."""


def window_metrics(
    actual: Floats,
    forecast: WindowForecast,
    levels: Sequence[float],
    *,
    scale: Floats,
    squared_scale: Floats,
) -> WindowMetrics:
    """The metrics of each window.

    `scale` and `squared_scale` are `[M, C]` as in `EvaluatedWindows`; metrics relative to them are
    NaN where they are.
    """
    rows = max(1, CHUNK_CELLS // max(1, actual[:1].size))
    chunks = [slice(start, start + rows) for start in range(0, max(len(actual), 1), rows)]
    parts = [
        _chunk_metrics(
            np.ascontiguousarray(actual[chunk].swapaxes(1, 2)),
            np.ascontiguousarray(forecast.yhat[chunk].swapaxes(1, 2)),
            np.ascontiguousarray(forecast.quantiles[chunk].transpose(3, 0, 2, 1)),
            levels,
            scale[chunk],
            squared_scale[chunk],
        )
        for chunk in chunks
    ]
    return _concatenate(parts)


def _concatenate(parts: Sequence[WindowMetrics]) -> WindowMetrics:
    def joined(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        if not isinstance(values[0], dict):
            return np.concatenate(values)
        return {key: np.concatenate([each[key] for each in values]) for key in values[0]}

    return WindowMetrics(*(joined(field.name) for field in fields(WindowMetrics)))


def _chunk_metrics(
    actual: Floats,
    yhat: Floats,
    quantiles: Floats,
    levels: Sequence[float],
    scale: Floats,
    squared_scale: Floats,
) -> WindowMetrics:
    """The metrics of some windows: `actual` and `yhat` are `[M, C, H]`, `quantiles` is
    `[Q, M, C, H]`, the others are `[M, C]`."""
    observed = ~np.isnan(actual)
    unit = _units(actual, yhat, quantiles)  # [M, C]
    if (unit != 1).any():
        actual, yhat, quantiles = (each / unit[..., None] for each in (actual, yhat, quantiles))
    error = yhat - actual
    absolute, size = np.abs(error), np.abs(actual)
    mae, rmse = _mean(absolute, observed), np.sqrt(_mean(np.square(error), observed))
    cell_means = {"mae": mae, "bias": _mean(error, observed)}
    squared_scale = np.where(np.isfinite(squared_scale), squared_scale, np.nan)
    total, nonzero = size + np.abs(yhat), observed & (size > 0)
    with np.errstate(over="ignore"):  # the percentage of a tiny number may be infinite
        mape = 100.0 * _mean(absolute / np.where(nonzero, size, 1.0), nonzero)
    window_means = {
        "smape": 200.0 * _mean(absolute / np.where(total > 0, total, 1.0), observed),
        "mape": mape,
        "mase": mae / (scale / unit),
        "rmsse": rmse / (np.sqrt(squared_scale) / unit),
    }
    lacks_quantiles = np.zeros(unit.shape, dtype=np.bool_)
    if len(levels):
        by_cell, by_window = _quantile_metrics(actual, quantiles, levels, observed, scale / unit)
        cell_means |= by_cell
        window_means |= by_window
        lacks_quantiles = np.isnan(by_cell["pinball"]) & observed.any(-1)
    return WindowMetrics(
        count=observed.sum(-1),
        size=_mean(size, observed) * unit,
        rmse=rmse * unit,
        cell_means={
            name: value if name.startswith("coverage") else value * unit
            for name, value in cell_means.items()
        },
        window_means=window_means,
        lacks_point=np.isnan(mae) & observed.any(-1),
        lacks_quantiles=lacks_quantiles,
    )


def _quantile_metrics(
    actual: Floats, quantiles: Floats, levels: Sequence[float], observed: Bools, scale: Floats
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """The metrics of quantiles that are averaged over cells, and over windows."""
    pinball, crps = np.zeros(scale.shape), np.zeros(scale.shape)
    for quantile, level, weight in zip(quantiles, levels, level_weights(levels), strict=True):
        loss = _mean(pinball_loss(actual, quantile, level), observed)
        pinball += loss / len(levels)
        crps += 2.0 * weight * loss
    by_cell = {"pinball": pinball, "crps": crps}
    by_window = {}
    for low, high in symmetric_level_pairs(levels):
        lower, upper = quantiles[low], quantiles[high]
        coverage = levels[high] - levels[low]
        name = f"{100 * coverage:.4g}"
        inside = ((actual >= lower) & (actual <= upper)).astype(np.float64)
        score = _mean(interval_score(actual, lower, upper, coverage), observed)
        width = _mean(upper - lower, observed)
        by_cell[f"coverage_{name}"] = _mean(inside, observed)
        by_cell[f"width_{name}"], by_cell[f"winkler_{name}"] = width, score
        by_window[f"scaled_width_{name}"], by_window[f"msis_{name}"] = width / scale, score / scale
    return by_cell, by_window


def _units(actual: Floats, yhat: Floats, quantiles: Floats) -> Floats:
    """The unit `[M, C]` of each window: 1, or its largest value if that is huge or tiny."""
    largest = np.zeros(actual.shape[:2])
    for values in (actual, yhat, *quantiles):
        for extreme in (np.fmax.reduce(values, axis=-1), -np.fmin.reduce(values, axis=-1)):
            largest = np.fmax(largest, extreme)
    extreme = ((largest > MAX_UNIT) | (largest < MIN_UNIT)) & (largest > 0) & np.isfinite(largest)
    return np.where(extreme, largest, 1.0)


def _mean(cells: Floats, counted: Bools) -> Floats:
    """The mean of the counted cells of each window, `[M, C, H]` → `[M, C]`; NaN without any."""
    if cells.shape[-1] == 1:
        return np.where(counted, cells, np.nan)[..., 0]
    count = counted.sum(-1)
    total = np.where(counted, cells, 0.0).sum(-1)
    return np.asarray(total / np.where(count > 0, count, np.nan))
