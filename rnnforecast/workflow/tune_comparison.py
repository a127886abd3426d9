"""The comparison of the best spec with the untuned one, on windows that the search never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from rnnforecast.evaluation.evaluated_windows import (
    EvaluatedWindows,
    concatenate_windows,
)
from rnnforecast.evaluation.metrics import forecast_metrics
from rnnforecast.evaluation.verdict import compare_forecasts
from rnnforecast.parallel.engine import Engine, TaskContext
from rnnforecast.pipeline.progress import ProgressListener, pass_on
from rnnforecast.spec.search_space import with_values
from rnnforecast.spec.spec import Spec
from rnnforecast.training import device
from rnnforecast.workflow.tune_trial import ScoredWindows, TrialStopped, TuneTask, score_windows

UNTUNED_NAME = "the untuned spec"


@dataclass(frozen=True)
class _Specs:
    """The specs that are compared, and the data."""

    task: TuneTask
    untuned: Spec
    best: Spec


def _score_spec(
    specs: _Specs, task: tuple[int, bool], context: TaskContext
) -> ScoredWindows | None:
    """A test window, forecast by the best or the untuned spec; None if a stop is requested."""
    number, is_best = task
    count = specs.task.spec.search.test_windows
    name = "the best spec" if is_best else "the untuned spec"
    context.send(("info", f"final comparison: window {number + 1} of {count}, {name}"))
    spec = specs.best if is_best else specs.untuned
    with device.one_thread():
        try:
            return score_windows(specs.task, spec, count - 1 - number, context.should_stop)
        except TrialStopped:
            return None


def compare_to_untuned(
    task: TuneTask,
    values: Mapping[str, Any] | None,
    engine: Engine,
    listener: ProgressListener,
    should_stop: Callable[[], bool],
) -> dict[str, Any] | None:
    """The comparison, as in `tuning.json`; None if a stop was requested before its end.

    Each spec is trained on all data before each test window; the accuracy there is that of the
    held-out horizon that `train` reports. `values` are those of the best trial; None if that is the
    untuned spec.
    """
    count = task.spec.search.test_windows
    specs = _Specs(task, task.spec, task.spec if values is None else with_values(task.spec, values))
    tasks = [(number, is_best) for number in range(count) for is_best in (False, True)]
    if values is None:
        tasks = [(number, False) for number in range(count)]
    found = {
        tasks[index]: scored
        for index, scored in engine.run(
            _score_spec,
            specs,
            tasks,
            on_message=lambda _, message: pass_on(message, listener),
            should_stop=should_stop,
        )
        if scored is not None
    }
    if len(found) < len(tasks):
        return None
    if not found[0, False].has_validation:
        listener.warning(
            "the series are too short for validation windows: the intervals and the weight of "
            "the networks are fitted to the windows that are compared"
        )
    pairs = [
        _common_windows(found[number, values is not None], found[number, False], number)
        for number in range(count)
    ]
    return _compared(pairs, count, is_tuned=values is not None)


def _compared(
    pairs: Sequence[tuple[EvaluatedWindows, EvaluatedWindows]], count: int, *, is_tuned: bool
) -> dict[str, Any]:
    """Metrics of the windows of the best and the untuned spec, and the verdict."""
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
    if is_tuned:
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
