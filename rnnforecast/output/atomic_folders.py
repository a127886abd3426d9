"""Atomic replacement of folders: filled under a temporary name, then exchanged with the old one.

Where the system can exchange two names in one step (`exchange`), there is no moment at which the
name is missing. Elsewhere the old folder is renamed before the new one takes its name; readers find
it by `find_backup` meanwhile, and the next writer restores it after a crash in between.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rnnforecast.errors import OutputPathError
from rnnforecast.output.atomic_files import copy_owner_and_mode, fsync_file, fsync_folder
from rnnforecast.output.exchange import exchange
from rnnforecast.output.ownership import FolderKind, check_replaceable, write_mark
from rnnforecast.output.partial_names import (
    delete_tree,
    is_abandoned,
    list_siblings,
    partial_path,
    sweep_partials,
)
from rnnforecast.output.write_errors import os_errors_as_output_error

ATTEMPTS = 100
"""Times that a folder is published again if another writer was faster."""


@contextmanager
def atomic_folder(
    path: Path, kind: FolderKind, *, replaces: FolderKind | None = None, force: bool = False
) -> Iterator[Path]:
    """Replaces the folder at `path` atomically by the one filled in the block.

    Yields an empty folder beside it (missing parents are created). After the block the new folder
    gets a mark of its kind, takes the name, the permissions, and where possible the owner of the
    old one, and the old one is deleted; if the block raises, the new one is deleted.

    Args:
        path: the folder; if it is a symbolic link, its target.
        kind: what it holds.
        replaces: the kind that an older folder may have; the same by default.
        force: see `ownership.check_replaceable`.

    Raises:
        OutputPathError: the older folder must not be replaced.
        OutputError: the folder cannot be written; before the block runs, if that is known then.
    """
    given = Path(path)
    path = Path(os.path.realpath(given))
    replaced = replaces or kind
    with os_errors_as_output_error(given):
        prepare_folder(path, replaced, force=force)
        partial = partial_path(path)
        partial.mkdir()
        try:
            # who may not read the old folder does not read the new one meanwhile
            with suppress(FileNotFoundError):
                partial.chmod(stat.S_IMODE(path.stat().st_mode) | stat.S_IRWXU)
            yield partial
            write_mark(partial, kind)
            _fsync_tree(partial)
            _until_unchanged(path, lambda: _copy_owners_and_modes(path, partial))
            publish_folder(partial, path, lambda old: _check(old, replaced, force=force))
        finally:
            delete_tree(partial)


def prepare_folder(path: Path, kind: FolderKind, *, force: bool = False) -> None:
    """Makes the parents of `path`, clears up after writers that were killed, and raises
    OutputPathError if it cannot be replaced by a folder of this kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    restore_backup(path)
    _check(path, kind, force=force)
    sweep_partials(path)


def publish_folder(partial: Path, path: Path, check_old: Callable[[Path], None]) -> None:
    """Gives the folder `partial` the name `path`; an older folder of that name is `partial` then.

    `check_old` raises if the older folder must not be replaced; nothing is changed in this case.
    Several writers may publish at once: each replaces the folder of another as a whole.
    """
    for attempt in range(ATTEMPTS):
        try:
            if os.path.lexists(path):
                check_old(path)
                _swap(partial, path, check_old)
            else:
                os.rename(partial, path)
                fsync_folder(path.parent)
            return
        except OSError as error:
            # another writer has published or removed it since
            is_race = error.errno in (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY)
            if not is_race or attempt == ATTEMPTS - 1 or not partial.exists():
                raise
            time.sleep(0.001 * attempt)


def restore_backup(path: Path) -> None:
    """Renames the newest old version to `path` if that is missing, and deletes others, of writers
    that were killed between two renames."""
    with suppress(OSError):
        for backup in _backups(path):
            if not is_abandoned(backup):
                continue
            if os.path.lexists(path):
                _discard(backup, path)
            else:
                os.rename(backup, path)


def find_backup(path: Path) -> Path | None:
    """The newest old version of a folder that is missing, while it is replaced or after a crash."""
    with suppress(OSError):
        return next(iter(_backups(path)), None)
    return None


def discard_folder(path: Path) -> None:
    """Deletes a folder; a process that opens its name finds all of it or nothing.

    Raises OutputError.
    """
    path = Path(os.path.realpath(path))
    with os_errors_as_output_error(path):
        discarded = partial_path(path)
        os.rename(path, discarded)
        fsync_folder(path.parent)
        delete_tree(discarded)


def _check(path: Path, kind: FolderKind, *, force: bool) -> None:
    _until_unchanged(path, lambda: check_replaceable(path, kind, force=force))


def _until_unchanged(path: Path, read: Callable[[], None]) -> None:
    """Calls `read`; again, if it fails while another writer replaces the folder `path`."""
    for attempt in range(ATTEMPTS):
        before = _identity(path)
        try:
            return read()
        except (FileNotFoundError, OutputPathError):
            if before is not None and before == _identity(path):
                raise
        time.sleep(0.001 * attempt)
    return read()


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of the folder of this name; None without one."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _swap(partial: Path, path: Path, check_old: Callable[[Path], None]) -> None:
    """Exchanges both; on file systems without an exchange by way of a third name."""
    if not exchange(partial, path):
        _rename_twice(partial, path)
        return
    try:
        check_old(partial)  # again: someone may have put another folder there since
        fsync_folder(path.parent)
    except BaseException:
        exchange(partial, path)
        raise


def _rename_twice(partial: Path, path: Path) -> None:
    backup = partial_path(path, "old")
    os.rename(path, backup)
    try:
        os.rename(partial, path)
        fsync_folder(path.parent)
    except OSError:
        if os.path.lexists(path):
            _discard(backup, path)
        else:
            os.rename(backup, path)
        raise
    _discard(backup, path)


def _backups(path: Path) -> list[Path]:
    """The old versions of `path`, the newest first."""
    return sorted(list_siblings(path, "old"), key=_modified_at, reverse=True)


def _discard(backup: Path, path: Path) -> None:
    """Deletes an old version, first renamed so that it does not count as one any more."""
    discarded = partial_path(path)
    os.rename(backup, discarded)
    delete_tree(discarded)


def _fsync_tree(folder: Path) -> None:
    for file in sorted(folder.rglob("*")):
        if not file.is_symlink():
            (fsync_folder if file.is_dir() else fsync_file)(file)
    fsync_folder(folder)


def _copy_owners_and_modes(old: Path, new: Path) -> None:
    """Gives a folder, and what has the same path in both, the owner and permissions of the old, if
    there is one."""
    if not old.is_dir():
        return
    for each in sorted(new.rglob("*"), reverse=True):
        counterpart = old / each.relative_to(new)
        if counterpart.exists() and counterpart.is_dir() == each.is_dir():
            copy_owner_and_mode(counterpart, each)
    copy_owner_and_mode(old, new)


def _modified_at(path: Path) -> float:
    """Time of the last change in seconds since 1970; now if `path` is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()
