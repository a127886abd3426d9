"""Files and folders that are whole or not there: written under a hidden name, then renamed.

Whoever reads while a job writes, and whenever the job is killed, sees the old result or the new
one, never half of either. The hidden names are ``.NAME.partial-PID-TOKEN`` while one is written
and ``.NAME.old-PID-TOKEN`` while a folder changes places; every writer has its own.
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

import numpy as np

from rnnforecast.errors import OutputError, Problem

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
_STALE_AFTER_SECONDS = 86_400.0  # seconds without a change and without a process of its number


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """The file at `path` is complete and on disk after the block, or is what it was before.

    Yields the path to write to: an empty file in the same folder (missing folders are made). When
    the block ends well it takes the place, and the permissions, of the old file; otherwise it is
    deleted. A link is followed. A device or a pipe, which cannot be replaced, is written directly.

    Raises OutputError where the system refuses (disk full, no permission, …).
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
    """The folder at `path` is complete and on disk after the block, or is what it was before.

    Yields an empty folder beside it to fill (missing parents are made). When the block ends well
    the old folder steps aside, the new one takes its name and the old one is deleted; if the
    block fails, the new one is deleted. An old folder is replaced only if it is empty or holds a
    file named `replace_if`, so that a mistyped path never costs anybody's data.

    Raises OutputError, before the block runs, where the place is taken or cannot be written.
    """
    given = Path(path)
    path = Path(os.path.realpath(given))
    with _os_errors_as_output_error(given):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _folder_lock(path.parent):
            _restore_backup(path)
            _check_replaceable(path, replace_if_contains)
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
                _check_replaceable(path, replace_if_contains)
                _replace_folder(partial, path)
            _fsync_folder(path.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def recover_folder(path: Path) -> bool:
    """The folder at `path` is back if a writer died while exchanging it; True if that was so.

    Where `path` is in place, only what such a writer left beside it is deleted.
    Raises OutputError where the system refuses.
    """
    given = Path(path)
    path = Path(os.path.realpath(given))
    if not path.parent.is_dir():
        return False
    with _os_errors_as_output_error(given), _folder_lock(path.parent):
        return _restore_backup(path)


def write_bytes(path: Path, data: bytes) -> None:
    """The file at `path` holds exactly `data`; errors as in `whole_file`."""
    with atomic_file(path) as partial, partial.open("wb") as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """The file at `path` holds `text` as UTF-8, its line ends as they are; see `whole_file`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, obj: object) -> None:
    """The file at `path` holds `obj` as JSON: sorted keys, two spaces, a line end at the end.

    NaN and infinity, which JSON does not know, become null; NumPy numbers and arrays become
    plain ones (a float32 with the digits it has); dates become ISO text and paths text.

    Raises TypeError for what has no JSON form, OutputError as `whole_file` does.
    """
    text = json.dumps(
        _to_json_types(obj), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
    )
    write_text(path, text + "\n")


def _to_json_types(value: object) -> object:
    """`value` in the types that JSON knows."""
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
        return {str(_to_json_types(key)): _to_json_types(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return [_to_json_types(item) for item in value]
    if isinstance(value, list | tuple):
        return [_to_json_types(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")


@contextmanager
def _os_errors_as_output_error(path: Path) -> Iterator[None]:
    """A refusal of the system to write at `path` leaves the block as an OutputError.

    Other errors pass: a failure to *read* some other file is not about `path`, and a broken pipe
    means that the reader has seen enough.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if not _concerns_path(error, path):
            raise
        reason = error.strerror or str(error)
        cure = _CURES.get(error.errno or 0, "")
        problem = Problem(str(path), f"could not be written: {reason}", cure)
        raise OutputError(problem) from error


def _concerns_path(error: OSError, path: Path) -> bool:
    """Whether `error` comes from writing at `path` or beside it."""
    if error.filename is None:
        return error.errno in _CURES
    named = Path(os.path.realpath(os.fsdecode(error.filename)))
    path = Path(os.path.realpath(path))
    if path.is_relative_to(named):  # itself, or a parent that could not be made
        return True
    if not named.is_relative_to(path.parent):
        return False
    entry = named.relative_to(path.parent).parts[0]
    return entry.startswith((_sibling_prefix(path, "partial"), _sibling_prefix(path, "old")))


def _check_replaceable(path: Path, replace_if_contains: str) -> None:
    """Raise OutputError unless a new folder may take the place at `path`."""
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        found, cure = "is a file where a folder should go", "choose another folder"
    elif path.is_mount():
        found, cure = "is a mounted disk, which cannot be replaced", "choose a folder inside it"
    elif any(path.iterdir()) and not (path / replace_if_contains).is_file():
        found = f"exists and holds no {replace_if_contains}, so it is not ours to replace"
        cure = "choose another folder, or move this one away"
    else:
        return
    raise OutputError(Problem(str(path), found, cure))


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """No other process exchanges anything in `folder` during the block, where locks exist."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks have no locks; a rename is whole even so
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace_folder(partial: Path, path: Path) -> None:
    """`partial` is now called `path`; what was there is deleted, or back if that failed."""
    aside = _new_sibling_path(path, "old")
    if path.exists():
        os.rename(path, aside)
    try:
        os.rename(partial, path)
    except OSError:
        _restore_backup(path)
        raise
    if aside.exists():
        _delete_folder(aside, path)


def _restore_backup(path: Path) -> bool:
    """The newest version that stepped aside is back if `path` is missing; others are deleted."""
    back = False
    for aside in sorted(_list_siblings(path, "old"), key=_modified_at, reverse=True):
        if path.exists():
            _delete_folder(aside, path)
        else:
            os.rename(aside, path)
            back = True
    return back


def _delete_folder(folder: Path, path: Path) -> None:
    """`folder` is deleted, and was never to be seen half deleted as a version of `path`."""
    doomed = _new_sibling_path(path, "partial")
    os.rename(folder, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _delete_stale_partials(path: Path) -> None:
    """What killed writers of `path` left half-written, a day ago or more, is deleted."""
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
    """Whether a process of this number is running; on Windows asking would end it."""
    if sys.platform == "win32":
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it runs, for somebody else
        return True
    return True


def _new_sibling_path(path: Path, role: str) -> Path:
    """A name beside `path` that no other writer has."""
    return path.with_name(f"{_sibling_prefix(path, role)}{os.getpid()}-{secrets.token_hex(4)}")


def _list_siblings(path: Path, role: str) -> list[Path]:
    """All names beside `path` that `_beside` gave out, in this process or another."""
    pattern = re.compile(re.escape(_sibling_prefix(path, role)) + r"\d+-[0-9a-f]{8}")
    with os.scandir(path.parent) as entries:
        return [Path(entry.path) for entry in entries if pattern.fullmatch(entry.name)]


def _sibling_prefix(path: Path, role: str) -> str:
    # A name may have 255 bytes; of a very long one the start is kept and the rest is a checksum.
    name = path.name
    if len(os.fsencode(name)) > 200:
        digest = hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()
        name = os.fsencode(name)[:150].decode("utf-8", "ignore") + digest
    return f".{name}.{role}-"


def _modified_at(path: Path) -> float:
    """When `path` last changed, in seconds since 1970; now if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _is_stream(path: Path) -> bool:
    mode = path.stat().st_mode
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _fsync_file(path: Path) -> None:
    """What was written to the file at `path` is on disk."""
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _fsync_folder(path: Path) -> None:
    """The names in the folder are on disk, where the file system can promise that."""
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
