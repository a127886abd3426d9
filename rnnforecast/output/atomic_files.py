"""Atomic writes of files and folders: under a temporary name, then renamed.

A concurrent reader sees the old content or the new one, also if the writer is killed. Temporary
names are ``.NAME.partial-PID-TOKEN``, and ``.NAME.old-PID-TOKEN`` for the old version of a folder
while it is replaced; each writer has its own.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from rnnforecast.errors import OutputError, OutputPathError, Problem

_CURES = {
    errno.ENOSPC: "free some disk space or write to another disk",
    errno.EDQUOT: "free some of your disk quota or write to another disk",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f) or write to another disk",
    errno.EACCES: "check who owns the folder and its permissions, or write somewhere else",
    errno.EPERM: "check who owns the folder and its permissions, or write somewhere else",
    errno.EROFS: "the disk is mounted read-only; write somewhere else",
    errno.EIO: "the disk reports a fault; check it, or write to another disk",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another path",
    errno.EEXIST: "a part of the path is a file, not a folder; choose another path",
    errno.EISDIR: "the path is a folder; add a file name",
}
_NAME_ERRNOS = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
_STALE_AFTER_SECONDS = 86_400.0  # age of leftovers whose process has ended


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Replaces the file at `path` atomically by the one written in the block.

    Yields the path to write to: an empty file in the same folder (missing folders are created).
    After the block it is synced and takes the name and the permissions of the old file; if the
    block raises, it is deleted. Symbolic links are followed. Devices and pipes, which cannot be
    replaced, are written directly.

    Raises OutputError if the operating system refuses (disk full, no permission, …).
    """
    path = Path(path)
    with _os_errors_as_output_error(path):
        if path.exists() and _is_stream(path):
            yield path
            return
        path = Path(os.path.realpath(path))
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        _delete_stale_partials(path)
        partial = _new_sibling_path(path, "partial")
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            yield partial
            _fsync_file(partial)
            if path.exists():
                shutil.copymode(path, partial)
            os.replace(partial, path)
            _fsync_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, replace_if_contains: str) -> Iterator[Path]:
    """Replaces the folder at `path` atomically by the one filled in the block.

    Yields an empty folder beside it (missing parents are created). After the block the old folder
    is renamed, the new one takes its name, and the old one is deleted; if the block raises, the new
    one is deleted. An existing folder is replaced only if it is empty or contains a file named
    `replace_if_contains`, which protects other data from a mistyped path.

    Raises OutputError before the block runs if the folder cannot be written, OutputPathError if it
    cannot be replaced.
    """
    given = Path(path)
    path = Path(os.path.realpath(given))
    with _os_errors_as_output_error(given):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _folder_lock(path.parent):
            _restore_backup(path)
            check_replaceable(path, replace_if_contains)
            _delete_stale_partials(path)
        partial = _new_sibling_path(path, "partial")
        partial.mkdir()
        try:
            yield partial
            for file in sorted(partial.rglob("*")):
                (_fsync_folder if file.is_dir() else _fsync_file)(file)
            _fsync_folder(partial)
            with _folder_lock(path.parent):
                _restore_backup(path)
                check_replaceable(path, replace_if_contains)
                _replace_folder(partial, path)
            _fsync_folder(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def recover_folder(path: Path) -> bool:
    """Restores the folder at `path` if a writer was killed while replacing it; True if restored.

    If `path` exists, old versions beside it are deleted. Where the folder around `path` may be read
    but not written, all stays as it is.
    """
    path = Path(os.path.realpath(path))
    if not os.path.isdir(path.parent):  # noqa: PTH112 - does not fail on a long name
        return False
    with suppress(OSError), _folder_lock(path.parent):
        return _restore_backup(path)
    return False


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` atomically; errors as in `atomic_file`."""
    with atomic_file(path) as partial, partial.open("wb") as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Writes `text` atomically as UTF-8 without changing line endings; see `atomic_file`."""
    # names of files may hold bytes that are no UTF-8, which JSON and YAML escape in this way, too
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, obj: object) -> None:
    """Writes `obj` atomically as indented JSON with sorted keys, converted by `to_json_types`.

    Raises TypeError as `to_json_types` does, OutputError as `atomic_file` does.
    """
    text = json.dumps(
        to_json_types(obj), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
    )
    write_text(path, text + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of `write_json`, with NaN in place of null.

    Raises OSError, and ValueError for a file without JSON.
    """
    stored: dict[str, Any] = _null_to_nan(json.loads(path.read_text(encoding="utf-8")))
    return stored


def _null_to_nan(stored: Any) -> Any:
    if isinstance(stored, dict):
        return {name: _null_to_nan(value) for name, value in stored.items()}
    return math.nan if stored is None else stored


def to_json_types(value: object) -> object:
    """`value` converted to the types of JSON.

    NaN and infinity become None; NumPy scalars and arrays become Python's numbers and lists (a
    float32 with its own digits); dates become ISO text, paths text. Raises TypeError for others.
    """
    if isinstance(value, np.floating):
        value = float(str(value))  # the shortest digits of its own precision, so 0.1 stays 0.1
    elif isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    elif isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(to_json_types(key)): to_json_types(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return [to_json_types(item) for item in value]
    if isinstance(value, list | tuple):
        return [to_json_types(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


@contextmanager
def _os_errors_as_output_error(path: Path) -> Iterator[None]:
    """Turns errors of the operating system when writing at `path` into OutputError.

    Other errors pass: a failure to *read* another file does not concern `path`, and a broken pipe
    means that the reader has ended.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if not _concerns_path(error, path):
            raise
        raise output_error(path, error) from error


def output_error(path: Path, error: OSError) -> OutputError:
    """The OutputError for an error of the operating system; OutputPathError if `path` is wrong."""
    reason = error.strerror or str(error)
    problem = Problem(
        str(path), f"could not be written: {reason}", _CURES.get(error.errno or 0, "")
    )
    return OutputPathError(problem) if error.errno in _NAME_ERRNOS else OutputError(problem)


def _concerns_path(error: OSError, path: Path) -> bool:
    """Whether `error` comes from writing to `path` or to a temporary name beside it."""
    if error.filename is None:
        return error.errno in _CURES
    named = Path(os.path.realpath(os.fsdecode(error.filename)))
    path = Path(os.path.realpath(path))
    if path.is_relative_to(named):  # itself, or a parent that could not be created
        return True
    if not named.is_relative_to(path.parent):
        return False
    entry = named.relative_to(path.parent).parts[0]
    return entry.startswith((_sibling_prefix(path, "partial"), _sibling_prefix(path, "old")))


def check_replaceable(path: Path, replace_if_contains: str) -> None:
    """Raises OutputPathError unless `atomic_folder` may replace `path`, for a check before long
    work."""
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        found, cure = "is a file where a folder should go", "choose another folder"
    elif path.is_mount():
        found, cure = "is a mounted disk, which cannot be replaced", "choose a folder inside it"
    elif path == Path.cwd():
        found, cure = "is the working folder, which cannot be replaced", "choose a folder inside it"
    elif any(path.iterdir()) and not (path / replace_if_contains).is_file():
        found = f"exists and does not contain {replace_if_contains}, so it will not be replaced"
        cure = "choose another folder, or move this one away"
    else:
        return
    raise OutputPathError(Problem(str(path), found, cure))


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Locks `folder` against replacements by other processes, where file locks exist."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks have no locks; a rename is atomic without one
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace_folder(partial: Path, path: Path) -> None:
    """Renames `partial` to `path` and deletes the old folder; restores it on failure."""
    backup = _new_sibling_path(path, "old")
    if path.exists():
        os.rename(path, backup)
    try:
        os.rename(partial, path)
    except OSError:
        _restore_backup(path)
        raise
    if backup.exists():
        _delete_folder(backup, path)


def _restore_backup(path: Path) -> bool:
    """Renames the newest old version to `path` if that is missing, and deletes all others.

    Returns whether one was renamed.
    """
    restored = False
    for backup in sorted(_list_siblings(path, "old"), key=_modified_at, reverse=True):
        if path.exists():
            _delete_folder(backup, path)
        else:
            os.rename(backup, path)
            restored = True
    return restored


def _delete_folder(folder: Path, path: Path) -> None:
    """Deletes `folder`, first renamed so that it does not count as an old version of `path`."""
    discarded = _new_sibling_path(path, "partial")
    os.rename(folder, discarded)
    shutil.rmtree(discarded, ignore_errors=True)


def _delete_stale_partials(path: Path) -> None:
    """Deletes incomplete versions of `path` that writers killed over a day ago have left."""
    for partial in _list_siblings(path, "partial"):
        writer = int(partial.name.rsplit("-", 2)[1])
        if time.time() - _modified_at(partial) < _STALE_AFTER_SECONDS or _is_process_running(
            writer
        ):
            continue
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def _is_process_running(pid: int) -> bool:
    """Whether the process `pid` is running; not tested on Windows, where a signal ends it."""
    if sys.platform == "win32":
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it runs as another user
        return True
    return True


def _new_sibling_path(path: Path, role: str) -> Path:
    """A unique temporary name beside `path`."""
    return path.with_name(f"{_sibling_prefix(path, role)}{os.getpid()}-{secrets.token_hex(4)}")


def _list_siblings(path: Path, role: str) -> list[Path]:
    """The temporary names beside `path`, of all processes."""
    pattern = re.compile(re.escape(_sibling_prefix(path, role)) + r"\d+-[0-9a-f]{8}")
    with os.scandir(path.parent) as entries:
        return [Path(entry.path) for entry in entries if pattern.fullmatch(entry.name)]


def _sibling_prefix(path: Path, role: str) -> str:
    # A name may have 255 bytes; a very long one is cut and gets a checksum.
    name = path.name
    if len(os.fsencode(name)) > 200:
        digest = hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()
        name = os.fsencode(name)[:150].decode("utf-8", "ignore") + digest
    return f".{name}.{role}-"


def _modified_at(path: Path) -> float:
    """Time of the last change in seconds since 1970; now if `path` is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _is_stream(path: Path) -> bool:
    mode = path.stat().st_mode
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _fsync_file(path: Path) -> None:
    """Flushes the file at `path` to disk."""
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _fsync_folder(path: Path) -> None:
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
