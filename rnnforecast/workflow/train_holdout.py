"""Accuracy on the held-out horizon, of the model and of baselines, by target and series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnnforecast.data.panel.panel import Panel
from rnnforecast.evaluation import metrics
from rnnforecast.evaluation.baselines import Baseline
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.pipeline.evaluation import evaluate_windows
from rnnforecast.types import Floats, Ints

EXAMPLES = ("best", "median", "worst")
"""Of the scored series, by their sMAPE."""


@dataclass(frozen=True)
class HoldoutScores:
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
    beats_best_baseline: bool = False
    """Whether the model has a lower MASE than the best baseline; sMAPE where no MASE is defined."""


@dataclass(frozen=True)
class EvaluationResult:
    """The scored windows and their metrics."""

    windows: EvaluatedWindows
    """One window for each of the S' series that were scored."""
    scores: HoldoutScores
    """Of all targets."""
    by_target: dict[str, HoldoutScores]
    by_series: pd.DataFrame
    """A row for each scored series and target: keys, ``target``, and metrics in the units of the
    target."""
    smape: Floats
    """`[S']` sMAPE of the model, the mean over the targets of each series."""
    mase: Floats
    """`[S']` MASE of the model, the mean over the targets of each series; NaN without any."""

    def example_series(self, labels: Sequence[str]) -> dict[str, dict[str, str | float]]:
        """Label, sMAPE and MASE of the best, median and worst of three or more scored series;
        `labels` are those of the panel."""
        scored = np.flatnonzero(~np.isnan(self.windows.actual).all((1, 2)))
        if len(scored) < len(EXAMPLES):
            return {}
        chosen = scored[evenly_spaced_by_score(self.smape[scored], len(EXAMPLES))]
        return {
            name: {
                "series": str(labels[self.windows.series[index]]),
                "smape": float(self.smape[index]),
                "mase": float(self.mase[index]),
            }
            for name, index in zip(EXAMPLES, chosen, strict=True)
        }


def evaluate_holdout(
    panel: Panel,
    forecasts: WindowForecast,
    series: Ints,
    origins: Ints,
    *,
    season: int,
    quantiles: Sequence[float],
    statistical_season: int | None = None,
    baselines: Sequence[Baseline] | None = None,
) -> EvaluationResult:
    """Scores forecasts of one window of each of the `series [S']` from `origins [S']`.

    `statistical_season` is that of theta and exponential smoothing, `season` by default;
    `baselines` are as in `evaluate_windows`.
    """
    windows = evaluate_windows(
        panel,
        forecasts,
        series,
        origins,
        season=season,
        levels=quantiles,
        statistical_season=statistical_season,
        baselines=baselines,
    )
    names = panel.target_names
    by_target = {name: _scores(windows.target(index)) for index, name in enumerate(names)}
    found = metrics.metrics_by_series(windows.actual, windows.forecast.yhat, windows.scale)
    smape, mase = found["smape"], found["mase"]  # [S', C]
    n_known = (~np.isnan(mase)).sum(1)
    return EvaluationResult(
        windows=windows,
        scores=by_target[names[0]] if len(names) == 1 else _scores(windows),
        by_target=by_target,
        by_series=_series_table(panel, windows, by_target),
        smape=np.nansum(smape, 1) / np.maximum((~np.isnan(smape)).sum(1), 1),
        mase=np.nansum(mase, 1) / np.where(n_known > 0, n_known, np.nan),
    )


def _scores(windows: EvaluatedWindows) -> HoldoutScores:
    """The scores of the windows; the baseline is the best one."""
    simple = {
        name: metrics.forecast_metrics(windows, forecast)
        for name, forecast in windows.baselines.items()
    }
    best = min(simple, key=lambda name: metrics.ranking_key(simple[name]))
    baseline_mase = {name: found["mase"] for name, found in simple.items()}
    ours = metrics.forecast_metrics(windows, windows.forecast)
    beats = metrics.ranking_key(ours) < metrics.ranking_key(simple[best])
    return HoldoutScores(ours, simple[best], best, baseline_mase, beats)


def _series_table(
    panel: Panel, windows: EvaluatedWindows, by_target: Mapping[str, HoldoutScores]
) -> pd.DataFrame:
    """`EvaluationResult.by_series`; the baseline is that of the target."""
    names, series, actual = panel.target_names, windows.series, windows.actual
    best = [by_target[name].baseline_name for name in names]
    baseline = np.stack([windows.baselines[each].yhat[..., c] for c, each in enumerate(best)], -1)
    columns = {"target": np.tile(np.array(names, dtype=object), len(series))}
    for prefix, yhat in (("", windows.forecast.yhat), ("baseline_", baseline)):
        for name, values in metrics.metrics_by_series(actual, yhat, windows.scale).items():
            columns[prefix + name] = values.reshape(-1)  # [S' * C]
    columns["baseline"] = np.tile(best, len(series))
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
