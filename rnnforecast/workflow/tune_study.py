"""The study of `tune`: trials in a journal file that several processes share."""

from __future__ import annotations

import itertools
import json
import math
import random
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.output.write_errors import output_error
from rnnforecast.spec.search import SearchSpec
from rnnforecast.spec.search_space import Choices, Parameter, Range

STUDY_FILE = "study.journal"
MAX_GRID = 100_000
"""A larger grid is refused: its order could not be drawn quickly."""
MIN_RANDOM_TRIALS, MAX_RANDOM_TRIALS = 4, 10
"""Bounds of the trials that TPE draws at random at first, a quarter of all."""

RETIRED, UNTUNED, WORKER, NOTE, FOLDS, LOSSES, STOPPED = (
    "retired", "untuned", "worker", "note", "fold_scores", "validation_losses", "stopped",
)  # fmt: skip
"""User attributes of trials."""


class _JournalLock:
    """A lock of the operating system on the journal, which ends with its process.

    A line that a killed writer left unfinished is cut off before the next one is written.
    """

    def __init__(self, journal: Path) -> None:
        self._journal, self._lock = journal, FileLock(journal.with_suffix(".lock"))

    def acquire(self) -> bool:
        """Waits for the lock."""
        self._lock.acquire()
        if self._journal.exists():
            with self._journal.open("rb+") as file:
                content_end = file.seek(0, 2)
                if content_end and _last_byte(file, content_end) != b"\n":
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        """Releases the lock."""
        self._lock.release()


def _last_byte(file: Any, end: int) -> bytes:
    file.seek(end - 1)
    last: bytes = file.read(1)
    return last


@dataclass(frozen=True)
class TrialRecord:
    """A trial that has ended."""

    number: int
    """From 1, without those that were retired."""
    values: dict[str, Any]
    """Of each searched key, in plain types."""
    is_untuned: bool
    """Whether it is the spec as given."""
    state: str
    """``complete``, ``pruned`` or ``failed``."""
    score: float | None
    """The mean over the folds; None unless complete."""
    fold_scores: list[float]
    note: str
    """Why it was pruned or failed."""


class Candidate:
    """A trial that is running in this process."""

    def __init__(
        self, trial: Trial, number: int, values: dict[str, Any], *, prunes: bool = True
    ) -> None:
        self._trial, self.number, self.values, self._prunes = trial, number, values, prunes
        self.is_untuned = bool(trial.user_attrs.get(UNTUNED))
        self._fold_scores: list[float] = []
        self._n_reported = 0

    @property
    def trial(self) -> Trial:
        """Optuna's trial."""
        return self._trial

    def report_fold(self, score: float, parts: Sequence[float]) -> None:
        """Stores the score of a fold, and those of its parts, which pruning compares in pairs."""
        self._fold_scores.append(score)
        self._trial.set_user_attr(FOLDS, self._fold_scores)
        if self._prunes:
            for value in parts:
                self._trial.report(value, self._n_reported)
                self._n_reported += 1

    def is_worse_than_best(self) -> bool:
        """Whether the Wilcoxon test finds it worse than the best trial on what both have."""
        return self._prunes and self._n_reported > 0 and self._trial.should_prune()

    def store_validation_losses(self, losses: Sequence[tuple[int, float]]) -> None:
        """Stores the validation losses of its first fold by step."""
        self._trial.set_user_attr(LOSSES, [list(pair) for pair in losses])


