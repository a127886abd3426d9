"""The study of `tune`: trials in a journal file that several processes share.

Trials are queued a generation at a time, see `tune_generations`; each process takes one after the
other from the queue, and the next generation is proposed when all of one have ended.
"""

from __future__ import annotations

import math
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
from optuna.trial import FrozenTrial, Trial, TrialState

from rnnforecast.errors import DataError, Problem, UsageError
from rnnforecast.output.write_errors import output_error
from rnnforecast.spec.search import SearchSpec
from rnnforecast.spec.search_space import Parameter
from rnnforecast.workflow.tune_generations import Generation, SearchSpace, generation_size
from rnnforecast.workflow.tune_journal import open_journal

MAX_GRID = 100_000
"""A larger grid is refused: its order could not be drawn quickly."""

RETIRED, UNTUNED, WORKER, NOTE, FOLDS, LOSSES, STOPPED = (
    "retired", "untuned", "worker", "note", "fold_scores", "validation_losses", "stopped",
)  # fmt: skip
PLACE, FIRST = "place", "first_of_generation"
"""User attributes of trials: the place is counted from 0, without retired ones."""


@dataclass(frozen=True)
class TrialRecord:
    """A trial that has ended."""

    number: int
    """From 1, in the order in which they were proposed."""
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
        self, trial: Trial, values: dict[str, Any], generation: Generation, *, prunes: bool
    ) -> None:
        self.trial, self.values = trial, values
        self._generation, self._prunes = generation, prunes
        self._fold_scores: list[float] = []
        self._part_scores: list[float] = []

    @property
    def number(self) -> int:
        """See `TrialRecord`."""
        return int(self.trial.user_attrs[PLACE]) + 1

    @property
    def is_untuned(self) -> bool:
        """Whether it is the spec as given."""
        return bool(self.trial.user_attrs.get(UNTUNED))

    def report_fold(self, score: float, parts: Sequence[float]) -> None:
        """Stores the score of a fold, and those of its parts, which pruning compares in pairs."""
        self._fold_scores.append(score)
        self.trial.set_user_attr(FOLDS, self._fold_scores)
        if self._prunes:
            for value in parts:
                self.trial.report(value, len(self._part_scores))
                self._part_scores.append(value)

    def is_worse_than_best(self) -> bool:
        """Whether it is worse than the best trial of earlier generations on what both have."""
        has_parts = self._prunes and bool(self._part_scores)
        return has_parts and self._generation.is_worse_than_best(self._part_scores)

    def earlier_validation_losses(self) -> list[dict[int, float]]:
        """The validation losses of the completed trials of earlier generations, by step."""
        return [
            {int(step): loss for step, loss in trial.user_attrs[LOSSES]}
            for trial in self._generation.earlier
            if trial.state == TrialState.COMPLETE and LOSSES in trial.user_attrs
        ]

    def store_validation_losses(self, losses: Sequence[tuple[int, float]]) -> None:
        """Stores the validation losses of its first fold by step."""
        self.trial.set_user_attr(LOSSES, [list(pair) for pair in losses])


