"""An engine that runs tasks in worker processes on this machine."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from rnnforecast.errors import Problem, WorkerLost
from rnnforecast.parallel.channel import Channel
from rnnforecast.parallel.engine import Engine, TaskBatch
from rnnforecast.parallel.shared_object import SharedObject
from rnnforecast.parallel.task_pool import run_tasks
from rnnforecast.parallel.threads import worker_environment
from rnnforecast.parallel.worker import STOP, STOP_SIGNALS

POLL_SECONDS = 0.1
"""Between two questions whether to stop."""

END_SECONDS = 5.0
"""Longest time between the end of a worker's socket and that of its process."""

_START = (
    "import sys; sys.path[:] = {path!r}; from rnnforecast.parallel.worker import main; "
    "main{arguments}"
)


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    channel: Channel
    task: int | None = None
    """The index of the running task."""


class LocalEngine(Engine):
    """Runs tasks in worker processes on this machine.

    Workers are new processes, not forks, which would inherit locks of running threads; each runs
    with one thread, and with `OMP_NUM_THREADS=1` starts no workers of its own. They end with this
    process, however it ends.
    """

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers

    def _run(self, batch: TaskBatch) -> Iterator[tuple[int, Any]]:
        pool = _Pool(SharedObject((batch.function, batch.shared)), self.n_workers)
        yield from run_tasks(pool, batch)


class _Pool:
    """The worker processes of one call of an engine."""

    def __init__(self, shared: SharedObject, n_workers: int) -> None:
        self.shared, self.n_workers = shared, n_workers
        self.workers: list[_Worker] = []

    def busy(self) -> list[_Worker]:
        return [worker for worker in self.workers if worker.task is not None]

    def is_busy(self) -> bool:
        return bool(self.busy())

    def start(self, index: int, task: Any) -> bool:
        worker = self._idle_worker()
        if worker is None:
            return False
        worker.task = index
        with suppress(OSError):  # a worker that has died is found by `poll`
            worker.channel.send((task,))
        return True

    def _idle_worker(self) -> _Worker | None:
        """A worker without a task, started if there are fewer than there may be."""
        for worker in self.workers:
            if worker.task is None:
                return worker
        if len(self.workers) == self.n_workers:
            return None
        # a Ctrl-C waits until the worker is listed, and will be ended; the worker itself inherits
        # the block, and ignores these signals before it ends it
        with _blocked_stop_signals():
            self.workers.append(self._start_worker())
        return self.workers[-1]

    def _start_worker(self) -> _Worker:
        ours, theirs = socket.socketpair()
        descriptors = (theirs.fileno(), self.shared.fileno())
        with theirs:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _START.format(path=sys.path, arguments=(*descriptors, os.getpid())),
                ],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # that of this process is for results
                env=worker_environment(),
            )
        return _Worker(process, Channel(ours))

    def send_stop(self) -> None:
        for worker in self.busy():
            with suppress(OSError):
                worker.channel.send(STOP)

    def poll(self) -> Iterator[tuple[int, str, Any]]:
        with selectors.DefaultSelector() as selector:
            for worker in self.busy():
                selector.register(worker.channel, selectors.EVENT_READ, worker)
            ready: list[_Worker] = [key.data for key, _ in selector.select(POLL_SECONDS)]
        for worker in ready:
            index = worker.task
            assert index is not None
            try:
                kind, content = worker.channel.receive()
            except (EOFError, OSError):
                self.workers.remove(worker)
                yield index, "lost", _lost(_end(worker))
                continue
            if kind != "message":
                worker.task = None
            yield index, kind, content

    def close(self) -> None:
        for worker in self.workers:
            if worker.task is not None:
                worker.process.kill()
            worker.channel.close()
        for worker in self.workers:
            _end(worker)
        self.shared.close()


@contextmanager
def _blocked_stop_signals() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(worker: _Worker) -> int:
    """The exit code of a worker, which is killed if it does not end by itself."""
    worker.channel.close()
    try:
        return worker.process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        worker.process.kill()
        return worker.process.wait()


def _lost(code: int) -> WorkerLost:
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    cure = "the machine may be out of memory: give --workers a smaller number"
    return WorkerLost(Problem("a worker process", how, cure))
