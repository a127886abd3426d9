"""Evaluation of forecasts from past origins, beside observed values and baselines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation.baselines import baseline_forecasts
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.evaluation.metrics import seasonal_scale
from rnnforecast.statistical.seasonal_changes import seasonal_moment
from rnnforecast.types import Floats, Ints


def evaluate_windows(
    panel: Panel,
    forecast: WindowForecast,
    series: Ints,
    origins: Ints,
    window: Ints | None = None,
    *,
    season: int,
    levels: Sequence[float],
    statistical_season: int | None = None,
) -> EvaluatedWindows:
    """The forecasts of M windows beside observed values and baselines.

    A target without a value before the origin has no forecast; its actual values are NaN.

    Args:
        series, origins: `[M]` as in `pipeline.forecasting.forecast`.
        window: `[M]` the number of each window; all 0 by default.
        season: of MASE and of seasonal naive forecasts, in steps.
        statistical_season: of theta and exponential smoothing; `season` by default.
    """
    window = np.zeros(len(series), dtype=np.int64) if window is None else window
    baselines = {
        name: WindowForecast(*found)
        for name, found in baseline_forecasts(
            panel.targets,
            panel.offsets,
            series,
            origins,
            season=season,
            horizon=forecast.yhat.shape[1],
            levels=levels,
            statistical_season=statistical_season or season,
        ).items()
    }
    actual = observed_values(panel, series, origins, forecast.yhat.shape[1])
    known = ~np.isnan(forecast.yhat) & ~np.isnan(next(iter(baselines.values())).yhat)
    scale, squared = _scales(panel, series, origins, window, season)
    return EvaluatedWindows(
        series=series,
        window=window,
        origin=origins,
        actual=np.where(known, actual, np.nan),
        forecast=forecast,
        baselines=baselines,
        levels=tuple(levels),
        scale=scale,
        squared_scale=squared,
    )


def observed_values(panel: Panel, series: Ints, origins: Ints, horizon: int) -> Floats:
    """Values of the horizon from each origin on, `[M, H, C]`, NaN where unobserved and after the
    end of the series."""
    step = origins[:, None] + np.arange(horizon)  # [M, H]
    inside = step < panel.lengths[series, None]
    rows = panel.offsets[series, None] + np.where(inside, step, 0)
    return np.where(inside[..., None], panel.targets[rows], np.nan)


def _scales(
    panel: Panel, series: Ints, origins: Ints, window: Ints, season: int
) -> tuple[Floats, Floats]:
    """Mean absolute and mean squared seasonal changes before each origin, `[M, C]` each; NaN where
    all are 0."""
    scale = np.full((len(series), panel.targets.shape[1]), np.nan)
    squared = scale.copy()
    for number in np.unique(window):
        rows = np.flatnonzero(window == number)
        ends = panel.offsets[:-1].copy()
        ends[series[rows]] += origins[rows]
        found = seasonal_scale(panel.targets, panel.offsets, season=season, ends=ends)
        scale[rows] = found[series[rows]]
        moment = seasonal_moment(panel.targets, panel.offsets, season=season, ends=ends, power=2)
        squared[rows] = np.where(moment > 0, moment, np.nan)[series[rows]]
    return scale, squared
