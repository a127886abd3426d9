"""Metrics of evaluated windows, overall and by series, group, step and window of a backtest.

Arrays: M windows, H horizon steps, C targets, G groups. There are all metrics of `metrics`; the
changes of `stability`, averaged over windows, but not by step; and OWA, the mean of sMAPE and MASE
relative to those of a reference. The M4 competition's reference is Naive2; here it is the seasonal
naive forecast with the season of the run, or the naive one without a season, in the same windows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.evaluation.metrics import group_metrics
from rnnforecast.evaluation.stability import forecast_changes
from rnnforecast.evaluation.window_metrics import WindowMetrics, window_metrics
from rnnforecast.types import Floats, Ints

MODEL_NAME = "rnnforecast"
"""The name of the model beside those of the baselines."""

OWA_REFERENCES = ("seasonal naive", "naive")
"""The reference of OWA is the first of these baselines that there is."""

STEP_CELLS = 100_000
"""Cells whose metrics by step are computed at once."""


@dataclass(frozen=True)
class GroupScores:
    """Metrics of each of G groups of windows, of the model and the baselines."""

    groups: Ints
    """`[G]` ascending: indices of series or groups, steps from 1, numbers of windows."""
    windows: Ints
    """`[G, C]` windows with an observed value; of several targets `[G, C + 1]`, with all targets
    last."""
    metrics: dict[str, dict[str, Floats]]
    """By model and name of the metric, of the shape of `windows`; NaN where undefined."""


@dataclass(frozen=True)
class Scores:
    """Metrics overall and by each dimension."""

    overall: GroupScores
    """One group."""
    by_series: GroupScores
    by_step: GroupScores
    by_window: GroupScores
    by_group: GroupScores | None
    """None without groups of series."""


def compute_scores(windows: EvaluatedWindows, group: Ints | None = None) -> Scores:
    """All metrics of the windows; `group` is the index `[M]` of the group of each window."""
    labels = {
        "overall": np.zeros(len(windows.series), dtype=np.int64),
        "by_series": windows.series,
        "by_window": windows.window,
    }
    if group is not None:
        labels["by_group"] = group
    scores = _score_groups(windows, labels, with_changes=True)
    return Scores(
        scores["overall"],
        by_series=scores["by_series"],
        by_step=_score_steps(windows),
        by_window=scores["by_window"],
        by_group=scores.get("by_group"),
    )


def _score_steps(windows: EvaluatedWindows) -> GroupScores:
    """The metrics by step, a few steps at once: a step of a window counts as a window."""
    size, horizon = windows.actual.shape[:2]
    at_once = max(1, STEP_CELLS // max(size, 1))
    parts = []
    for first in range(0, horizon, at_once):
        steps = np.arange(first, min(first + at_once, horizon))
        label = {"step": np.tile(steps + 1, size)}
        cells = steps_as_windows(windows, steps)
        parts.append(_score_groups(cells, label, with_changes=False)["step"])
    return GroupScores(
        np.concatenate([part.groups for part in parts]),
        np.concatenate([part.windows for part in parts]),
        {
            model: {
                name: np.concatenate([part.metrics[model][name] for part in parts])
                for name in metrics
            }
            for model, metrics in parts[0].metrics.items()
        },
    )


def _score_groups(
    windows: EvaluatedWindows, labels: dict[str, Ints], *, with_changes: bool
) -> dict[str, GroupScores]:
    """The metrics by each of the `labels [M]`."""
    indexed = {name: np.unique(label, return_inverse=True) for name, label in labels.items()}
    metrics: dict[str, dict[str, dict[str, Floats]]] = {name: {} for name in labels}
    counts = {}
    for model, forecast in {MODEL_NAME: windows.forecast, **windows.baselines}.items():
        found = window_metrics(
            windows.actual,
            forecast,
            windows.levels,
            scale=windows.scale,
            squared_scale=windows.squared_scale,
        )
        if with_changes:
            changes = forecast_changes(windows, forecast)
            found = replace(found, window_means=found.window_means | changes)
        for name, (groups, index) in indexed.items():
            metrics[name][model] = group_metrics(found, index, len(groups))
            if model == MODEL_NAME:
                counts[name] = _count_windows(found, index, len(groups))
    for by_model in metrics.values():
        _add_owa(by_model)
    return {
        name: GroupScores(groups, counts[name], metrics[name])
        for name, (groups, _) in indexed.items()
    }


def _count_windows(found: WindowMetrics, index: Ints, n_groups: int) -> Ints:
    """`GroupScores.windows`."""
    scored = found.count > 0  # [M, C]
    if scored.shape[1] > 1:
        scored = np.concatenate([scored, scored.any(1, keepdims=True)], 1)
    return np.stack([np.bincount(index[column], minlength=n_groups) for column in scored.T], -1)


def _add_owa(by_model: dict[str, dict[str, Floats]]) -> None:
    """Adds the metric ``owa`` to those of all models; NaN without a reference."""
    reference = next((by_model[name] for name in OWA_REFERENCES if name in by_model), None)
    for metrics in by_model.values():
        if reference is None:
            metrics["owa"] = np.full_like(metrics["mase"], np.nan)
            continue
        ratios = [
            metrics[name] / np.where(reference[name] > 0, reference[name], np.nan)
            for name in ("smape", "mase")
        ]
        metrics["owa"] = (ratios[0] + ratios[1]) / 2


def steps_as_windows(windows: EvaluatedWindows, steps: Ints) -> EvaluatedWindows:
    """Some steps of each window, each as a window of one step; those of a window in a row."""
    size, n_targets = len(windows.series), windows.actual.shape[2]
    row = np.repeat(np.arange(size), len(steps))
    chosen = slice(int(steps[0]), int(steps[-1]) + 1)

    def split(forecast: WindowForecast) -> WindowForecast:
        return WindowForecast(
            forecast.yhat[:, chosen].reshape(-1, 1, n_targets),
            forecast.quantiles[:, chosen].reshape(len(row), 1, n_targets, len(windows.levels)),
        )

    return EvaluatedWindows(
        series=windows.series[row],
        window=windows.window[row],
        origin=windows.origin[row] + np.tile(steps, size),
        actual=windows.actual[:, chosen].reshape(-1, 1, n_targets),
        forecast=split(windows.forecast),
        baselines={name: split(each) for name, each in windows.baselines.items()},
        levels=windows.levels,
        scale=windows.scale[row],
        squared_scale=windows.squared_scale[row],
    )
