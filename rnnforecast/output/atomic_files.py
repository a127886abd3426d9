"""Atomic writes of files: under a temporary name, then renamed.

A concurrent reader sees the old content or the new one, also if the writer is killed.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rnnforecast.output.partial_names import partial_path, sweep_partials
from rnnforecast.output.write_errors import os_errors_as_output_error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Replaces the file at `path` atomically by the one written in the block.

    Yields the path to write to: an empty file in the same folder (missing folders are created).
    After the block it is synced and takes the name, the permissions, and where possible the owner
    of the old file; if the block raises, it is deleted. Symbolic links are followed. Devices and
    pipes, which cannot be replaced, are written directly.

    Raises OutputError if the operating system refuses (disk full, no permission, …).
    """
    path = Path(path)
    with os_errors_as_output_error(path):
        if path.exists() and _is_stream(path):
            yield path
            return
        path = Path(os.path.realpath(path))
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_partials(path)
        partial = partial_path(path)
        mode = 0o666
        if path.exists():  # who may not read the old content does not read the new one meanwhile
            mode = stat.S_IMODE(path.stat().st_mode) & 0o666 | stat.S_IRUSR | stat.S_IWUSR
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        try:
            yield partial
            fsync_file(partial)
            if path.exists():
                copy_owner_and_mode(path, partial)
            os.replace(partial, path)
            fsync_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` atomically; errors as in `atomic_file`."""
    with atomic_file(path) as partial, partial.open("wb") as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Writes `text` atomically as UTF-8 without changing line endings; see `atomic_file`."""
    # names of files may hold bytes that are no UTF-8, which JSON and YAML escape in this way, too
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def copy_owner_and_mode(old: Path, new: Path) -> None:
    """Gives `new` the permissions of `old`, and its owner and group as far as this user may."""
    found = old.stat()
    if sys.platform != "win32":
        with suppress(OSError):
            os.chown(new, -1, found.st_gid)
        with suppress(OSError):
            os.chown(new, found.st_uid, -1)
    with suppress(PermissionError):  # of a file that this user no longer owns
        new.chmod(stat.S_IMODE(found.st_mode))


def fsync_file(path: Path) -> None:
    """Flushes the file at `path` to disk."""
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_folder(path: Path) -> None:
    """Flushes the names in the folder to disk, where the file system supports it."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot; the rename itself has succeeded by then.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _is_stream(path: Path) -> bool:
    mode = path.stat().st_mode
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
