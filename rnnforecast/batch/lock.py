"""Locks of runs and outputs, so that two processes do not write to one at once."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rnnforecast.batch.lock_file import LockFile, LockHolder
from rnnforecast.errors import LockHeld, Problem
from rnnforecast.output.partial_names import short_name
from rnnforecast.output.write_errors import output_error

POLL_SECONDS = (0.05, 1.0)
"""The first pause of a process that waits for a lock, and the longest."""

MAX_TRIES = 100
"""Tries to make the folder of a lock file, which others may remove because it is empty."""


@contextmanager
def output_lock(
    path: Path | str,
    action: str,
    wait: float = 0.0,
    *,
    on_wait: Callable[[str], None] = lambda text: None,
) -> Iterator[None]:
    """Holds the lock of the run or the output at `path` inside the ``with`` block.

    The lock is a hidden file beside `path`; its folder is made, and removed again if it stays
    empty. A symbolic link and its target share one lock. Standard output (``-``), devices, pipes
    and addresses such as ``s3://…`` have no lock.

    Args:
        action: the command that holds it.
        wait: most seconds to wait for another process that has it.
        on_wait: receives a line when that wait begins.

    Raises:
        LockHeld: another process has the lock.
        OutputError: the lock file cannot be written.
    """
    if not _has_lock(path):
        yield
        return
    lock = LockFile(lock_path(path))
    made = _missing_folders(lock.path.parent)
    try:
        _acquire(lock, Path(path), action, wait, on_wait)
        try:
            yield
        finally:
            lock.release()
    finally:
        for folder in made:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def lock_path(path: Path | str) -> Path:
    """The lock file of a run or output."""
    target = Path(os.path.realpath(path))
    return target.parent / f".{short_name(target.name)}.lock"


def remove_stale_lock(path: Path, *, force: bool = False) -> LockHolder | str | None:
    """Removes the lock of a process that has ended; returns that process, None without a lock.

    Args:
        path: the run or the output.
        force: also removes the lock of a process on another host, which cannot be looked for.

    Raises:
        LockHeld: the process is running, or may be.
        OutputError: the lock file cannot be removed.
    """
    file = lock_path(path)
    lock = LockFile(file)
    try:
        if not os.path.lexists(file):
            return None
        # a pipe would be waited for
        stored = LockHolder.from_bytes(file.read_bytes()[:4096]) if file.is_file() else None
        held = lock.acquire("unlock")
        if held is None:
            lock.release()
            return stored or "a process that it does not name"
        if force and not (isinstance(held, LockHolder) and held.is_on_this_host):
            lock.remove()
            return held
    except OSError as error:
        raise output_error(path, error) from error
    cure = "if no process of its host has it any more, add --force"
    if isinstance(held, LockHolder) and held.is_on_this_host:
        cure = "wait for it or stop it; the lock ends with the process"
    raise LockHeld(Problem(str(path), f"locked by {held}", cure))


def _acquire(
    lock: LockFile, path: Path, action: str, wait: float, on_wait: Callable[[str], None]
) -> None:
    """Takes the lock, and waits for it; see `output_lock`."""
    deadline, pause, longest = time.monotonic() + wait, *POLL_SECONDS
    is_announced = False
    while True:
        held = _try_to_acquire(lock, path, action)
        if held is None:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            waited = f", for more than the {wait:g} s of --wait" if wait else ""
            if isinstance(held, LockHolder) and held.is_gone:
                waited += "; it has ended, but not a process that it started"
            cure = "write elsewhere" if wait else "wait for it with --wait 10m, or write elsewhere"
            raise LockHeld(Problem(str(path), f"locked by {held}{waited}", cure))
        if not is_announced:
            on_wait(f"{path} is locked by {held}: waiting up to {wait:g} s")
            is_announced = True
        time.sleep(min(pause, left))
        pause = min(2 * pause, longest)


def _try_to_acquire(lock: LockFile, path: Path, action: str) -> LockHolder | str | None:
    """`LockFile.acquire` in a folder that is made; raises OutputError."""
    for left in reversed(range(MAX_TRIES)):
        try:
            lock.path.parent.mkdir(parents=True, exist_ok=True)
            return lock.acquire(action)
        except OSError as error:
            # another process may have removed the empty folder
            if not (isinstance(error, FileNotFoundError) and left):
                raise output_error(path, error) from error
    raise AssertionError


def _has_lock(path: Path | str) -> bool:
    text = str(path)
    if text == "-" or "://" in text:
        return False
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _missing_folders(folder: Path) -> list[Path]:
    """The folder and its parents that do not exist, the innermost first."""
    return [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
