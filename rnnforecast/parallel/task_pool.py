"""Tasks on a pool of workers: which are started when, and what becomes of those that are lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from rnnforecast.parallel.engine import TaskBatch


class TaskPool(Protocol):
    """The workers of one call of an engine."""

    def start(self, index: int, task: Any) -> bool:
        """Starts a task on an idle worker; False if there is none."""
        ...

    def is_busy(self) -> bool:
        """Whether a task is running."""
        ...

    def poll(self) -> Iterator[tuple[int, str, Any]]:
        """What tasks sent within a short time: the index of the task; ``result``, ``error``,
        ``message`` or ``lost``; and the content, of the last an error."""
        ...

    def send_stop(self) -> None:
        """Tells running tasks to return early."""
        ...

    def close(self) -> None:
        """Ends the workers."""
        ...


def run_tasks(pool: TaskPool, batch: TaskBatch) -> Iterator[tuple[int, Any]]:
    """See `Engine.run`; closes the pool."""
    tasks, should_stop = batch.tasks, batch.should_stop
    waiting = deque(range(len(tasks)))
    attempts = [0] * len(tasks)
    stopping = False

    def start_waiting() -> None:
        while waiting and pool.start(waiting[0], tasks[waiting[0]]):
            attempts[waiting.popleft()] += 1

    try:
        while True:
            if not stopping and should_stop():
                stopping = True
                waiting.clear()
                pool.send_stop()
            start_waiting()
            if not pool.is_busy():
                return
            for index, kind, content in pool.poll():
                if kind == "result":
                    if not should_stop():  # no worker waits for the user of the result
                        start_waiting()
                    yield index, content
                elif kind == "message":
                    if batch.on_message is not None:
                        batch.on_message(index, content)
                elif kind == "lost" and attempts[index] < batch.max_attempts:
                    if not stopping:
                        waiting.append(index)
                else:
                    raise content
    finally:
        pool.close()
