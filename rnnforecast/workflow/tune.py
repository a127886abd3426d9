"""`tune`: the best values of some keys of a spec, by trainings on parts of the data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast.data.cleaning_plan import align_table
from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.output.ownership import claim_folder
from rnnforecast.output.write_errors import os_errors_as_output_error
from rnnforecast.parallel.engine import Engine
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.prepare import build_cleaning_plan, read_training_table
from rnnforecast.pipeline.progress import NullListener, ProgressListener
from rnnforecast.spec.backtest import BacktestSpec
from rnnforecast.spec.load import dump_spec, read_spec
from rnnforecast.spec.search_space import Choices, Parameter, with_values
from rnnforecast.spec.spec import Spec
from rnnforecast.wording import count_of
from rnnforecast.workflow.tune_comparison import (
    best_baseline,
    compare_to_untuned,
    conclusion,
    final_metric,
)
from rnnforecast.workflow.tune_output import SpecText, write_tuning
from rnnforecast.workflow.tune_space import build_space, untuned_values
from rnnforecast.workflow.tune_trial import TuneTask, engine_that_pays

BUDGET_KEYS = ("trials", "minutes")
"""Keys of the section search that may change from one call to the next."""


@dataclass(frozen=True)
class TuneResult:
    """The content of `tuning.json`, and the folder."""

    folder: Path
    criterion: str
    trials: dict[str, int]
    """The number of trials by how they ended: complete, pruned, failed."""
    best_trial: int | None
    """Its number; None without a completed trial."""
    values: dict[str, Any]
    """Of the searched keys, as in the best trial."""
    search_score: float | None
    """The score of the best trial on the folds, which is optimistic: the lowest of many."""
    untuned_search_score: float | None
    """The same of the untuned spec; None if the space does not have its values."""
    test: dict[str, Any] | None
    """The comparison on windows that the search never saw; None if interrupted before it."""
    conclusion: str
    """Whether tuning helped, in words."""
    interrupted: bool

    @property
    def baseline(self) -> str | None:
        """The best baseline of the comparison."""
        return None if self.test is None else best_baseline(self.criterion, self.test)

    @property
    def warning(self) -> str | None:
        """That a baseline is better than both specs, if one is."""
        if self.test is None or self.baseline is None:
            return None
        value = self.test["baselines"][self.baseline][self.metric]
        own = [self.test[name] for name in ("tuned", "untuned") if self.test[name] is not None]
        if all(value < each[self.metric] for each in own):
            return (
                f"{self.baseline} is better than both on windows that the search never saw: "
                f"{self.metric} {value:.4g}"
            )
        return None

    @property
    def metric(self) -> str:
        """The name of the metric of the comparison."""
        return final_metric(self.criterion)


def check_optuna() -> None:
    """Raises UsageError if Optuna is not installed."""
    if find_spec("optuna") is None:
        raise UsageError(Problem("", "optuna is not installed", "pip install 'rnnforecast[tune]'"))


def tune(
    path: Path,
    folder: Path,
    *,
    overrides: Sequence[str] = (),
    force: bool = False,
    engine: Engine = IN_PROCESS,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TuneResult:
    """Searches for the best values of `search.keys` of the spec at `path`; results in `folder`.

    A search in this folder is continued; several processes may work on it at the same time.

    Args:
        overrides: ``section.key=value`` each.
        force: whether the results go into any folder, not only an empty one or that of a search.
        engine: runs trials at the same time; the result does not depend on how many.
        should_stop: polled during training; True ends the search, which can be continued.

    Raises:
        SpecError, DataError, TrainingDiverged, OutputError, UsageError, WorkerLost.
    """
    check_optuna()
    spec = read_spec(path, overrides)
    source = spec.data.source_paths(path)
    plan = build_cleaning_plan(spec)
    aligned = align_table(plan, read_training_table(spec, source))
    task = TuneTask(spec, aligned, source, path.resolve().parent, folder)
    text = SpecText(path.read_text(encoding="utf-8-sig"), read_spec(path), path.name, path.parent)
    return tune_aligned(
        task, text, force=force, engine=engine, listener=listener, should_stop=should_stop
    )


def tune_aligned(
    task: TuneTask,
    text: SpecText,
    *,
    force: bool = False,
    engine: Engine = IN_PROCESS,
    listener: ProgressListener | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> TuneResult:
    """As `tune`, for data that have been read; `text` is what the best spec is written from."""
    # slow to import
    from rnnforecast.workflow.tune_search import Search, best_record, run_search

    check_optuna()
    listener = listener or NullListener()
    spec = task.spec
    prepared = task.prepare_fold(spec, task.n_folds - 1)
    space = build_space(prepared)
    with os_errors_as_output_error(task.folder):
        claim_folder(task.folder, "tuning", force=force)
    search = Search(task, space, untuned_values(space, spec, prepared.spec))
    _describe(task, space, listener)
    study = search.open_study()
    try:
        study.check_fingerprint(_fingerprint(task, space))
        engine = engine_that_pays(engine, prepared.spec, task.n_folds)
        run_search(search, study, engine, listener, should_stop)
        records = study.records()
        best = best_record(records)
        test = None
        if not should_stop():
            if best is None:
                raise _no_result([record.note for record in records])
            values = None if best.is_untuned else best.values
            with study.final_lock():
                test = _stored_comparison(study.comparison, values)
                if test is None:
                    test = compare_to_untuned(task, values, engine, listener, should_stop)
                    if test is not None:
                        study.comparison = {"values": values, "test": test}
        result = _build_result(task, records, best, test)
        if test is not None:
            with study.final_lock():
                best_values = {} if best is None or best.is_untuned else best.values
                write_tuning(
                    task.folder,
                    text,
                    with_values(spec, best_values),
                    best_values,
                    records,
                    study.importances(),
                    _to_stored(result),
                )
        return result
    finally:
        study.close()


def _build_result(task: TuneTask, records: Sequence[Any], best: Any, test: Any) -> TuneResult:
    untuned = next((record.score for record in records if record.is_untuned), None)
    return TuneResult(
        folder=task.folder,
        criterion=task.criterion,
        trials={
            state: sum(record.state == state for record in records)
            for state in ("complete", "pruned", "failed")
        },
        best_trial=None if best is None else best.number,
        values={} if best is None else best.values,
        search_score=None if best is None else best.score,
        untuned_search_score=untuned,
        test=test,
        conclusion="" if test is None else conclusion(task.criterion, test),
        interrupted=test is None,
    )


def _to_stored(result: TuneResult) -> dict[str, Any]:
    """The content of `tuning.json`; its bytes do not depend on the location."""
    stored = asdict(result)
    del stored["folder"], stored["interrupted"]
    return stored


def _stored_comparison(
    stored: Mapping[str, Any] | None, values: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """The comparison of an earlier call, if it is of the same best values."""
    if stored is None or stored["values"] != values:
        return None
    test: dict[str, Any] = stored["test"]
    return test


def _no_result(notes: Sequence[str]) -> DataError:
    first = next((note for note in notes if note), "no trial has ended")
    cure = "give the search more minutes or other values; trials.csv is not written"
    return DataError(Problem("search", f"no trial has a score: {first}", cure))


def _describe(task: TuneTask, space: Mapping[str, Parameter], listener: ProgressListener) -> None:
    """Lines on the data, the folds and the space."""
    search, panel = task.spec.search, task.aligned.panel
    budget = f"{search.trials} trials"
    if search.minutes is not None:
        budget += f" or {search.minutes:g} minutes"
    listener.info(
        f"{panel.n_series:,} series; {search.criterion} of {count_of(task.n_folds, 'fold')} of "
        f"{task.spec.window.horizon} steps; the last {count_of(search.test_windows, 'horizon')} "
        "kept apart for the comparison; "
        f"{search.sampler}, {budget}"
    )
    if sampled := task.aligned.table.sampled:
        listener.info(f"a sample: {sampled.describe()}")
    for key, parameter in space.items():
        if isinstance(parameter, Choices):
            words = ", ".join(map(str, parameter.values))
        else:
            words = f"{parameter.low:g} to {parameter.high:g}"
            words += ", logarithmic" if parameter.log else ""
            words += f", step {parameter.step:g}" if parameter.step else ""
        listener.info(f"search  {key}: {words}")


def _fingerprint(task: TuneTask, space: Mapping[str, Parameter]) -> str:
    """SHA-256 of the spec but for the budget, the space, and the data."""
    panel, spec = task.aligned.panel, _without_budget(task.spec)
    digest = hashlib.sha256(json.dumps([dump_spec(spec), repr(space)]).encode())
    for part in (panel.offsets, panel.start, panel.targets, panel.covariates):
        if part is not None:
            digest.update(np.ascontiguousarray(part).tobytes())
    digest.update("\0".join(map(str, panel.labels())).encode())
    return digest.hexdigest()


def _without_budget(spec: Spec) -> Spec:
    default = type(spec.search)()
    budget = {name: getattr(default, name) for name in BUDGET_KEYS}
    search = spec.search.model_copy(update=budget)
    return spec.model_copy(update={"search": search, "backtest": BacktestSpec()})
