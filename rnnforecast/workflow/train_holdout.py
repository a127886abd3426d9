"""Accuracy on the held-out horizon, of the model and of the seasonal naive forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation import baselines, metrics
from rnnforecast.pipeline.forecasting import Forecasts
from rnnforecast.types import Floats, Ints


@dataclass(frozen=True)
class EvaluationResult:
    """Actual values and metrics of the S' series that were scored."""

    series: Ints
    """`[S']` indices of these series in the panel."""
    actual: Floats
    """`[S', H, C]` original units, NaN where unobserved."""
    model_metrics: dict[str, float]
    naive_metrics: dict[str, float]
    smape: Floats
    """`[S']` sMAPE of the model, the mean over the targets of each series."""


def held_out_values(panel: Panel, origins: Ints, horizon: int) -> Floats:
    """Values of the horizon after `origins [S]`, `[S', H, C]`, NaN where unobserved.

    S' are the series with an origin of 0 or more.
    """
    series = np.flatnonzero(origins >= 0)
    rows = (panel.offsets[:-1] + origins)[series, None] + np.arange(horizon)  # [S', H]
    values: Floats = panel.targets[rows]
    return values


def evaluate_holdout(
    panel: Panel, forecasts: Forecasts, origins: Ints, *, season: int, quantiles: Sequence[float]
) -> EvaluationResult:
    """Scores forecasts from `origins [S]`; series with an origin below 0 are not scored."""
    horizon = forecasts.yhat.shape[1]
    series = np.flatnonzero(origins >= 0)
    actual = held_out_values(panel, origins, horizon)
    ends = panel.offsets[:-1] + np.maximum(origins, 0)
    naive = baselines.seasonal_naive(
        panel.targets, panel.offsets, season=season, horizon=horizon, ends=ends
    )[series]
    naive_quantiles = baselines.seasonal_naive_quantiles(
        panel.targets, panel.offsets, season=season, horizon=horizon, ends=ends, levels=quantiles
    )[series]
    scale = metrics.seasonal_scale(panel.targets, panel.offsets, season=season, ends=ends)[series]
    # a target without history has no forecast and is not scored
    known = ~np.isnan(forecasts.yhat[series]) & ~np.isnan(naive)
    actual = np.where(known, actual, np.nan)

    def score(yhat: Floats, values: Floats) -> dict[str, float]:
        return metrics.compute_metrics(
            actual, yhat, scale=scale, quantiles=values, levels=quantiles
        )

    by_target = metrics.smape_by_series(actual, forecasts.yhat[series])  # [S', C]
    count = np.maximum((~np.isnan(by_target)).sum(1), 1)
    return EvaluationResult(
        series=series,
        actual=actual,
        model_metrics=score(forecasts.yhat[series], forecasts.quantiles[series]),
        naive_metrics=score(naive, naive_quantiles),
        smape=np.nansum(by_target, 1) / count,
    )


def evenly_spaced_by_score(scores: Floats, count: int) -> Ints:
    """Indices of up to `count` series, evenly spaced from the best forecast to the worst."""
    order = np.argsort(scores, kind="stable")
    if len(order) <= count:
        return order
    return order[np.linspace(0, len(order) - 1, count).round().astype(np.int64)]
