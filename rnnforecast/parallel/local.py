"""An engine that runs tasks in worker processes on this machine."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from rnnforecast.errors import Problem, WorkerLost
from rnnforecast.parallel.engine import TaskFunction, never_stop
from rnnforecast.parallel.shared_object import SharedObject
from rnnforecast.parallel.threads import worker_environment
from rnnforecast.parallel.worker import STOP

POLL_SECONDS = 0.1
"""Between two questions whether to stop."""

_START = (
    "import sys; sys.path[:] = {path!r}; from rnnforecast.parallel.worker import main; main{ends}"
)


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection
    task: int | None = None
    """The index of the running task."""


class LocalEngine:
    """Runs tasks in worker processes on this machine; see `Engine`.

    Workers are new processes, not forks, which would inherit locks of running threads; each runs
    with one thread, and with `OMP_NUM_THREADS=1` starts no workers of its own.
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers

    def run(
        self,
        function: TaskFunction,
        shared: Any,
        tasks: Sequence[Any],
        *,
        on_message: Callable[[int, Any], None] | None = None,
        should_stop: Callable[[], bool] = never_stop,
        max_attempts: int = 1,
    ) -> Iterator[tuple[int, Any]]:
        """See `Engine.run`."""
        pool = _Pool(SharedObject((function, shared)))
        waiting = deque(range(len(tasks)))
        attempts = [0] * len(tasks)
        stopping = False
        try:
            while True:
                if not stopping and should_stop():
                    stopping = True
                    waiting.clear()
                    pool.send_stop()
                while waiting and (worker := pool.idle_worker(self.n_workers)) is not None:
                    index = waiting.popleft()
                    attempts[index] += 1
                    pool.start(worker, index, tasks[index])
                if not pool.busy():
                    return
                for index, kind, content in pool.poll():
                    if kind == "result":
                        yield index, content
                    elif kind == "message":
                        if on_message is not None:
                            on_message(index, content)
                    elif kind == "lost" and attempts[index] < max_attempts:
                        if not stopping:
                            waiting.append(index)
                    else:
                        raise content
        finally:
            pool.close()

    def check_files(self, paths: Sequence[str | Path], folder: Path | None = None) -> None:
        """Nothing: each process of this machine sees the same files."""


class _Pool:
    """The worker processes of one call of an engine."""

    def __init__(self, shared: SharedObject) -> None:
        self.shared = shared
        self.workers: list[_Worker] = []

    def busy(self) -> list[_Worker]:
        return [worker for worker in self.workers if worker.task is not None]

    def idle_worker(self, limit: int) -> _Worker | None:
        """A worker without a task, started if there are fewer than `limit`; None otherwise."""
        for worker in self.workers:
            if worker.task is None:
                return worker
        if len(self.workers) == limit:
            return None
        ours, theirs = socket.socketpair()
        ends = (theirs.fileno(), self.shared.fileno())
        process = subprocess.Popen(
            [sys.executable, "-c", _START.format(path=sys.path, ends=ends)],
            pass_fds=ends,
            stdin=subprocess.DEVNULL,
            env=worker_environment(),
        )
        theirs.close()
        self.workers.append(_Worker(process, Connection(ours.detach())))
        return self.workers[-1]

    def start(self, worker: _Worker, index: int, task: Any) -> None:
        worker.task = index
        with suppress(OSError):  # a worker that has died is found by `poll`
            worker.connection.send((task,))

    def send_stop(self) -> None:
        for worker in self.busy():
            with suppress(OSError):
                worker.connection.send(STOP)

    def poll(self) -> Iterator[tuple[int, str, Any]]:
        """What busy workers sent: the index of the task, ``result``, ``error``, ``message`` or
        ``lost``, and the content."""
        by_connection = {worker.connection: worker for worker in self.busy()}
        for connection in wait(list(by_connection), POLL_SECONDS):
            worker = by_connection[connection]  # type: ignore[index]
            index = worker.task
            assert index is not None
            try:
                kind, content = worker.connection.recv()
            except (EOFError, OSError):
                self.workers.remove(worker)
                worker.connection.close()
                yield index, "lost", _lost(worker.process.wait())
                continue
            if kind != "message":
                worker.task = None
            yield index, kind, content

    def close(self) -> None:
        for worker in self.workers:
            worker.connection.close()
            if worker.task is not None:
                worker.process.kill()
        for worker in self.workers:
            worker.process.wait()
        self.shared.close()


def _lost(code: int) -> WorkerLost:
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    cure = "the machine may be out of memory: give --workers a smaller number"
    return WorkerLost(Problem("a worker process", how, cure))
