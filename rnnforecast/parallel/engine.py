"""Engines that run independent tasks, and the choice of one."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from rnnforecast.errors import Problem, UsageError
from rnnforecast.parallel.cores import available_cores

LOCAL, RAY = "local", "ray"

MAX_ATTEMPTS = 3
"""Times that a task is started before the death of its worker is an error."""


class TaskContext(Protocol):
    """What a running task can say and ask."""

    def send(self, message: Any) -> None:
        """Passes a message, such as the progress of a fit, to the caller of the engine."""
        ...

    def should_stop(self) -> bool:
        """Whether the task is to return early, with its state saved."""
        ...


TaskFunction = Callable[[Any, Any, TaskContext], Any]
"""A function of a module: from (shared object, task, context) to the result of the task."""


def never_stop() -> bool:
    """False: no stop is requested."""
    return False


@dataclass(frozen=True)
class TaskBatch:
    """The tasks of one call of `Engine.run`, with its arguments."""

    function: TaskFunction
    shared: Any
    tasks: Sequence[Any]
    on_message: Callable[[int, Any], None] | None
    should_stop: Callable[[], bool]
    max_attempts: int


class Engine(ABC):
    """Runs independent tasks; the results are the same whichever engine and number of workers."""

    n_workers: int
    """Tasks that run at once."""

    def run(
        self,
        function: TaskFunction,
        shared: Any,
        tasks: Sequence[Any],
        *,
        on_message: Callable[[int, Any], None] | None = None,
        should_stop: Callable[[], bool] = never_stop,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> Iterator[tuple[int, Any]]:
        """Yields the index and result of each task as it finishes, in any order.

        Args:
            function: run for each task, in another process perhaps: a function of a module.
            shared: what all tasks read, such as a panel; large arrays in it are not copied.
            tasks: small objects that can be pickled.
            on_message: called in this thread with the index of a task and what it sent.
            should_stop: polled; once True, running tasks see it, and no task is started.
            max_attempts: times that a task is started before the death of its worker is an error.

        Raises:
            the exception of a task, after the others were stopped; WorkerLost if a worker died;
            OutputError if the folder for temporary files cannot hold what tasks share.
        """
        return self._run(TaskBatch(function, shared, tasks, on_message, should_stop, max_attempts))

    @abstractmethod
    def _run(self, batch: TaskBatch) -> Iterator[tuple[int, Any]]:
        """See `run`."""

    def check_files(self, paths: Sequence[str | Path], folder: Path | None = None) -> None:  # noqa: B027
        """Checks that all workers read these files and write into this folder, which exists; those
        on this machine do.

        Raises UsageError that names each machine which sees other files than this one.
        """


def open_engine(name: str = LOCAL, workers: int | None = None) -> Engine:
    """The engine ``local``, ``ray`` (a cluster on this machine, or that of `RAY_ADDRESS`) or
    ``ray://address``.

    Args:
        workers: tasks that run at once; None for as many as there are cores. On Windows, tasks
            run one after the other in this process.

    Raises:
        UsageError for another name, or if the package of the engine is not installed.
    """
    if name == LOCAL:
        count = available_cores() if workers is None else workers
        if count > 1 and sys.platform != "win32":
            from rnnforecast.parallel.local import LocalEngine

            return LocalEngine(count)
        from rnnforecast.parallel.in_process import InProcessEngine

        return InProcessEngine()
    if name == RAY or name.startswith(f"{RAY}://"):
        return _open_ray(name, workers)
    cure = "use local, ray, or ray://HOST:10001"
    raise UsageError(Problem(f"--engine {name}", "there is no such engine", cure))


def _open_ray(name: str, workers: int | None) -> Engine:
    missing = [package for package in ("ray", "grpc") if find_spec(package) is None]
    if missing:
        found, cure = f"{' and '.join(missing)} not installed", "pip install 'rnnforecast[ray]'"
        raise UsageError(Problem(f"--engine {name}", found, cure))
    from rnnforecast.parallel.ray_engine import RayEngine

    return RayEngine(None if name == RAY else name, workers)
