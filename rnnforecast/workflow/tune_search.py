"""The search of `tune`: trials until the budget is spent, in one process or in several."""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from rnnforecast.errors import DataError, Problem, RnnForecastError
from rnnforecast.pipeline.progress import FitProgress, NullListener, ProgressListener
from rnnforecast.spec.search_space import Parameter
from rnnforecast.training import device
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
    search: Search, study: Study, listener: ProgressListener, should_stop: Callable[[], bool]
) -> None:
    """Runs trials until the budget is spent or a stop is requested, in as many processes as
    `search.workers` says.

    Raises the error of the spec as given; DataError if all trials fail.
    """
    n_workers = search.task.spec.search.workers
    with _other_workers(search, n_workers) as others:
        work(search, study, _Reporter(study, listener, n_workers), should_stop)
        if should_stop():
            others.request_stop()
        while others.are_running() or (not should_stop() and study.n_running_elsewhere()):
            if should_stop():
                others.request_stop()
            time.sleep(POLL_SECONDS)


def work(
    search: Search, study: Study, reporter: _Reporter, should_stop: Callable[[], bool]
) -> None:
    """Runs trials in this process."""
    reporter.report()
    while not should_stop() and (candidate := study.ask(search.untuned)) is not None:
        reporter.begin(candidate)
        try:
            _run_trial(search, study, candidate, reporter, should_stop)
        except BaseException:
            study.give_back(candidate)
            raise
        reporter.report()


def _run_trial(
    search: Search,
    study: Study,
    candidate: Candidate,
    reporter: _Reporter,
    should_stop: Callable[[], bool],
) -> None:
    """Runs one trial and stores how it ended."""
    settings = search.task.spec.search
    compares_losses = settings.prune and not set(INCOMPARABLE_LOSS).intersection(search.space)
    watch = TrialWatch(
        seconds_left=study.seconds_left(),
        should_stop=should_stop,
        on_progress=reporter.progress,
        others=study.validation_losses() if compares_losses else (),
    )
    values = {} if candidate.is_untuned else candidate.values
    try:
        score = score_trial(
            search.task, values, watch, candidate.report_fold, candidate.is_worse_than_best
        )
    except TrialStopped:
        study.give_back(candidate)
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
    """Lines about trials that have ended, and the progress of the one that is running."""

    def __init__(self, study: Study, listener: ProgressListener, n_workers: int) -> None:
        self._study, self._listener, self._n_workers = study, listener, n_workers
        self._reported, self._started = len(study.records()), time.monotonic()
        self._at_start, self._title = self._reported, ""
        if self._reported:
            listener.info(f"{self._reported} trials of this search are there already")

    def begin(self, candidate: Candidate) -> None:
        """Takes the number of the trial that begins."""
        self._title = f"trial {candidate.number}"

    def progress(self, progress: FitProgress) -> None:
        """Passes a step of a training on, under the number of its trial."""
        self._listener.progress(replace(progress, phase=f"{self._title}, {progress.phase}"))

    def report(self) -> None:
        """A line for each trial that has ended, in this process or another."""
        records = self._study.records()
        for place in range(self._reported, len(records)):
            self._listener.info(self._line(records[place], records))
        self._reported = len(records)

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


@dataclass(frozen=True)
class _Others:
    """The other processes of this command."""

    processes: list[Any]
    stop: Any

    def request_stop(self) -> None:
        """Asks them to stop their trials."""
        self.stop.set()

    def are_running(self) -> bool:
        """Whether one of them is."""
        return any(process.is_alive() for process in self.processes)


@contextmanager
def _other_workers(search: Search, count: int) -> Iterator[_Others]:
    """Starts `count` - 1 processes, each with its share of the cores; on an error they are
    stopped."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    processes = [
        context.Process(target=_work_alone, args=(search, stop, count, os.getpid()))
        for _ in range(count - 1)
    ]
    for process in processes:
        process.start()
    with device.share_cores(count):
        try:
            yield _Others(processes, stop)
        finally:
            stop.set()
            for process in processes:
                process.join()


def _work_alone(search: Search, stop: Any, count: int, parent: int) -> None:
    """The main function of another process; it ends with its parent."""
    study = search.open_study()
    try:
        with device.share_cores(count):
            work(
                search,
                study,
                _Reporter(study, NullListener(), count),
                lambda: stop.is_set() or os.getppid() != parent,
            )
    finally:
        study.close()
