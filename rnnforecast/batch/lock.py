"""One writer a run: two jobs that train the same folder at once would waste each other's work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rnnforecast.errors import LockHeld, Problem


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Nobody else who asks holds `folder` during the block; LockHeld at once if somebody does.

    The lock is the operating system's, on a hidden file beside the folder: it is gone when the
    process is, however it ended.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.with_name(f".{folder.name}.lock")
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise LockHeld(
            Problem(
                str(folder),
                "another process is training this run right now",
                "wait for it, or write to another folder with -o",
            )
        ) from None
    try:
        yield
    finally:
        lock.release()
        file.unlink(missing_ok=True)
