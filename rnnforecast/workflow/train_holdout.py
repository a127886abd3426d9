"""Accuracy on the held-out horizon, of the model and of baselines, by target and series."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation import metrics
from rnnforecast.evaluation.baselines import baseline_forecasts
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.types import Floats, Ints


@dataclass(frozen=True)
class Scores:
    """Metrics of the model and of the best baseline, of one target or of all.

    Metrics in original units are those of one target only; the others of all targets are means
    over series and targets.
    """

    model_metrics: dict[str, float]
    baseline_metrics: dict[str, float]
    baseline_name: str
    """The baseline with the lowest MASE, such as ``seasonal naive with drift`` or ``theta``."""
    baseline_mase: dict[str, float]
    """The MASE of each baseline, by name."""


@dataclass(frozen=True)
class EvaluationResult:
    """Actual values and metrics of the S' series that were scored."""

    series: Ints
    """`[S']` indices of these series in the panel."""
    actual: Floats
    """`[S', H, C]` original units, NaN where unobserved."""
    scores: Scores
    """Of all targets."""
    by_target: dict[str, Scores]
    by_series: pd.DataFrame
    """A row for each scored series and target: keys, ``target``, and metrics in the units of the
    target."""
    smape: Floats
    """`[S']` sMAPE of the model, the mean over the targets of each series."""


@dataclass(frozen=True)
class _Forecast:
    """A forecast `[S', H, C]` of the scored series, and its quantiles `[S', H, C, Q]`."""

    yhat: Floats
    quantiles: Floats


def held_out_values(panel: Panel, origins: Ints, horizon: int) -> Floats:
    """Values of the horizon after `origins [S]`, `[S', H, C]`, NaN where unobserved.

    S' are the series with an origin of 0 or more.
    """
    series = np.flatnonzero(origins >= 0)
    rows = (panel.offsets[:-1] + origins)[series, None] + np.arange(horizon)  # [S', H]
    values: Floats = panel.targets[rows]
    return values


def evaluate_holdout(
    panel: Panel,
    forecasts: WindowForecast,
    origins: Ints,
    *,
    season: int,
    quantiles: Sequence[float],
    statistical_season: int | None = None,
) -> EvaluationResult:
    """Scores forecasts from `origins [S]`; series with an origin below 0 are not scored.

    `statistical_season` is that of theta and exponential smoothing, `season` by default.
    """
    horizon = forecasts.yhat.shape[1]
    series = np.flatnonzero(origins >= 0)
    actual = held_out_values(panel, origins, horizon)
    ends = panel.offsets[:-1] + np.maximum(origins, 0)
    simple = {
        name: _Forecast(point[series], its_quantiles[series])
        for name, (point, its_quantiles) in baseline_forecasts(
            panel.targets,
            panel.offsets,
            season=season,
            horizon=horizon,
            ends=ends,
            levels=quantiles,
            statistical_season=statistical_season or season,
        ).items()
    }
    scale = metrics.seasonal_scale(panel.targets, panel.offsets, season=season, ends=ends)[series]
    model = _Forecast(forecasts.yhat[series], forecasts.quantiles[series])
    # a target without history has no forecast and is not scored
    known = ~np.isnan(model.yhat) & ~np.isnan(next(iter(simple.values())).yhat)
    actual = np.where(known, actual, np.nan)
    every = slice(None)
    names = panel.target_names
    by_target = {
        name: _scores(actual, model, simple, scale, quantiles, slice(c, c + 1))
        for c, name in enumerate(names)
    }
    scores = (
        by_target[names[0]]
        if len(names) == 1
        else _scores(actual, model, simple, scale, quantiles, every)
    )
    smape = metrics.smape_by_series(actual, model.yhat)  # [S', C]
    count = np.maximum((~np.isnan(smape)).sum(1), 1)
    return EvaluationResult(
        series=series,
        actual=actual,
        scores=scores,
        by_target=by_target,
        by_series=_series_table(panel, series, actual, model, simple, scale, by_target),
        smape=np.nansum(smape, 1) / count,
    )


def _scores(
    actual: Floats,
    model: _Forecast,
    simple: Mapping[str, _Forecast],
    scale: Floats,
    levels: Sequence[float],
    targets: slice,
) -> Scores:
    """The scores of some of the targets; the baseline is the best one."""

    def compute(forecast: _Forecast) -> dict[str, float]:
        return metrics.compute_metrics(
            actual[:, :, targets],
            forecast.yhat[:, :, targets],
            scale=scale[:, targets],
            quantiles=forecast.quantiles[:, :, targets],
            levels=levels,
        )

    all_simple = {name: compute(forecast) for name, forecast in simple.items()}
    best = min(all_simple, key=lambda name: _sort_key(all_simple[name]))
    baseline_mase = {name: found["mase"] for name, found in all_simple.items()}
    return Scores(compute(model), all_simple[best], best, baseline_mase)


def _sort_key(found: Mapping[str, float]) -> tuple[float, ...]:
    """MASE, or sMAPE where no series has a MASE; undefined ones last."""
    return tuple(math.inf if math.isnan(found[name]) else found[name] for name in ("mase", "smape"))


def _series_table(
    panel: Panel,
    series: Ints,
    actual: Floats,
    model: _Forecast,
    simple: Mapping[str, _Forecast],
    scale: Floats,
    by_target: Mapping[str, Scores],
) -> pd.DataFrame:
    """`EvaluationResult.by_series`; the baseline is that of the target."""
    names = panel.target_names
    baseline = np.stack(
        [simple[by_target[name].baseline_name].yhat[..., c] for c, name in enumerate(names)], -1
    )
    columns = {"target": np.tile(np.array(names, dtype=object), len(series))}
    for prefix, yhat in (("", model.yhat), ("baseline_", baseline)):
        for name, values in metrics.metrics_by_series(actual, yhat, scale).items():
            columns[prefix + name] = values.reshape(-1)  # [S' * C]
    columns["baseline"] = np.tile([by_target[name].baseline_name for name in names], len(series))
    keys = panel.keys.iloc[np.repeat(series, len(names))].reset_index(drop=True)
    table = pd.DataFrame(columns)
    table = table[~np.isnan(actual).all(1).reshape(-1)]
    return pd.concat([keys.loc[table.index], table], axis=1)


def evenly_spaced_by_score(scores: Floats, count: int) -> Ints:
    """Indices of up to `count` series, evenly spaced from the best forecast to the worst."""
    order = np.argsort(scores, kind="stable")
    if len(order) <= count:
        return order
    return order[np.linspace(0, len(order) - 1, count).round().astype(np.int64)]
