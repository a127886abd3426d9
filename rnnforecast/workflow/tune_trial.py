"""A trial of `tune`: trainings on data cut before each fold, and the scores of the folds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast.data.cleaning_plan import AlignedData
from rnnforecast.data.windows.split import min_series_length
from rnnforecast.errors import DataError, Problem
from rnnforecast.evaluation.baselines import BASELINES
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows
from rnnforecast.evaluation.metrics import forecast_metrics
from rnnforecast.parallel.engine import Engine
from rnnforecast.parallel.in_process import IN_PROCESS
from rnnforecast.pipeline.prepare import PreparedData, prepare_aligned
from rnnforecast.pipeline.progress import FitProgress, NullListener
from rnnforecast.spec.search_space import with_values
from rnnforecast.spec.spec import Spec
from rnnforecast.training import device
from rnnforecast.workflow.train import fit_prepared
from rnnforecast.workflow.train_members import WORKER_START_SECONDS, first_fit_seconds
from rnnforecast.workflow.train_output import TrainedRun
from rnnforecast.workflow.tune_criteria import information_criterion

N_PARTS = 16
"""Groups of series whose scores a trial is compared on in pairs, in each fold."""
MANY_SERIES = 1000
"""From so many series on, two folds suffice."""
FAST_BASELINES = BASELINES[:1]
"""A trial is compared with no baseline, but one is there in every evaluation."""
MIN_FINISHED, MIN_SHARE = 5, 0.25
"""The median rule needs so many other trials, and this share of the steps."""
INCOMPARABLE_LOSS = (
    "window.lookback", "model.normalize", "model.smoothing_seasons", "training.loss",
    "training.loss_options", "training.horizon_weight", "training.series_weight",
    "training.window_weight", "training.max_steps", "training.schedule", "training.preset",
    "training.batch_size", "clean.transform", "clean.deseasonalize", "clean.outliers",
    "clean.outlier_action", "clean.outlier_threshold", "ensemble.members",
)  # fmt: skip
"""Keys with which validation losses of two trials do not compare at one step."""


class TrialStopped(Exception):
    """The search was interrupted, or its time is up."""


class TrialPruned(Exception):
    """The trial is not promising; the text says why."""


@dataclass(frozen=True)
class TuneTask:
    """What all processes of a search need."""

    spec: Spec
    aligned: AlignedData
    source: tuple[str, ...]
    spec_folder: Path
    folder: Path
    """The folder of the results."""

    @property
    def criterion(self) -> str:
        """The name of the criterion."""
        return self.spec.search.criterion

    @property
    def is_information_criterion(self) -> bool:
        """Whether the criterion is computed from training windows."""
        return self.criterion in ("aic", "bic")

    @cached_property
    def n_folds(self) -> int:
        """The number of folds of a trial; DataError if the data are too short for it."""
        search, lengths = self.spec.search, self.aligned.panel.lengths
        horizon, longest = self.spec.window.horizon, int(lengths.max())
        possible = (longest - min_series_length(horizon, horizon)) // horizon + 1
        possible -= search.test_windows
        wanted = _auto_folds(len(lengths)) if search.folds == "auto" else int(search.folds)
        if possible < 1 or (search.folds != "auto" and wanted > possible):
            key, cure = "search.folds", f"set it to {possible} or less"
            if possible < 1:
                key, cure = "window.horizon", "shorten it, or bring more history"
            found = (
                f"the longest series has {longest:,} steps, too few for {wanted} folds and "
                f"{search.test_windows} test windows of {horizon} steps"
            )
            raise DataError(Problem(key, found, cure))
        return 1 if self.is_information_criterion else min(wanted, possible)

    def prepare(self, spec: Spec, n_cut: int) -> PreparedData:
        """The data and the spec without the last `n_cut` horizons."""
        lengths = self.aligned.panel.lengths
        aligned = (
            self.aligned.before(lengths - n_cut * spec.window.horizon) if n_cut else self.aligned
        )
        return prepare_aligned(_for_scoring(spec), aligned, self.source, self.spec_folder)

    def prepare_fold(self, spec: Spec, fold: int) -> PreparedData:
        """The data of a fold, whose last horizon is scored; the first fold is the latest."""
        return self.prepare(spec, self.spec.search.test_windows + fold)


def _auto_folds(n_series: int) -> int:
    """At least two, however many series: what is best in one horizon need not be in the next."""
    return 3 if n_series < MANY_SERIES else 2


def _for_scoring(spec: Spec) -> Spec:
    """The spec without what only a run folder needs."""
    return with_values(spec, {"training.final_fit": False, "forecast.plots": 0})


class TrialWatch:
    """Listens to a trial: passes progress on, stops it in time, and prunes it by the median rule.

    A trial whose best validation loss at a step is above the median of the best losses of the
    others at that step is not continued (Golovin et al. 2017, "Google Vizier", section 3.2).
    """

    def __init__(
        self,
        *,
        seconds_left: float,
        should_stop: Callable[[], bool],
        on_progress: Callable[[FitProgress], None],
        others: Sequence[Mapping[int, float]] = (),
    ) -> None:
        """`others` are the validation losses of completed trials by step; none: no pruning."""
        self._deadline = time.monotonic() + seconds_left
        self._should_stop, self._on_progress, self._others = should_stop, on_progress, others
        self.losses: list[tuple[int, float]] = []
        self.fold = 0

    def info(self, text: str) -> None:
        """Lines of single trainings are not shown."""

    def warning(self, text: str) -> None:
        """Warnings of single trainings are not shown."""

    def progress(self, progress: FitProgress) -> None:
        """Raises TrialStopped or TrialPruned where the trial has to end."""
        self.check_time()
        self._on_progress(progress)
        if self.fold or not progress.validated or progress.validation_loss is None:
            return
        self.losses.append((progress.step, progress.validation_loss))
        if progress.step >= MIN_SHARE * progress.total:
            self._check_median(progress.step)

    def check_time(self) -> None:
        """Raises TrialStopped if the time is up or a stop was requested."""
        if self._should_stop() or time.monotonic() >= self._deadline:
            raise TrialStopped

    def _check_median(self, step: int) -> None:
        best = [
            min(loss for at, loss in losses.items() if at <= step)
            for losses in self._others
            if any(at <= step for at in losses)
        ]
        own = min(loss for _, loss in self.losses)
        if len(best) >= MIN_FINISHED and own > float(np.median(best)):
            raise TrialPruned(f"the validation loss at step {step:,} is above the median")


def score_trial(
    task: TuneTask,
    values: Mapping[str, Any],
    watch: TrialWatch,
    report: Callable[[float, list[float]], None],
    is_worse: Callable[[], bool],
) -> float:
    """The score of the spec with other values: the mean over the folds.

    Args:
        report: receives the score of each fold, and those of its parts.
        is_worse: whether what was reported suffices to end the trial.

    Raises:
        TrialStopped, TrialPruned; SpecError, DataError, TrainingDiverged for values that do not do.
    """
    spec = with_values(task.spec, values)
    scores: list[float] = []
    for fold in range(task.n_folds):
        watch.fold = fold
        watch.check_time()
        prepared = task.prepare_fold(spec, fold)
        if spec.search.step_share < 1:
            steps = math.ceil(spec.search.step_share * int(prepared.spec.training.max_steps))
            shorter = with_values(spec, {"training.max_steps": steps})
            prepared = task.prepare_fold(shorter, fold)
        trained = fit_prepared(prepared, listener=watch, baselines=FAST_BASELINES)
        score, parts = _score(task.criterion, trained)
        scores.append(score)
        report(score, parts)
        if fold < task.n_folds - 1 and is_worse():
            raise TrialPruned(f"worse than the best trial on {fold + 1} of {task.n_folds} folds")
    return float(np.mean(scores))


def _score(criterion: str, trained: TrainedRun) -> tuple[float, list[float]]:
    """The score of a training, and that of each part of the series."""
    if criterion in ("aic", "bic"):
        return information_criterion(criterion, trained), []
    windows = trained.fit_result.evaluation.windows
    score = window_score(criterion, windows)
    part = windows.series % N_PARTS
    found = [window_score(criterion, windows.select(part == each)) for each in np.unique(part)]
    return score, [score if math.isnan(value) else value for value in found]


def window_score(criterion: str, windows: EvaluatedWindows) -> float:
    """A metric of windows; DataError if it is not defined for them."""
    found = forecast_metrics(windows, windows.forecast)
    if criterion not in found:
        found_text = f"{criterion} has units, and there are {windows.actual.shape[2]} targets"
        raise DataError(Problem("search.criterion", found_text, "set it to mase, rmsse or wql"))
    return found[criterion]


@dataclass(frozen=True)
class ScoredWindows:
    """The windows of one horizon, forecast by a training on the data before it."""

    windows: EvaluatedWindows
    labels: list[str]
    """Of the series of each window."""
    has_validation: bool
    """Without validation windows, intervals and the weight of the networks are fitted to these."""


def score_windows(
    task: TuneTask, spec: Spec, n_cut: int, should_stop: Callable[[], bool]
) -> ScoredWindows:
    """The windows of the last horizon without the last `n_cut` ones; TrialStopped if a stop is
    requested."""
    trained = fit_prepared(
        task.prepare(spec, n_cut), listener=NullListener(), should_stop=should_stop
    )
    if trained.result.interrupted:
        raise TrialStopped
    windows, labels = trained.fit_result.evaluation.windows, trained.session.panel.labels()
    return ScoredWindows(
        windows,
        [str(labels[series]) for series in windows.series],
        trained.session.validation is not None,
    )


def engine_that_pays(engine: Engine, spec: Spec, n_folds: int) -> Engine:
    """The engine, or this process if workers do not save more time than they need to start.

    `spec` is that of a trial, with every `auto` resolved.
    """
    if engine.n_workers == 1 or device.select_device(spec.training.device).type != "cpu":
        return IN_PROCESS
    model, window, search = spec.model, spec.window, spec.search
    seconds = first_fit_seconds(
        spec.training,
        hidden_size=int(model.hidden_size),
        n_patches=int(window.lookback) // int(window.patch_length),
        n_layers=int(model.layers),
    )
    seconds *= int(spec.ensemble.members) * n_folds * search.trials * search.step_share
    saved = seconds - seconds / min(engine.n_workers, search.trials)
    return engine if saved > WORKER_START_SECONDS else IN_PROCESS
