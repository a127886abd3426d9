"""Accuracy metrics of point and quantile forecasts, of groups of windows.

Arrays: M windows (series and origins), H horizon steps, C targets, Q quantiles, in original units.
`actual` is `[M, H, C]`, NaN where nothing was observed; these cells are ignored. A metric is NaN if
the forecast of an observed cell is missing. With a = actual, f = point forecast, e = f - a:

| metric | of a window | of a group |
| --- | --- | --- |
| `smape` | ``200 mean(|e| / (|a| + |f|))``; a term is 0 where both are 0 | mean of windows |
| `mape` | ``100 mean(|e| / |a|)`` where a is not 0 | mean of windows |
| `mase` | ``mean|e| / scale`` | mean of windows |
| `rmsse` | ``sqrt(mean(e^2) / squared_scale)`` | mean of windows |
| `mae` | ``mean|e|`` | mean of cells |
| `bias` | ``mean(e)``, above 0 if forecasts are too high | mean of cells |
| `rmse` | ``sqrt(mean(e^2))`` | of all cells |
| `wape` | ``100 sum|e| / sum|a|`` | of all cells |
| `relative_bias` | ``100 sum(e) / sum|a|`` | of all cells |
| `wql` | ``2 sum(pinball) / sum|a|``, mean over the levels | of all cells |
| `crps` | see `crps_from_quantiles` | mean of cells |
| `coverage_NN` | share of values in the interval, ends included | mean of cells |
| `width_NN` | mean width of the interval | mean of cells |
| `scaled_width_NN` | mean width / scale | mean of windows |
| `winkler_NN` | mean of `interval_score` | mean of cells |
| `msis_NN` | mean of `interval_score` / scale | mean of windows |

NN is the nominal coverage in percent, of each pair of levels q and 1 - q. Of several targets, means
of windows are taken over windows and targets; the others are computed by target and then averaged,
except those in the units of a target: they are of one target only. smape, mape, wape and
relative_bias are percentages.

Sources: Hyndman and Koehler 2006, "Another look at measures of forecast accuracy" (MASE);
Makridakis et al. 2020, "The M4 Competition" (sMAPE, MSIS, OWA), and 2022, "M5 accuracy competition"
(RMSSE); `mean_weighted_sum_quantile_loss` of GluonTS (WQL).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.evaluation.window_metrics import WindowMetrics, window_metrics
from rnnforecast.statistical.seasonal_changes import seasonal_moment
from rnnforecast.types import Bools, Floats, Ints

MAX_SUMMED = 1e290
"""Values beyond this are divided by the largest before they are summed up."""

POINT_METRICS = frozenset(
    (
        "smape", "mape", "mase", "rmsse", "mae", "rmse", "wape", "bias", "relative_bias", "owa",
        "smapc", "masc",
    )
)  # fmt: skip
"""Metrics of point forecasts; all others are of quantiles."""

UNIT_METRICS = frozenset(("mae", "rmse", "bias", "crps", "width", "winkler"))
"""First words of the metrics in the units of a target."""


def has_units(name: str) -> bool:
    """Whether a metric is in the units of its target."""
    return name.partition("_")[0] in UNIT_METRICS


def compute_metrics(
    actual: Floats,
    forecast: Floats,
    *,
    scale: Floats,
    squared_scale: Floats | None = None,
    quantiles: Floats | None = None,
    levels: Sequence[float] = (),
) -> dict[str, float]:
    """All metrics of all windows by name; without `quantiles`, those of the point forecast.

    rmsse is NaN without a `squared_scale`. Of several targets those in units are left out.
    """
    found = window_metrics(
        actual,
        _as_forecast(forecast, quantiles),
        levels,
        scale=scale,
        squared_scale=np.full(scale.shape, np.nan) if squared_scale is None else squared_scale,
    )
    label = np.zeros(len(actual), dtype=np.int64)
    by_name = group_metrics(found, label, 1)
    several = actual.shape[2] > 1
    return {
        name: float(values[0, -1])
        for name, values in by_name.items()
        if not (several and has_units(name))
    }


def forecast_metrics(windows: EvaluatedWindows, forecast: WindowForecast) -> dict[str, float]:
    """As `compute_metrics`, of a forecast of these windows: their own, or that of a baseline."""
    return compute_metrics(
        windows.actual,
        forecast.yhat,
        scale=windows.scale,
        squared_scale=windows.squared_scale,
        quantiles=forecast.quantiles,
        levels=windows.levels,
    )


def ranking_key(found: Mapping[str, float]) -> tuple[float, float]:
    """What orders forecasts from the best to the worst: MASE, then sMAPE, where no series has a
    MASE; undefined ones last."""
    mase, smape = (
        math.inf if math.isnan(found[name]) else found[name] for name in ("mase", "smape")
    )
    return mase, smape


def metrics_by_series(actual: Floats, forecast: Floats, scale: Floats) -> dict[str, Floats]:
    """mae, rmse, smape and mase of each window and target, `[M, C]` each; NaN where undefined.

    `scale` is that of MASE.
    """
    found = window_metrics(
        actual, _as_forecast(forecast, None), (), scale=scale, squared_scale=scale
    )
    means = found.cell_means | found.window_means | {"rmse": found.rmse}
    return {name: means[name] for name in ("mae", "rmse", "smape", "mase")}


def seasonal_scale(values: Floats, offsets: Ints, *, season: int, ends: Ints) -> Floats:
    """MASE's scale: mean of ``|y_t - y_{t-season}|`` before `ends`, `[S, C]` in original units.

    NaN where no two observed values are a season apart, or where all differences are 0.
    Arguments as for `seasonal_moment`.
    """
    scale = seasonal_moment(values, offsets, season=season, ends=ends, power=1)
    return np.where(scale > 0, scale, np.nan)


def group_metrics(windows: WindowMetrics, group: Ints, n_groups: int) -> dict[str, Floats]:
    """Each metric of each group and target, `[G, C]`; of several targets `[G, C + 1]`, with all
    targets last, NaN there if the metric has units.

    Args:
        group: `[M]` the group of each window, from 0 to `n_groups` - 1.
    """
    groups = _Groups(group, n_groups)
    every, count = np.ones(windows.count.shape), windows.count.astype(np.float64)
    found = {
        name: groups.mean(values, every, all_targets=True)
        for name, values in windows.window_means.items()
    }
    by_target = {
        name: groups.mean(values, count) for name, values in windows.cell_means.items()
    } | {"rmse": groups.root_mean_square(windows.rmse, count)}
    size = groups.mean(windows.size, count)
    pinball = by_target.pop("pinball", None)
    size = np.where(size > 0, size, np.nan)
    by_target["wape"] = 100.0 * (by_target["mae"] / size)
    by_target["relative_bias"] = 100.0 * (by_target["bias"] / size)
    if pinball is not None:
        by_target["wql"] = 2.0 * (pinball / size)
    found |= {
        name: _append_mean_of_targets(values, has_units=has_units(name))
        for name, values in by_target.items()
    }
    lacks = {True: groups.any(windows.lacks_point), False: groups.any(windows.lacks_quantiles)}
    return {
        name: np.where(lacks[name in POINT_METRICS], np.nan, values)
        for name, values in found.items()
    }


class _Groups:
    """Sums over the windows of each group."""

    def __init__(self, group: Ints, n_groups: int) -> None:
        self.group, self.n_groups = group, n_groups

    def sum(self, values: Floats) -> Floats:
        """Of `values [M, C]`, `[G, C]`."""
        columns = [np.bincount(self.group, column, self.n_groups) for column in values.T]
        return np.stack(columns, -1)

    def mean(self, values: Floats, weight: Floats, *, all_targets: bool = False) -> Floats:
        """Weighted mean of the `values [M, C]` that are not NaN, `[G, C]`; with `all_targets` and
        several of them `[G, C + 1]`."""
        weight = np.where(np.isnan(values), 0.0, weight)
        largest = float(np.nanmax(np.abs(values), initial=0.0))
        unit = largest if MAX_SUMMED < largest < np.inf else 1.0
        total = self.sum(np.where(weight > 0, values / unit, 0.0) * weight)
        count = self.sum(weight)
        if all_targets and values.shape[1] > 1:
            total, count = (
                np.concatenate([each, each.sum(1, keepdims=True)], 1) for each in (total, count)
            )
        return np.asarray(total / np.where(count > 0, count, np.nan) * unit)

    def root_mean_square(self, values: Floats, weight: Floats) -> Floats:
        """Of `values [M, C]` of 0 or more, `[G, C]`; squares do not overflow."""
        peak = np.zeros((self.n_groups, values.shape[1]))
        np.fmax.at(peak, self.group, values)
        unit = np.where(peak > 0, peak, 1.0)
        return unit * np.sqrt(self.mean(np.square(values / unit[self.group]), weight))

    def any(self, values: Bools) -> Bools:
        """Of `values [M, C]`, `[G, C]`; of several targets `[G, C + 1]`."""
        found = self.sum(values.astype(np.float64)) > 0
        if values.shape[1] > 1:
            found = np.concatenate([found, found.any(1, keepdims=True)], 1)
        return found


def _append_mean_of_targets(values: Floats, *, has_units: bool) -> Floats:
    """`values [G, C]`, and of several targets their mean, `[G, C + 1]`: NaN with units."""
    if values.shape[1] == 1:
        return values
    known = ~np.isnan(values)
    count = known.sum(1, keepdims=True)
    mean = np.where(known, values, 0.0).sum(1, keepdims=True) / np.where(count > 0, count, np.nan)
    return np.concatenate([values, np.full_like(mean, np.nan) if has_units else mean], 1)


def _as_forecast(yhat: Floats, quantiles: Floats | None) -> WindowForecast:
    return WindowForecast(yhat, np.empty((*yhat.shape, 0)) if quantiles is None else quantiles)