class Study:
    """The trials of a search, in `folder`; each process has an object of its own."""

    def __init__(
        self, folder: Path, space: Mapping[str, Parameter], search: SearchSpec, seed: int
    ) -> None:
        """Opens the study in `folder`, or begins it; UsageError for a grid of too many points."""
        self._n_grid = math.prod(_grid_size(each) for each in space.values())
        if search.sampler == "grid" and self._n_grid > MAX_GRID:
            found = f"{self._n_grid:,} combinations, at most {MAX_GRID:,} are possible"
            raise UsageError(Problem("search.keys", found, "give fewer values, or sampler: tpe"))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(folder, error) from error
        self.folder, self.space, self.search, self.seed = folder, dict(space), search, seed
        self._distributions = {key: _distribution(each) for key, each in space.items()}
        self._worker = uuid.uuid4().hex
        self._alive = FileLock(self._worker_file(self._worker))
        self._alive.acquire()
        self._lock = FileLock(folder / "study.ask.lock")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        lock: Any = _JournalLock(folder / STUDY_FILE)  # of the shape of Optuna's locks
        backend = JournalFileBackend(str(folder / STUDY_FILE), lock_obj=lock)
        try:
            with self._lock:
                self._study = optuna.create_study(
                    study_name="tune",
                    storage=JournalStorage(backend),
                    sampler=RandomSampler(),
                    pruner=_pruner(search),
                    load_if_exists=True,
                )
        # Optuna reads the journal without checks of its own
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            self.close()
            found = f"the file is damaged: {type(error).__name__}: {error}"
            cure = f"restore it from a copy, or delete {folder} to begin anew"
            raise DataError(Problem(str(folder / STUDY_FILE), found, cure)) from error

    def close(self) -> None:
        """Ends the membership of this process."""
        self._worker_file(self._worker).unlink(missing_ok=True)
        self._alive.release()

    def check_fingerprint(self, fingerprint: str) -> None:
        """Raises UsageError if the study is of another spec or of other data."""
        with self._lock:
            stored = self._study.user_attrs.get("fingerprint")
            if stored is None:
                self._study.set_user_attr("fingerprint", fingerprint)
        if stored not in (None, fingerprint):
            raise UsageError(
                Problem(
                    str(self.folder),
                    "holds the search of another spec or of other data",
                    "give another folder with -o, or delete this one to begin anew",
                )
            )

    def ask(self, untuned: Mapping[str, Any] | None) -> Candidate | None:
        """The next trial, or None if the search has ended.

        `untuned` are the values of the spec as given, where the space has them: the first trial.
        """
        with self._lock:
            self._retire_dead()
            counted = [trial for trial in self._trials() if _counts(trial)]
            waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
            if len(counted) >= self.search.trials or self.seconds_left() <= 0:
                return None
            if not waiting:
                if untuned is not None and not counted:
                    self._study.enqueue_trial(self._encode(untuned), {UNTUNED: True})
                elif self.search.sampler == "grid":
                    point = self._next_grid_point(counted)
                    if point is None:
                        return None
                    self._study.enqueue_trial(point)
            self._study.sampler = self._sampler(len(counted))
            trial = self._study.ask(self._distributions)
            trial.set_user_attr(WORKER, self._worker)
        prunes = _pruner_is_used(self.search)
        return Candidate(trial, len(counted) + 1, self._decode(trial.params), prunes=prunes)

    def tell(
        self, candidate: Candidate, score: float | None, *, state: str = "complete", note: str = ""
    ) -> None:
        """Ends a trial as ``complete`` with its score, as ``pruned`` or as ``failed``."""
        if note:
            candidate.trial.set_user_attr(NOTE, note)
        states = {"pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        with self._lock:
            self._study.tell(candidate.trial, score, state=states.get(state))

    def give_back(self, candidate: Candidate) -> None:
        """Ends a trial that was stopped; the next search begins with its values."""
        with self._lock:
            candidate.trial.set_user_attr(STOPPED, True)
            frozen = self._study.trials[candidate.trial.number]
            self._retire(frozen)

    def records(self) -> list[TrialRecord]:
        """The trials that have ended, in the order of their start."""
        counted = [trial for trial in self._trials() if _counts(trial)]
        words = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}
        return [
            TrialRecord(
                number,
                self._decode(trial.params),
                bool(trial.user_attrs.get(UNTUNED)),
                words.get(trial.state, "failed"),
                trial.value if trial.state == TrialState.COMPLETE else None,
                trial.user_attrs.get(FOLDS, []),
                trial.user_attrs.get(NOTE, ""),
            )
            for number, trial in enumerate(counted, start=1)
            if trial.state.is_finished()
        ]

    def validation_losses(self) -> list[dict[int, float]]:
        """The validation losses of the completed trials, by step."""
        return [
            {int(step): loss for step, loss in trial.user_attrs[LOSSES]}
            for trial in self._trials()
            if trial.state == TrialState.COMPLETE and LOSSES in trial.user_attrs
        ]

    def seconds_left(self) -> float:
        """What is left of `search.minutes`: the time in which at least one trial ran is spent."""
        if self.search.minutes is None:
            return math.inf
        spent = _union_seconds(list(self._intervals()))
        return 60 * self.search.minutes - spent

    def n_running_elsewhere(self) -> int:
        """Trials that live processes other than this one are running."""
        with self._lock:
            self._retire_dead()
            running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            return sum(trial.user_attrs.get(WORKER) != self._worker for trial in running)

    def importances(self) -> dict[str, float]:
        """The share of each key in the variance of the scores (fANOVA), largest first; {} where
        there are too few trials."""
        complete = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(complete) < 4 or len({trial.value for trial in complete}) < 2:
            return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self.seed)
            return optuna.importance.get_param_importances(self._study, evaluator=evaluator)

    @property
    def comparison(self) -> dict[str, Any] | None:
        """The stored final comparison, if there is one."""
        return self._study.user_attrs.get("comparison")

    @comparison.setter
    def comparison(self, content: dict[str, Any]) -> None:
        self._study.set_user_attr("comparison", content)

    @contextmanager
    def final_lock(self) -> Iterator[None]:
        """A lock for the final comparison and the files: one process at a time."""
        with FileLock(self.folder / "study.final.lock"):
            yield

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _worker_file(self, worker: str) -> Path:
        return self.folder / f"study.worker-{worker}.lock"

    def _is_alive(self, worker: str) -> bool:
        """Whether the process still holds its lock, which the operating system releases."""
        if worker == self._worker:
            return True
        file = self._worker_file(worker)
        if not file.exists():
            return False
        lock = FileLock(file, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return True
        file.unlink(missing_ok=True)
        lock.release()
        return False

    def _retire_dead(self) -> None:
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if not self._is_alive(trial.user_attrs.get(WORKER, "")):
                self._retire(trial)

    def _retire(self, trial: FrozenTrial) -> None:
        """Ends a running trial without a result, and queues its values anew."""
        if trial.params.keys() == self._distributions.keys():
            kept = {UNTUNED: True} if trial.user_attrs.get(UNTUNED) else None
            self._study.enqueue_trial(trial.params, kept)
        self._study._storage.set_trial_user_attr(trial._trial_id, RETIRED, True)
        self._study.tell(trial.number, state=TrialState.FAIL)

    def _sampler(self, n_trials: int) -> BaseSampler:
        """A sampler with a seed of its own for each trial: a resumed search draws the same."""
        seed = random.Random(f"{self.seed}-{n_trials}").randrange(2**31)
        if self.search.sampler != "tpe":
            return RandomSampler(seed=seed)
        at_random = min(max(self.search.trials // 4, MIN_RANDOM_TRIALS), MAX_RANDOM_TRIALS)
        return TPESampler(seed=seed, n_startup_trials=at_random)

    def _next_grid_point(self, counted: Sequence[FrozenTrial]) -> dict[str, Any] | None:
        known = [trial.params for trial in counted]
        points = list(itertools.product(*(_grid_values(each) for each in self.space.values())))
        random.Random(self.seed).shuffle(points)
        for point in points:
            params = self._encode(dict(zip(self.space, point, strict=True)))
            if params not in known:
                return params
        return None

    def _encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: json.dumps(values[key]) if isinstance(each, Choices) else values[key]
            for key, each in self.space.items()
        }

    def _decode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: json.loads(params[key]) if isinstance(each, Choices) else each.round(params[key])
            for key, each in self.space.items()
            if key in params
        }

    def _intervals(self) -> Iterator[tuple[datetime, datetime]]:
        for trial in self._trials():
            start, attributes = trial.datetime_start, trial.user_attrs
            if start is None or (RETIRED in attributes and STOPPED not in attributes):
                continue
            end = trial.datetime_complete or datetime.now(start.tzinfo)
            if trial.state != TrialState.RUNNING or self._is_alive(attributes.get(WORKER, "")):
                yield start, end


def _counts(trial: FrozenTrial) -> bool:
    """Whether the trial counts: neither retired nor waiting."""
    return RETIRED not in trial.user_attrs and trial.state != TrialState.WAITING


def _union_seconds(intervals: list[tuple[datetime, datetime]]) -> float:
    """The length of the union of time intervals."""
    total, reached = timedelta(), None
    for start, end in sorted(intervals):
        begin = start if reached is None else max(start, reached)
        if end > begin:
            total += end - begin
            reached = end
    return total.total_seconds()


def _pruner_is_used(search: SearchSpec) -> bool:
    return search.prune and search.criterion not in ("aic", "bic")


def _pruner(search: SearchSpec) -> optuna.pruners.BasePruner:
    if not _pruner_is_used(search):
        return optuna.pruners.NopPruner()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return optuna.pruners.WilcoxonPruner()


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Choices):
        return CategoricalDistribution([json.dumps(value) for value in parameter.values])
    low, high, step = parameter.low, parameter.high, parameter.step
    if step is not None:  # the last step that is not beyond the end
        high = low + math.floor((high - low) / step + 1e-9) * step
    if parameter.is_whole:
        return IntDistribution(int(low), int(high), log=parameter.log, step=int(step or 1))
    return FloatDistribution(low, high, log=parameter.log, step=step)


def _grid_size(parameter: Parameter) -> int:
    """The number of `_grid_values`, which may be too many to list."""
    if isinstance(parameter, Choices):
        return len(parameter.values)
    if not parameter.is_whole and parameter.step is None:
        return 1
    return math.floor((parameter.high - parameter.low) / (parameter.step or 1) + 1e-9) + 1


def _grid_values(parameter: Parameter) -> Sequence[Any]:
    if isinstance(parameter, Choices):
        return parameter.values
    assert isinstance(parameter, Range)
    if not parameter.is_whole and parameter.step is None:
        return [parameter.low]  # no grid has such a range, see `candidate_problems`
    step = parameter.step or 1
    return [parameter.round(parameter.low + place * step) for place in range(_grid_size(parameter))]
