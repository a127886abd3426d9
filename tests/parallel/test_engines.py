"""Engines give the results of all tasks, whatever becomes of the workers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from rnnforecast.errors import DataError, Problem, UsageError, WorkerLost
from rnnforecast.parallel.engine import Engine, TaskContext, open_engine


def total_above(shared: np.ndarray, threshold: float, context: TaskContext) -> float:
    context.send(threshold)
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
        pass
    return "stopped"


@pytest.fixture(params=[1, 2])
def engine(request: pytest.FixtureRequest) -> Engine:
    return open_engine(workers=request.param)


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


def test_an_error_of_a_task_is_raised(engine: Engine) -> None:
    with pytest.raises(DataError, match="bad"):
        list(engine.run(refuse, None, [0, 1, 2]))


def test_a_task_whose_worker_is_killed_is_tried_again(tmp_path: Path) -> None:
    engine = open_engine(workers=2)
    found = dict(engine.run(die_once, str(tmp_path), [0, 1, 2], max_attempts=2))
    assert found == {0: 0, 1: 1, 2: 2}


def test_a_worker_that_is_killed_every_time_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WorkerLost, match="SIGKILL"):
        list(open_engine(workers=2).run(die_once, str(tmp_path), [0]))


def test_a_requested_stop_reaches_running_tasks() -> None:
    started: list[int] = []
    found = dict(
        open_engine(workers=2).run(
            count_until_stopped,
            None,
            [0, 1, 2, 3],
            on_message=lambda index, message: started.append(index),
            should_stop=lambda: len(started) >= 2,
        )
    )
    assert found == {0: "stopped", 1: "stopped"}


def test_a_ray_engine_without_ray_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnforecast.parallel.engine.find_spec", lambda package: None)
    with pytest.raises(UsageError, match=r"pip install 'rnnforecast\[ray\]'"):
        open_engine("ray")


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="ray://"):
        open_engine("spark")
