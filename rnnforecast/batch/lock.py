"""One writer a run: two jobs that train the same folder at once would waste each other's work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rnnforecast.errors import LockHeld, OutputError, Problem


@contextmanager
def run_folder_lock(folder: Path) -> Iterator[None]:
    """Nobody else who asks holds `folder` during the block; LockHeld at once if somebody does.

    The lock is the operating system's, on a hidden file beside the folder: it is gone when the
    process is, however it ended. A link and the folder it leads to are one. OutputError where
    there can be no such file.
    """
    place = folder.resolve()
    file = place.parent / f".{place.name}.lock"
    lock = FileLock(file, timeout=0)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise LockHeld(
            Problem(
                str(folder),
                "another process is training this run right now",
                "wait for it, or write to another folder with -o",
            )
        ) from None
    except OSError as error:
        found = f"could not be written: {error.strerror or error}"
        raise OutputError(Problem(str(folder), found, "choose another folder with -o")) from error
    try:
        yield
    finally:
        # before it is released: afterwards the file may be the lock of the next writer
        file.unlink(missing_ok=True)
        lock.release()
