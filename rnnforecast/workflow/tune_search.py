"""The search of `tune`: trials until the budget is spent, one or several at the same time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rnnforecast.errors import DataError, Problem, RnnForecastError
from rnnforecast.parallel.engine import Engine, TaskContext
from rnnforecast.pipeline.progress import ProgressListener, SendingListener, pass_on
from rnnforecast.spec.search_space import Parameter
from rnnforecast.training import device
from rnnforecast.workflow.tune_generations import MAX_GENERATION
from rnnforecast.workflow.tune_study import Candidate, Study, TrialRecord
from rnnforecast.workflow.tune_trial import (
    INCOMPARABLE_LOSS,
    TrialPruned,
    TrialStopped,
    TrialWatch,
    TuneTask,
    score_trial,
)

POLL_SECONDS = 0.3
ENDED = "ended"
"""Sent when a trial has ended."""


@dataclass(frozen=True)
class Search:
    """What a search is about; every process has one."""

    task: TuneTask
    space: Mapping[str, Parameter]
    untuned: Mapping[str, Any] | None
    """The values of the spec as given, if the space has them."""

    def open_study(self) -> Study:
        """The study in the folder of the results, which the caller closes."""
        spec = self.task.spec
        return Study(self.task.folder / "study", self.space, spec.search, spec.training.seed)


def run_search(
    search: Search,
    study: Study,
    engine: Engine,
    listener: ProgressListener,
    should_stop: Callable[[], bool],
) -> None:
    """Runs trials until the budget is spent or a stop is requested, in the processes of `engine`.

    Raises the error of the spec as given; DataError if all trials fail; WorkerLost.
    """
    reporter = _Reporter(study, listener)
    reporter.report()

    def receive(_: int, message: tuple[str, Any]) -> None:
        if message[0] == ENDED:
            reporter.report()
        else:
            pass_on(message, listener)

    n_workers = min(engine.n_workers, MAX_GENERATION, search.task.spec.search.trials)
    for _ in engine.run(
        run_trials,
        search,
        range(n_workers),
        on_message=receive,
        should_stop=should_stop,
    ):
        pass
    while not should_stop() and study.n_running_elsewhere():
        time.sleep(POLL_SECONDS)
    reporter.report()


def run_trials(search: Search, _: int, context: TaskContext) -> None:
    """Runs trials in this process, as long as the search has some."""
    study = search.open_study()
    try:
        with device.one_thread():
            while not context.should_stop():
                if (candidate := study.ask(search.untuned)) is not None:
                    _run_trial(search, study, candidate, context)
                elif study.is_over:
                    return
                else:  # others are running the last trials of a generation
                    time.sleep(POLL_SECONDS)
    finally:
        study.close()


def _run_trial(search: Search, study: Study, candidate: Candidate, context: TaskContext) -> None:
    """Runs one trial and stores how it ended."""
    try:
        _score_candidate(search, study, candidate, context)
    except TrialStopped:
        study.give_back(candidate)
    except BaseException:
        study.give_back(candidate)
        raise
    else:
        context.send((ENDED, candidate.number))


def _score_candidate(
    search: Search, study: Study, candidate: Candidate, context: TaskContext
) -> None:
    settings = search.task.spec.search
    compares_losses = settings.prune and not set(INCOMPARABLE_LOSS).intersection(search.space)
    watch = TrialWatch(
        seconds_left=study.seconds_left(),
        should_stop=context.should_stop,
        on_progress=SendingListener(context.send, f"trial {candidate.number}").progress,
        others=candidate.earlier_validation_losses() if compares_losses else (),
    )
    values = {} if candidate.is_untuned else candidate.values
    try:
        score = score_trial(
            search.task, values, watch, candidate.report_fold, candidate.is_worse_than_best
        )
    except TrialPruned as pruned:
        study.tell(candidate, None, state="pruned", note=str(pruned))
    except RnnForecastError as error:
        if candidate.is_untuned:
            raise
        study.tell(candidate, None, state="failed", note=str(error.problems[0]))
    else:
        if watch.losses and compares_losses:
            candidate.store_validation_losses(watch.losses)
        if math.isfinite(score):
            study.tell(candidate, score)
        else:
            note = f"{settings.criterion} is not defined"
            if candidate.is_untuned:
                cure = "set it to another one, such as smape or wql"
                raise DataError(Problem(f"search.criterion: {settings.criterion}", note, cure))
            study.tell(candidate, None, state="failed", note=note)


class _Reporter:
    """Lines about trials that have ended, in this process or another."""

    def __init__(self, study: Study, listener: ProgressListener) -> None:
        self._study, self._listener = study, listener
        self._reported = {record.number for record in study.records()}
        self._at_start, self._started = len(self._reported), time.monotonic()
        if self._reported:
            listener.info(f"{self._at_start} trials of this search are there already")

    def report(self) -> None:
        """A line for each trial that has ended since."""
        records = self._study.records()
        for record in records:
            if record.number not in self._reported:
                self._listener.info(self._line(record, records))
                self._reported.add(record.number)

    def _line(self, record: TrialRecord, records: list[TrialRecord]) -> str:
        search = self._study.search
        result = record.note or record.state
        if record.score is not None:
            result = f"{search.criterion} {record.score:.5g}"
        elif record.state == "pruned":
            result = f"pruned: {record.note}"
        values = "as given" if record.is_untuned else describe_values(record.values)
        best = best_record(records)
        shown = "" if best is None else f"; best {best.score:.5g} (trial {best.number})"
        left = self._seconds_left(len(records))
        time_left = f"; about {_duration(left)} left" if left else ""
        total = f" of {search.trials}" if search.minutes is None else ""
        return f"trial {record.number}{total}: {result}{shown}{time_left}  [{values}]"

    def _seconds_left(self, n_ended: int) -> float:
        """Likely seconds until the budget is spent."""
        ended_here = max(n_ended - self._at_start, 1)
        per_trial = (time.monotonic() - self._started) / ended_here
        by_trials = per_trial * max(self._study.search.trials - n_ended, 0)
        return max(min(by_trials, self._study.seconds_left()), 0.0)


def best_record(records: list[TrialRecord]) -> TrialRecord | None:
    """The completed trial with the lowest score, the first of equal ones."""
    complete = [record for record in records if record.score is not None]
    return min(complete, key=lambda record: float(record.score or 0.0), default=None)


def describe_values(values: Mapping[str, Any]) -> str:
    """The values of a trial on one line, without their sections."""
    return ", ".join(f"{key.partition('.')[2]} {value}" for key, value in values.items())


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
