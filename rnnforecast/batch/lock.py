"""A lock on a folder that is written, so that two processes do not write to it at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rnnforecast.errors import LockHeld, Problem
from rnnforecast.output.write_errors import output_error


@contextmanager
def folder_lock(folder: Path, action: str = "training this run") -> Iterator[None]:
    """Holds the lock of `folder` inside the ``with`` block; `action` is what the holder does.

    Raises LockHeld at once if another process holds it, OutputError if the lock file cannot be
    written. The operating system locks a hidden file next to the folder and releases it when the
    process ends, however it ends. A symbolic link and its target share one lock.
    """
    target = folder.resolve()
    file = target.parent / f".{target.name}.lock"
    lock = FileLock(file, timeout=0)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise LockHeld(
            Problem(
                str(folder),
                f"another process is {action}",
                "wait for it, or write to another folder with -o",
            )
        ) from None
    except OSError as error:
        raise output_error(folder, error) from error
    try:
        yield
    finally:
        # before the release: after it, the file may already be locked by another process
        file.unlink(missing_ok=True)
        lock.release()
