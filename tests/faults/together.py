"""Ten commands at once on one output, and a command under a lock of the folder around it.

python -m tests.faults.together
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.faults.inject import CHANGES, WRITE_FLAGS
from tests.faults.workplace import (
    COMMANDS,
    Child,
    Damaged,
    check_names,
    command,
    fork,
    outputs,
    run_well,
    workplace,
)

JOBS = 10
FORECAST = ("predict", "run", "-o", "f.csv", "--data", "-", "--ledger", "none")


def refuse_all_but_one() -> Counter[int]:
    """Exit codes of ten forecasts at once, of which the first to come waits for its data."""
    read, write = os.pipe()
    work = command(*FORECAST, before=lambda: os.close(write))
    children = [fork(work, stdin=read) for _ in range(JOBS)]
    os.close(read)
    codes: Counter[int] = Counter()
    running = dict(enumerate(children))
    while len(running) > 1:
        for number, child in list(running.items()):
            if child.has_ended:
                ended = running.pop(number).wait()
                # "by another process" in the instant before the holder has written who it is
                if "locked by" not in ended.output:
                    raise Damaged(ended.output)
                codes[ended.code] += 1
        time.sleep(0.02)
    os.write(write, Path("data.csv").read_bytes())
    os.close(write)
    (last,) = running.values()
    codes[last.wait().code] += 1
    return codes


def wait_for_each_other() -> Counter[int]:
    """Exit codes of ten forecasts at once that wait for each other."""
    arguments = (*COMMANDS["predict to a file"], "--wait", "10m")
    children: list[Child] = [fork(command(*arguments)) for _ in range(JOBS)]
    return Counter(child.wait().code for child in children)


def run_under_a_lock_of_the_folder() -> None:
    """Trains and forecasts while this process holds a lock of the working folder, as ``flock DIR
    rnnforecast …`` does."""
    folder = os.open(".", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        for name in ("train", "predict"):
            run_well(*COMMANDS[name])
    finally:
        os.close(folder)


def read_what_may_only_be_read() -> None:
    """Forecasts with a run in a folder in which nothing can be written."""
    shutil.copytree("run", "shared/run")
    shared = str(Path("shared").resolve())

    def deny(event: str, arguments: tuple[Any, ...]) -> None:
        is_write = event in CHANGES or (event == "open" and bool(arguments[2] & WRITE_FLAGS))
        if is_write and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100 - as it is named
            if path.startswith(shared):
                raise PermissionError(errno.EACCES, "Permission denied", path)

    arguments = ("predict", "shared/run", "-o", "f.csv")
    ended = fork(command(*arguments, before=lambda: sys.addaudithook(deny))).wait()
    if ended.code != 0:
        raise Damaged(ended.output)
    shutil.rmtree("shared")


def run_with_a_clock_set_back() -> None:
    """Forecasts where everything was changed in the future, as after a clock that was set back."""
    later = time.time() + 400 * 86_400
    for path in (Path(), *Path().rglob("*")):
        os.utime(path, (later, later), follow_symlinks=False)
    for name in ("predict", "predict to a file", "train", "predict"):
        run_well(*COMMANDS[name])
    check_names(outputs())


def run_together() -> None:
    """All of the above; raises Damaged."""
    run_under_a_lock_of_the_folder()
    print("a lock of the folder around: no harm", flush=True)
    refused = refuse_all_but_one()
    print(f"{JOBS} at once: {refused[0]} done, {refused[75]} with 75", flush=True)
    if refused != {0: 1, 75: JOBS - 1}:
        raise Damaged(f"{refused}")
    waited = wait_for_each_other()
    print(f"{JOBS} at once with --wait: {waited[0]} done", flush=True)
    if waited != {0: JOBS}:
        raise Damaged(f"{waited}")
    read_what_may_only_be_read()
    print("a run that may only be read: forecast", flush=True)
    run_with_a_clock_set_back()
    print("a clock that was set back: no harm", flush=True)


if __name__ == "__main__":
    with workplace():
        run_together()
