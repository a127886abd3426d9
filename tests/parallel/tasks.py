"""Functions that engines run in tests; workers import this module, and nothing heavy with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rnnforecast.errors import Problem, StaleInput
from rnnforecast.parallel.cores import available_cores
from rnnforecast.parallel.engine import TaskContext, open_engine


def total_above(shared: Any, threshold: float, context: TaskContext) -> float:
    context.send(threshold)
    context.send(-threshold)
    return float(shared[shared > threshold].sum())


def die_once(shared: str, task: int, context: TaskContext) -> int:
    marker = Path(shared, str(task))
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def fail(shared: None, task: str, context: TaskContext) -> Any:
    if task == "ours":
        raise StaleInput(Problem("here", "bad", "mend it"), findings=[{"code": "old"}])
    if task == "not picklable":
        raise _LocalError(lambda: None)
    if task == "result not picklable":
        return lambda: None
    return task


class _LocalError(Exception):
    """An error that has something which cannot be pickled."""


def count_until_stopped(shared: None, task: int, context: TaskContext) -> str:
    context.send("started")
    while not context.should_stop():
        time.sleep(0.01)
    return "stopped"


def describe_worker(shared: Any, size: int, context: TaskContext) -> tuple[int, list[str], Any]:
    """Cores of the worker, heavy packages that it has loaded, and a result of `size` bytes."""
    os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C, which reaches all processes of a terminal
    print("not among the results")  # noqa: T201
    heavy = {"torch", "pandas", "pyarrow", "numpy", "typer", "rich"} & sys.modules.keys()
    return available_cores(), sorted(heavy), shared * size


def sleep_and_tell(shared: str, task: int, context: TaskContext) -> None:
    Path(shared, f"{os.getpid()}.pid").touch()
    time.sleep(60)


def run_sleepers(folder: str) -> None:
    """The main function of a process whose two workers sleep, for a minute at most."""
    list(open_engine(workers=2).run(sleep_and_tell, folder, [0, 1]))


def start_sleepers(folder: Path) -> subprocess.Popen[bytes]:
    """A process that runs `run_sleepers`."""
    code = f"from tests.parallel.tasks import run_sleepers; run_sleepers({str(folder)!r})"
    return subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