class Study:
    """The trials of a search, in `folder`; each process has an object of its own."""

    def __init__(
        self, folder: Path, space: Mapping[str, Parameter], search: SearchSpec, seed: int
    ) -> None:
        """Opens the study in `folder`, or begins it; UsageError for a grid of too many points."""
        self.space = SearchSpace(space)
        if search.sampler == "grid" and self.space.n_grid > MAX_GRID:
            found = f"{self.space.n_grid:,} combinations, at most {MAX_GRID:,} are possible"
            raise UsageError(Problem("search.keys", found, "give fewer values, or sampler: tpe"))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(folder, error) from error
        self.folder, self.search, self.seed = folder, search, seed
        self.is_over = False
        """Whether the last call of `ask` has found that the search has ended."""
        self._worker = uuid.uuid4().hex
        self._alive = FileLock(self._worker_file(self._worker))
        self._alive.acquire()
        self._lock = FileLock(folder / "study.ask.lock")
        try:
            with self._lock:
                self._study = open_journal(folder)
        except DataError:
            self.close()
            raise

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
        """The next trial; None if there is none, for now or because the search `is_over`.

        `untuned` are the values of the spec as given, where the space has them: the first trial.
        """
        with self._lock:
            self._retire_dead()
            if self.seconds_left() <= 0:
                self.is_over = True
                return None
            if not self._queued():
                if any(not trial.state.is_finished() for trial in self._ordered_trials()):
                    return None  # the generation has not ended
                self._queue_generation(untuned)
            if not self._queued():
                self.is_over = True
                return None
            trial = self._study.ask(self.space.distributions)
            trial.set_user_attr(WORKER, self._worker)
            earlier = self._ordered_trials()[: trial.user_attrs[FIRST]]
        generation = Generation(self.space, self.search, self.seed, earlier)
        values, prunes = self.space.decode(trial.params), _pruner_is_used(self.search)
        return Candidate(trial, values, generation, prunes=prunes)

    def _queue_generation(self, untuned: Mapping[str, Any] | None) -> None:
        """Queues the trials of the next generation, or what is missing of the last one; none if all
        have been queued."""
        trials, total = self._ordered_trials(), self.search.trials
        first = trials[-1].user_attrs[FIRST] if trials else 0
        if len(trials) >= first + generation_size(total, first):
            first = len(trials)
        count = min(generation_size(total, first), total - first)
        generation = Generation(self.space, self.search, self.seed, trials[:first])
        params = generation.propose(count)
        is_first = untuned is not None and first == 0
        if untuned is not None and is_first:
            given = self.space.encode(untuned)
            params = [given, *(each for each in params if each != given)][:count]
        for place in range(len(trials), first + len(params)):
            kind = {UNTUNED: True} if is_first and place == 0 else {}
            self._study.enqueue_trial(params[place - first], {PLACE: place, FIRST: first, **kind})

    def _queued(self) -> list[FrozenTrial]:
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        return [trial for trial in waiting if trial.user_attrs[PLACE] < self.search.trials]

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
        """The trials that have ended, in their order."""
        words = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}
        return [
            TrialRecord(
                trial.user_attrs[PLACE] + 1,
                self.space.decode(trial.params),
                bool(trial.user_attrs.get(UNTUNED)),
                words.get(trial.state, "failed"),
                trial.value if trial.state == TrialState.COMPLETE else None,
                trial.user_attrs.get(FOLDS, []),
                trial.user_attrs.get(NOTE, ""),
            )
            for trial in self._ordered_trials()
            if trial.state.is_finished()
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

    def _ordered_trials(self) -> list[FrozenTrial]:
        """The trials that were not retired, queued ones among them, in their order."""
        trials = self._study.get_trials(deepcopy=False)
        return sorted(
            (trial for trial in trials if RETIRED not in trial.user_attrs),
            key=lambda trial: int(trial.user_attrs[PLACE]),
        )

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
        attributes = trial.user_attrs
        kept = {key: attributes[key] for key in (PLACE, FIRST, UNTUNED) if key in attributes}
        self._study.enqueue_trial(trial.system_attrs["fixed_params"], kept)
        self._study._storage.set_trial_user_attr(trial._trial_id, RETIRED, True)
        self._study.tell(trial.number, state=TrialState.FAIL)

    def _intervals(self) -> Iterator[tuple[datetime, datetime]]:
        for trial in self._study.get_trials(deepcopy=False):
            start, attributes = trial.datetime_start, trial.user_attrs
            if start is None or (RETIRED in attributes and STOPPED not in attributes):
                continue
            end = trial.datetime_complete or datetime.now(start.tzinfo)
            if trial.state != TrialState.RUNNING or self._is_alive(attributes.get(WORKER, "")):
                yield start, end


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
