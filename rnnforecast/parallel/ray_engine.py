"""An engine that runs tasks on a Ray cluster, of one machine or many."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    WorkerCrashedError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rnnforecast.errors import Problem, UsageError, WorkerLost
from rnnforecast.parallel.engine import Engine, TaskBatch, TaskFunction, never_stop
from rnnforecast.parallel.ray_cluster import connect
from rnnforecast.parallel.ray_nodes import check_node, file_sizes
from rnnforecast.parallel.ray_task import Mailbox, RayWork, package_versions, run_task
from rnnforecast.parallel.task_pool import run_tasks
from rnnforecast.parallel.threads import worker_variables

POLL_SECONDS = 0.02
"""Between two looks at the running tasks."""

CANCEL_SECONDS = 10.0
"""Most seconds to wait for the end of cancelled tasks."""

CHECK_SECONDS = 120.0
"""Most seconds to wait for the nodes of the cluster to look at files."""

LOST = (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    WorkerCrashedError,
)
"""Errors of a task whose worker or node has died."""


class RayEngine(Engine):
    """Runs tasks on a Ray cluster.

    Each task is a task of Ray for one processor. What tasks share is put into the object store
    once, and mapped by the workers of each node; arrays in it are read-only there.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        """See `connect`; `workers` caps the tasks at once, which are as many as the cluster has
        processors by default.

        Raises UsageError if there is no such cluster, or none with a processor.
        """
        self.is_of_this_machine = connect(address, workers)
        if workers is None:
            workers = int(ray.cluster_resources().get("CPU", 0))
        if workers < 1:
            found, cure = (
                "no node has a processor",
                "add nodes, or give --workers if they start on demand",
            )
            raise UsageError(Problem("the Ray cluster", found, cure))
        self.n_workers = workers

    def _run(self, batch: TaskBatch) -> Iterator[tuple[int, Any]]:
        has_mailbox = batch.on_message is not None or batch.should_stop is not never_stop
        pool = _Pool(batch.function, batch.shared, self.n_workers, has_mailbox)
        yield from run_tasks(pool, batch)

    def check_files(self, paths: Sequence[str | Path], folder: Path | None = None) -> None:
        """See `Engine.check_files`."""
        if self.is_of_this_machine:
            return
        token = None if folder is None else folder.absolute() / f".node-check-{os.urandom(8).hex()}"
        sizes = file_sizes([str(Path(path).absolute()) for path in paths])
        task = ray.remote(check_node)
        try:
            if token is not None:
                token.touch()
            refs = [
                task.options(
                    num_cpus=0,
                    max_retries=0,
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=True),
                ).remote(sizes, None if token is None else str(token), package_versions())
                for node in ray.nodes()
                if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
            ]
            done, _ = ray.wait(refs, num_returns=len(refs), timeout=CHECK_SECONDS)
            problems: dict[str, Problem] = {}
            for ref in done:
                with suppress(RayError):  # a node that has just died gets no task
                    problems |= {str(problem): problem for problem in ray.get(ref)}
        finally:
            if token is not None:
                token.unlink(missing_ok=True)
        if problems:
            raise UsageError(*problems.values())


class _Pool:
    """The running tasks of one call of an engine."""

    def __init__(
        self, function: TaskFunction, shared: Any, n_workers: int, has_mailbox: bool
    ) -> None:
        self.n_workers = n_workers
        environment = {"env_vars": worker_variables()}
        self.task = ray.remote(run_task).options(
            num_cpus=1, max_retries=0, runtime_env=environment, scheduling_strategy="SPREAD"
        )
        self.mailbox: Any = _start_mailbox() if has_mailbox else None
        loaded = ray.put((function, shared))
        self.work = RayWork(loaded, self.mailbox, str(Path.cwd()), package_versions())
        self.running: dict[Any, int] = {}
        """Reference to a result -> index of the task."""

    def start(self, index: int, task: Any) -> bool:
        if len(self.running) == self.n_workers:
            return False
        self.running[self.task.remote(self.work, task, index)] = index
        return True

    def is_busy(self) -> bool:
        return bool(self.running)

    def send_stop(self) -> None:
        if self.mailbox is not None:
            self.mailbox.stop.remote()

    def poll(self) -> Iterator[tuple[int, str, Any]]:
        refs = list(self.running)
        # Ray's own wait makes any signal a KeyboardInterrupt
        done, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        if not done:
            time.sleep(POLL_SECONDS)
        if self.mailbox is not None:
            with suppress(RayActorError):
                for index, message in ray.get(self.mailbox.take.remote()):
                    yield index, "message", message
        for ref in done:
            index = self.running.pop(ref)
            try:
                kind, content = ray.get(ref)
            except LOST as error:
                kind, content = "lost", _lost(error)
            yield index, kind, content

    def close(self) -> None:
        with suppress(RayError, ConnectionError):
            for ref in self.running:
                ray.cancel(ref, force=True)
            if self.running:
                ray.wait(list(self.running), num_returns=len(self.running), timeout=CANCEL_SECONDS)
            if self.mailbox is not None:
                ray.kill(self.mailbox)


def _start_mailbox() -> Any:
    """A `Mailbox` on the node of this process, which lives as long as this process can."""
    node = ray.get_runtime_context().get_node_id()
    return (
        ray.remote(Mailbox)
        .options(
            num_cpus=0,
            max_restarts=-1,
            max_task_retries=-1,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        )
        .remote()
    )


def _lost(error: BaseException) -> WorkerLost:
    words = " ".join(str(error).split())
    found = f"{type(error).__name__}: {words[:300]}"
    cure = "its machine may be out of memory: give --workers a smaller number"
    return WorkerLost(Problem("a task of Ray lost its worker", found, cure))
