"""Engines give the results of all tasks, whatever becomes of the workers."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnforecast.errors import OutputError, StaleInput, UsageError, WorkerLost
from rnnforecast.parallel import shared_object
from rnnforecast.parallel.engine import Engine, open_engine
from tests.parallel import tasks


@pytest.fixture(params=[1, 2])
def engine(request: pytest.FixtureRequest) -> Engine:
    return open_engine(workers=request.param)


def test_every_task_has_a_result_and_its_messages_arrive_in_order(engine: Engine) -> None:
    values, messages = np.arange(100_000.0), []
    found = dict(
        engine.run(
            tasks.total_above,
            values,
            [0.0, 500.0, 99_998.0],
            on_message=lambda index, message: messages.append((index, message)),
        )
    )
    assert found == {0: 4999950000.0, 1: 4999950000.0 - 125250.0, 2: 99999.0}
    by_task = {index: [text for task, text in messages if task == index] for index in range(3)}
    assert by_task == {0: [0.0, -0.0], 1: [500.0, -500.0], 2: [99_998.0, -99_998.0]}


def test_an_error_of_a_task_is_raised_with_all_that_it_says(engine: Engine) -> None:
    with pytest.raises(StaleInput, match="bad") as raised:
        list(engine.run(tasks.fail, None, ["fine", "ours", "fine"]))
    assert raised.value.problems[0].cure == "mend it"
    assert raised.value.findings == ({"code": "old"},)


@pytest.mark.parametrize(
    ("task", "words"), [("not picklable", "_LocalError"), ("result not picklable", "lambda")]
)
def test_what_cannot_be_sent_is_an_error_with_the_traceback(task: str, words: str) -> None:
    with pytest.raises(Exception, match=words) as raised:
        list(open_engine(workers=2).run(tasks.fail, None, [task]))
    text = "\n".join([str(raised.value), *getattr(raised.value, "__notes__", ())])
    assert "in a worker process" in text
    assert "Traceback" in text


def test_a_task_whose_worker_is_killed_is_tried_again(tmp_path: Path) -> None:
    engine = open_engine(workers=2)
    found = dict(engine.run(tasks.die_once, str(tmp_path), [0, 1], max_attempts=2))
    assert found == {0: 0, 1: 1}


def test_a_worker_that_is_killed_every_time_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WorkerLost, match="SIGKILL"):
        list(open_engine(workers=2).run(tasks.die_once, str(tmp_path), [0], max_attempts=1))


def test_a_requested_stop_reaches_running_tasks() -> None:
    started: list[int] = []
    found = dict(
        open_engine(workers=2).run(
            tasks.count_until_stopped,
            None,
            [0, 1, 2, 3],
            on_message=lambda index, message: started.append(index),
            should_stop=lambda: len(started) >= 2,
        )
    )
    assert found == {0: "stopped", 1: "stopped"}


def test_a_worker_has_one_core_loads_little_and_survives_ctrl_c(
    capfd: pytest.CaptureFixture[str],
) -> None:
    size = 1 << 22  # more than a socket holds
    ((_, (cores, heavy, text)),) = open_engine(workers=2).run(tasks.describe_worker, b"x", [size])
    assert (cores, heavy) == (1, [])
    assert text == b"x" * size
    assert capfd.readouterr().out == ""


def test_workers_end_with_a_run_that_is_closed_early(tmp_path: Path) -> None:
    found = open_engine(workers=2).run(
        tasks.sleep_and_tell, str(tmp_path), [0, 1], should_stop=_once_all_run(tmp_path)
    )
    with closing(found), pytest.raises(KeyboardInterrupt):  # type: ignore[type-var]
        next(found)
    assert not _alive(tmp_path)


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    process = tasks.start_sleepers(tmp_path)
    try:
        _wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    finally:
        process.kill()
        process.wait()
    _wait_for(lambda: not _alive(tmp_path))


def _once_all_run(folder: Path) -> Callable[[], bool]:
    def raise_as_by_ctrl_c() -> bool:
        if len(list(folder.iterdir())) == 2:
            raise KeyboardInterrupt
        return False

    return raise_as_by_ctrl_c


def _alive(folder: Path) -> list[int]:
    """The workers, of those that left a file, that still run."""
    return [pid for pid in (int(path.stem) for path in folder.iterdir()) if _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended may be listed until its parent asks for it."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_temporary_folder_without_space_is_an_error_with_a_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shared_object, "_write_all", refuse)
    with pytest.raises(OutputError, match="TMPDIR"):
        list(open_engine(workers=2).run(tasks.fail, np.zeros(10), ["fine"]))


def test_a_ray_engine_without_ray_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnforecast.parallel.engine.find_spec", lambda package: None)
    with pytest.raises(UsageError, match=r"pip install 'rnnforecast\[ray\]'"):
        open_engine("ray")


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="ray://"):
        open_engine("spark")
