"""Forecasts of all series of a file: by the model, by a simple method in its place, or none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.errors import DataError, Problem
from rnnforecast.evaluation.baselines import BASELINES, BaselineWindows
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.parallel.engine import Engine
from rnnforecast.pipeline.forecasting import forecast
from rnnforecast.pipeline.panel_statistics import extremes
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.series_errors import (
    MAX_NAMED_SERIES,
    SeriesErrors,
    find_series_errors,
    forecast_status,
    mark_unusable_forecasts,
)
from rnnforecast.types import Bools

FALLBACKS = {
    "seasonal_naive": ("seasonal_naive", "naive"),
    "dot": ("dot", "seasonal_naive", "naive"),
}
"""By `forecast.fallback`: the columns of baselines, each for series that those before have no
forecast of."""


@dataclass(frozen=True)
class SeriesForecasts:
    """Forecasts of the series of a panel, with where each comes from."""

    forecasts: WindowForecast
    """At the levels of the run."""
    all_levels: WindowForecast
    """At all computed levels, not rounded."""
    status: NDArray[np.str_]
    """`[S, C]`"""
    errors: SeriesErrors


def forecast_series(
    run: Run,
    cleaned: CleanedData,
    steps: int,
    *,
    latest: int | None = None,
    engine: Engine | None = None,
) -> SeriesForecasts:
    """The forecasts of all series, as `forecast.on_series_error` says; `latest` as in
    `find_series_errors`, `engine` as in `statistical_quantiles`.

    Raises DataError if it is ``fail`` and the model cannot forecast a series.
    """
    panel, levels, bounds, spec = cleaned.panel, run.levels, run.plan.bounds, run.spec.forecast
    errors = find_series_errors(run, cleaned, steps, latest)
    postprocessing = replace(
        run.postprocessing, quantiles=levels.computed, bounds=bounds.without_rounding()
    )
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found below
        all_levels = forecast(
            run.members,
            cleaned,
            panel.lengths,
            postprocessing=postprocessing,
            horizon=steps,
            engine=engine,
        )
    mark_unusable_forecasts(errors, cleaned, all_levels.yhat)
    if spec.on_series_error == "fail":
        _raise_series_errors(errors)
    wrong = errors.mask
    if wrong.any():
        rows = np.flatnonzero(wrong.any(axis=1))
        with np.errstate(over="ignore", invalid="ignore"):
            found = _fallback(run, cleaned, rows, steps)
        if spec.on_series_error == "skip":
            found.yhat[:], found.quantiles[:] = np.nan, np.nan
        all_levels = _replace(all_levels, found, rows, wrong[rows])
    quantiles = bounds.apply(levels.select(all_levels.quantiles), axis=-2)
    forecasts = WindowForecast(bounds.apply(all_levels.yhat), quantiles)
    status = forecast_status(run, cleaned.panel, errors, forecasts)
    return SeriesForecasts(forecasts, all_levels, status, errors)


def _fallback(
    run: Run, cleaned: CleanedData, rows: NDArray[np.int64], steps: int
) -> WindowForecast:
    """Simple forecasts of the series `rows [s]`, with quantiles from the errors of the method;
    all NaN without a value."""
    panel, levels = cleaned.panel, run.levels
    season = run.season
    windows = BaselineWindows(
        values=panel.targets,
        offsets=panel.offsets,
        series=rows,
        origins=panel.lengths[rows],
        horizon=steps,
        season=season,
        statistical_season=next(iter(run.statistical_seasons), season),
    )
    methods = {each.column: each for each in BASELINES}
    first, *others = FALLBACKS[run.spec.forecast.fallback]
    found = methods[first].forecast(windows, levels.computed)
    for name in others:
        unknown = np.asarray(np.isnan(found.yhat).any(axis=1))  # [s, C]
        if unknown.any():
            other = methods[name].forecast(windows, levels.computed)
            found = _replace(found, other, np.arange(len(rows)), unknown)
    low, high = (each[rows][:, None] for each in extremes(panel))  # [s, 1, C]
    yhat = np.where(low == high, low, found.yhat)
    quantiles = np.where((low == high)[..., None], low[..., None], found.quantiles)
    bounds = run.plan.bounds.without_rounding()
    return WindowForecast(bounds.apply(yhat), bounds.apply(quantiles, axis=-2))


def _replace(
    given: WindowForecast, other: WindowForecast, rows: NDArray[np.int64], mask: Bools
) -> WindowForecast:
    """`given` with the forecasts of the series `rows [s]` from `other` where `mask [s, C]`."""
    yhat, quantiles = given.yhat.copy(), given.quantiles.copy()
    chosen = mask[:, None]  # [s, 1, C]
    yhat[rows] = np.where(chosen, other.yhat, yhat[rows])
    quantiles[rows] = np.where(chosen[..., None], other.quantiles, quantiles[rows])
    return WindowForecast(yhat, quantiles)


def _raise_series_errors(errors: SeriesErrors) -> None:
    """Raises DataError if a series has an error."""
    found = errors.reasons(errors.mask)
    if not found:
        return
    problems = [
        Problem(f"series '{label}'", reason)
        for label, reason in list(found.items())[:MAX_NAMED_SERIES]
    ]
    cure = "correct the data, or set forecast.on_series_error to fallback or skip"
    problems[0] = replace(problems[0], cure=cure)
    if (more := len(found) - len(problems)) > 0:
        problems.append(Problem("", f"… and {more:,} more series"))
    raise DataError(*problems)
