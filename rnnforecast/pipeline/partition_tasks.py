"""Tasks on the partitions of a dataset, run by an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from rnnforecast.errors import DataError, Problem
from rnnforecast.parallel.engine import Engine, TaskFunction
from rnnforecast.pipeline.progress import FitProgress, ProgressListener

MAX_FAILURES = 20
"""Partitions that cannot be used, after which no more are started."""


@dataclass(frozen=True)
class PartitionFailure:
    """Why a partition cannot be used: a result of its task, so that it costs no other partition."""

    problems: tuple[Problem, ...]


def run_partitions(
    engine: Engine,
    function: TaskFunction,
    shared: Any,
    tasks: Sequence[Any],
    receive: Callable[[int, Any], None],
    *,
    phase: str,
    listener: ProgressListener,
) -> None:
    """Runs the task of each partition, and gives its index and result to `receive` as it finishes,
    in any order.

    `phase` is what is done, in progress. Raises DataError with the problems of all partitions that
    failed, once those that were started are finished; WorkerLost; what `receive` raises, after the
    workers are ended.
    """
    failures: dict[int, PartitionFailure] = {}
    n_finished = 0
    finished: Any = engine.run(
        function, shared, tasks, should_stop=lambda: len(failures) >= MAX_FAILURES
    )
    with closing(finished):
        for index, found in finished:
            n_finished += 1
            if isinstance(found, PartitionFailure):
                failures[index] = found
            else:
                receive(index, found)
            nan = float("nan")
            listener.progress(
                FitProgress(phase, n_finished, len(tasks), nan, None, False, unit="partitions")
            )
    if failures:
        problems = [each for _, found in sorted(failures.items()) for each in found.problems]
        if (missing := len(tasks) - n_finished) > 0:
            problems.append(Problem("", f"{missing:,} more partitions were not read"))
        raise DataError(*problems)
