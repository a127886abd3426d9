"""A Ray cluster gives the results of all tasks, whatever becomes of its nodes."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnforecast.errors import DataError, Problem, UsageError, WorkerLost
from rnnforecast.parallel.engine import Engine, TaskContext, open_engine

ray = pytest.importorskip("ray", reason="Ray is not installed: make ray")
pytest.importorskip("grpc", reason="Ray is not installed: make ray")

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own


def total_above(shared: np.ndarray, threshold: float, context: TaskContext) -> float:
    context.send(threshold)
    assert not shared.flags.writeable
    assert os.environ["OMP_NUM_THREADS"] == "1"
    return float(shared[shared > threshold].sum())


def die_once(shared: str, task: int, context: TaskContext) -> int:
    marker = Path(shared, str(task))
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def refuse(shared: None, task: int, context: TaskContext) -> int:
    if task == 1:
        raise DataError(Problem("here", "bad"))
    return task


def count_until_stopped(shared: None, task: int, context: TaskContext) -> str:
    context.send("started")
    while not context.should_stop():
        time.sleep(0.01)
    return "stopped"


def squares(shared: float, task: int, context: TaskContext) -> np.ndarray:
    context.send(ray.get_runtime_context().get_node_id())
    time.sleep(0.2)
    return (shared * task * np.ones(200_000)) ** 2  # too large for the message of the result


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", cluster.address)
        yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def engine(cluster: Any) -> Engine:
    if len(cluster.list_all_nodes()) == 1:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
    return open_engine("ray", 2)


def test_every_task_has_a_result_and_its_messages_arrive(engine: Engine) -> None:
    values, messages = np.arange(100_000.0), []
    found = dict(
        engine.run(
            total_above,
            values,
            [0.0, 500.0, 99_998.0],
            on_message=lambda index, message: messages.append((index, message)),
        )
    )
    assert found == {0: 4999950000.0, 1: 4999950000.0 - 125250.0, 2: 99999.0}
    assert sorted(messages) == [(0, 0.0), (1, 500.0), (2, 99_998.0)]


def test_an_error_of_a_task_is_raised_as_it_is(engine: Engine) -> None:
    with pytest.raises(DataError, match=r"bad\nnode ") as found:
        list(engine.run(refuse, None, [0, 1, 2]))
    assert type(found.value) is DataError


def test_a_task_whose_worker_is_killed_is_tried_again(engine: Engine, tmp_path: Path) -> None:
    found = dict(engine.run(die_once, str(tmp_path), [0, 1], max_attempts=2))
    assert found == {0: 0, 1: 1}
    with pytest.raises(WorkerLost, match="worker"):
        list(engine.run(die_once, str(tmp_path), [2], max_attempts=1))


def test_a_requested_stop_reaches_running_tasks(engine: Engine) -> None:
    started: list[int] = []
    found = dict(
        engine.run(
            count_until_stopped,
            None,
            [0, 1, 2, 3],
            on_message=lambda index, message: started.append(index),
            should_stop=lambda: len(started) >= 2,
        )
    )
    assert found == {0: "stopped", 1: "stopped"}


def test_a_node_that_is_killed_costs_no_result(engine: Engine, cluster: Any) -> None:
    nodes = {node.node_id: node for node in cluster.list_all_nodes()}
    killed: list[str] = []

    def kill_other_node(index: int, node: str) -> None:
        if not killed and nodes[node] is not cluster.head_node:
            killed.append(node)
            cluster.remove_node(nodes[node], allow_graceful=False)

    tasks = list(range(12))
    found = dict(engine.run(squares, 3.0, tasks, on_message=kill_other_node, max_attempts=3))
    assert killed
    assert sorted(found) == tasks
    assert all((found[task] == 9.0 * task * task).all() for task in tasks)


def test_an_address_that_does_not_answer_is_refused(
    monkeypatch: pytest.MonkeyPatch, cluster: Any
) -> None:
    from rnnforecast.parallel import ray_cluster

    monkeypatch.setattr(ray_cluster, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        address = f"ray://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(UsageError, match="does not answer"):
            open_engine(address)
    with pytest.raises(UsageError, match="no port"):
        open_engine("ray://head")
