"""Evaluation of forecasts from past origins, beside observed values and baselines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation.baselines import Baseline, BaselineWindows, select_baselines
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
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
    baselines: Sequence[Baseline] | None = None,
) -> EvaluatedWindows:
    """The forecasts of M windows beside observed values and baselines.

    A target without a value before the origin has no forecast; its actual values are NaN.

    Args:
        series, origins: `[M]` as in `pipeline.forecasting.forecast`.
        window: `[M]` the number of each window; all 0 by default.
        season: of MASE and of seasonal naive forecasts, in steps.
        statistical_season: of theta and exponential smoothing; `season` by default.
        baselines: by default those that `select_baselines` has for so many windows.
    """
    window = np.zeros(len(series), dtype=np.int64) if window is None else window
    values, offsets, place = _rows_of_series(panel, series)
    past = BaselineWindows(
        values=values,
        offsets=offsets,
        series=place,
        origins=origins,
        horizon=forecast.yhat.shape[1],
        season=season,
        statistical_season=statistical_season or season,
    )
    computed = {
        each.name: each.forecast(past, levels)
        for each in baselines or select_baselines(season=season, count=past.count)
    }
    actual = observed_values(panel, series, origins, forecast.yhat.shape[1])
    known = ~np.isnan(forecast.yhat) & ~np.isnan(next(iter(computed.values())).yhat)
    scale, squared = (
        seasonal_moment(
            values, offsets, season=season, ends=offsets[place] + origins, power=power, series=place
        )
        for power in (1, 2)
    )
    return EvaluatedWindows(
        series=series,
        window=window,
        origin=origins,
        actual=np.where(known, actual, np.nan),
        forecast=forecast,
        baselines=computed,
        levels=tuple(levels),
        scale=np.where(scale > 0, scale, np.nan),
        squared_scale=np.where(squared > 0, squared, np.nan),
    )


def _rows_of_series(panel: Panel, series: Ints) -> tuple[Floats, Ints, Ints]:
    """The targets of the series of windows `[M]` and no others: flat values, offsets, and the place
    `[M]` of each window's series among them."""
    chosen, place = np.unique(series, return_inverse=True)
    if len(chosen) == panel.n_series:
        return panel.targets, panel.offsets, series
    lengths = panel.lengths[chosen]
    offsets = np.r_[0, np.cumsum(lengths)]
    rows = np.arange(offsets[-1]) + np.repeat(panel.offsets[chosen] - offsets[:-1], lengths)
    return panel.targets[rows], offsets, place


def observed_values(panel: Panel, series: Ints, origins: Ints, horizon: int) -> Floats:
    """Values of the horizon from each origin on, `[M, H, C]`, NaN where unobserved and after the
    end of the series."""
    step = origins[:, None] + np.arange(horizon)  # [M, H]
    inside = step < panel.lengths[series, None]
    rows = panel.offsets[series, None] + np.where(inside, step, 0)
    return np.where(inside[..., None], panel.targets[rows], np.nan)
