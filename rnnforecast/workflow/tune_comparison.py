"""The comparison of the best spec with the untuned one, on windows that the search never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from rnnforecast.evaluation.evaluated_windows import (
    EvaluatedWindows,
    concatenate_windows,
)
from rnnforecast.evaluation.metrics import forecast_metrics
from rnnforecast.evaluation.verdict import compare_forecasts
from rnnforecast.pipeline.progress import ProgressListener
from rnnforecast.spec.search_space import with_values
from rnnforecast.workflow.tune_trial import ScoredWindows, TuneTask, score_windows

UNTUNED_NAME = "the untuned spec"


def compare_to_untuned(
    task: TuneTask, values: Mapping[str, Any] | None, listener: ProgressListener
) -> dict[str, Any]:
    """The comparison, as in `tuning.json`.

    Each spec is trained on all data before each test window; the accuracy there is that of the
    held-out horizon that `train` reports. `values` are those of the best trial; None if that is the
    untuned spec.
    """
    pairs = []
    count = task.spec.search.test_windows
    for number in range(count):
        n_cut = count - 1 - number
        listener.info(f"final comparison: window {number + 1} of {count}, the untuned spec")
        before = after = score_windows(task, task.spec, n_cut)
        if values is not None:
            listener.info(f"final comparison: window {number + 1} of {count}, the best spec")
            after = score_windows(task, with_values(task.spec, values), n_cut)
        if number == 0 and not before.has_validation:
            listener.warning(
                "the series are too short for validation windows: the intervals and the weight of "
                "the networks are fitted to the windows that are compared"
            )
        pairs.append(_common_windows(after, before, number))
    tuned, untuned = zip(*pairs, strict=True)
    windows, other = concatenate_windows([*tuned]), concatenate_windows([*untuned]).forecast
    found: dict[str, Any] = {
        "windows": count,
        "series": len(np.unique(windows.series)),
        "untuned": forecast_metrics(windows, other),
        "tuned": None,
        "baselines": {
            name: forecast_metrics(windows, forecast)
            for name, forecast in windows.baselines.items()
        },
        "verdict": None,
    }
    if values is not None:
        verdict = compare_forecasts(windows, {UNTUNED_NAME: other})[UNTUNED_NAME]
        found["tuned"] = forecast_metrics(windows, windows.forecast)
        found["verdict"] = {
            **asdict(verdict),
            "resampled": list(verdict.resampled),
            "outcome": verdict.outcome,
            "words": verdict.words(),
        }
    return found


def conclusion(criterion: str, comparison: Mapping[str, Any]) -> str:
    """Whether the search has helped, in one sentence."""
    verdict = comparison["verdict"]
    if verdict is None:
        return "tuning did not help: no trial was better than the untuned spec"
    name = final_metric(criterion)
    tuned, untuned = comparison["tuned"][name], comparison["untuned"][name]
    words = verdict["words"]
    if not tuned < untuned:
        return f"tuning did not help on windows that the search never saw: {words}"
    if verdict["outcome"] == "better":
        return f"tuning helped: {words}"
    return f"tuning may have helped, which is not shown: {words}"


def best_baseline(criterion: str, comparison: Mapping[str, Any]) -> str:
    """The name of the baseline with the lowest metric in the comparison."""
    name, baselines = final_metric(criterion), comparison["baselines"]
    scores = {each: found[name] for each, found in baselines.items()}
    return str(min(scores, key=lambda each: (np.isnan(scores[each]), scores[each])))


def final_metric(criterion: str) -> str:
    """The metric of the comparison: the criterion, or MASE for one of training windows."""
    return "mase" if criterion in ("aic", "bic") else criterion


def _common_windows(
    tuned: ScoredWindows, untuned: ScoredWindows, number: int
) -> tuple[EvaluatedWindows, EvaluatedWindows]:
    """The windows of the series that both have, in the same order and with a number."""
    _, first, second = np.intersect1d(tuned.labels, untuned.labels, return_indices=True)
    order = np.argsort(first)
    window = np.full(len(order), number)
    return (
        replace(tuned.windows.select(first[order]), window=window),
        replace(untuned.windows.select(second[order]), window=window),
    )
