"""Accuracy metrics of point and quantile forecasts.

Arrays: S series, H horizon steps, C targets, Q quantiles, all in original units. `actual` and
`forecast` are `[S, H, C]`. `actual` is NaN where nothing was observed; these cells are ignored. A
metric is NaN if the forecast of an observed cell is missing.

sMAPE and MASE are computed for each series and target and then averaged, so that all series have
the same weight. Weighted quantile loss and coverage are computed over all series of a target and
then averaged over the targets. MAE and RMSE are in the units of a target: computed for one only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.statistical.seasonal_changes import seasonal_moment
from rnnforecast.types import Floats, Ints

MAX_SQUARED, MAX_SUMMED = 1e150, 1e290
"""Errors beyond these are divided by the largest before they are squared, or summed up."""


def smape(actual: Floats, forecast: Floats) -> float:
    """Mean over the series of ``200 mean(|a - f| / (|a| + |f|))``, in percent from 0 to 200.

    A term is 0 where both are 0. Source: Makridakis et al. 2020, "The M4 Competition".
    """
    return _mean_of_defined(smape_by_series(actual, forecast), actual, forecast)


def mase(actual: Floats, forecast: Floats, scale: Floats) -> float:
    """Mean over the series of ``mean(|a - f|) / scale``.

    Below 1, errors are smaller than those of seasonal naive forecasts within the history. `scale`
    is `[S, C]`, from `seasonal_scale`; series without a scale (NaN) are left out.
    Source: Hyndman and Koehler 2006, "Another look at measures of forecast accuracy".
    """
    return _mean_of_defined(mase_by_series(actual, forecast, scale), actual, forecast)


def mae(actual: Floats, forecast: Floats) -> float:
    """Mean absolute error of one target `[S, H, 1]`, in original units."""
    error = _mean_observed(np.abs(actual - forecast), actual, axis=(0, 1))  # [C]
    return _mean_of_defined(error, actual, forecast)


def rmse(actual: Floats, forecast: Floats) -> float:
    """Root of the mean squared error of one target `[S, H, 1]`, in original units."""
    error = _root_mean_square(actual - forecast, actual, axis=(0, 1))  # [C]
    return _mean_of_defined(error, actual, forecast)


def weighted_quantile_loss(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> float:
    """``2 sum(pinball) / sum(|a|)``, averaged over the levels; targets with zeros only are left
    out.

    `quantiles` is `[S, H, C, Q]` for the Q `levels`. It is `mean_weighted_sum_quantile_loss` of
    GluonTS, and WQL of Chronos.
    """
    error = actual[..., None] - quantiles  # [S, H, C, Q]
    level = np.asarray(levels, dtype=np.float64)
    pinball = np.maximum(level * error, (level - 1.0) * error).mean(axis=-1)  # [S, H, C]
    size = _mean_observed(np.abs(actual), actual, axis=(0, 1))  # [C]
    loss = 2.0 * _mean_observed(pinball, actual, axis=(0, 1)) / np.where(size > 0, size, np.nan)
    return _mean_of_defined(loss, actual, quantiles.sum(axis=-1))


def coverage(actual: Floats, lower: Floats, upper: Floats) -> float:
    """Share of the observed values from `lower` to `upper`, both included; all `[S, H, C]`."""
    inside = ((actual >= lower) & (actual <= upper)).astype(np.float64)
    return _mean_of_defined(_mean_observed(inside, actual, axis=(0, 1)), actual, lower + upper)


def smape_by_series(actual: Floats, forecast: Floats) -> Floats:
    """The sMAPE of each series `[S, C]`, in percent; NaN where nothing was observed."""
    size = np.abs(actual) + np.abs(forecast)
    ratio = np.abs(actual - forecast) / np.where(size == 0, 1.0, size)
    return 200.0 * _mean_observed(ratio, actual, axis=1)


def mase_by_series(actual: Floats, forecast: Floats, scale: Floats) -> Floats:
    """The MASE of each series `[S, C]`; NaN where nothing was observed or there is no scale."""
    return _mean_observed(np.abs(actual - forecast), actual, axis=1) / scale


def metrics_by_series(actual: Floats, forecast: Floats, scale: Floats) -> dict[str, Floats]:
    """mae, rmse, smape and mase of each series and target, `[S, C]` each; NaN where undefined.

    `scale` is that of `mase`.
    """
    return {
        "mae": _mean_observed(np.abs(actual - forecast), actual, axis=1),
        "rmse": _root_mean_square(actual - forecast, actual, axis=1),
        "smape": smape_by_series(actual, forecast),
        "mase": mase_by_series(actual, forecast, scale),
    }


def compute_metrics(
    actual: Floats,
    forecast: Floats,
    *,
    scale: Floats,
    quantiles: Floats | None = None,
    levels: Sequence[float] = (),
) -> dict[str, float]:
    """All metrics by name: smape, mase, and, with quantiles, wql and coverage_NN.

    Of a single target also mae and rmse: the units of several targets differ.

    There is a coverage_NN for each pair of levels q and 1 - q; NN is the nominal coverage in
    percent.
    """
    metrics = {
        "smape": smape(actual, forecast),
        "mase": mase(actual, forecast, scale),
    }
    if actual.shape[2] == 1:
        metrics |= {"mae": mae(actual, forecast), "rmse": rmse(actual, forecast)}
    if quantiles is not None:
        metrics["wql"] = weighted_quantile_loss(actual, quantiles, levels)
        for low, high in symmetric_level_pairs(levels):
            name = f"coverage_{100 * (levels[high] - levels[low]):.4g}"
            metrics[name] = coverage(actual, quantiles[..., low], quantiles[..., high])
    return metrics


def seasonal_scale(values: Floats, offsets: Ints, *, season: int, ends: Ints) -> Floats:
    """MASE's scale: mean of ``|y_t - y_{t-season}|`` before `ends`, `[S, C]` in original units.

    NaN where no two observed values are a season apart, or where all differences are 0.
    Arguments as for `seasonal_moment`.
    """
    scale = seasonal_moment(values, offsets, season=season, ends=ends, power=1)
    return np.where(scale > 0, scale, np.nan)


def _mean_observed(error: Floats, actual: Floats, axis: int | tuple[int, ...]) -> Floats:
    """Mean of `error` over the cells with an observed `actual`; NaN where there are none."""
    observed = ~np.isnan(actual)
    count = observed.sum(axis=axis)
    error = np.where(observed, error, 0.0)
    largest = float(np.nanmax(np.abs(error), initial=0.0))
    unit = largest if largest > MAX_SUMMED else 1.0
    total = (error / unit).sum(axis=axis)
    return np.asarray(total / np.where(count > 0, count, np.nan) * unit, dtype=np.float64)


def _root_mean_square(error: Floats, actual: Floats, axis: int | tuple[int, ...]) -> Floats:
    """Root of the mean square of `error` over the observed cells; squares do not overflow."""
    largest = float(np.nanmax(np.abs(error), initial=0.0))
    unit = largest if largest > MAX_SQUARED else 1.0
    return np.asarray(unit * np.sqrt(_mean_observed(np.square(error / unit), actual, axis=axis)))


def _mean_of_defined(metric: Floats, actual: Floats, forecast: Floats) -> float:
    """Mean of the values that are not NaN; NaN if there are none, or if the forecast of an observed
    cell is missing."""
    defined = metric[~np.isnan(metric)]
    incomplete = bool((np.isnan(forecast) & ~np.isnan(actual)).any())
    return float("nan") if incomplete or not defined.size else float(defined.mean())


def symmetric_level_pairs(levels: Sequence[float]) -> list[tuple[int, int]]:
    """The indices of each pair of levels q < 1/2 and 1 - q, widest first."""
    return [
        (low, high)
        for low, lower in enumerate(levels)
        for high, upper in enumerate(levels)
        if lower < 0.5 and abs(lower + upper - 1.0) < 1e-9
    ]
