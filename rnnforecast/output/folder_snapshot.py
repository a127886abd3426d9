"""Reading several files of one folder while others replace it."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from rnnforecast.output.atomic_folders import find_backup

Result = TypeVar("Result")

ATTEMPTS = 200
"""Times that a folder is read again because it was replaced meanwhile."""

HAS_DESCRIPTORS = os.open in os.supports_dir_fd
"""Whether files can be opened relative to an open folder: everywhere but on Windows."""


class ReadableFolder(Protocol):
    """A folder whose files are read by their paths in it."""

    @property
    def path(self) -> Path:
        """Its name, for messages."""

    def read_bytes(self, name: str) -> bytes:
        """The content of a file. Raises OSError."""

    def read_text(self, name: str) -> str:
        """The content of a file in UTF-8. Raises OSError, ValueError."""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""


@dataclass(frozen=True)
class FolderFiles:
    """Files of a folder in memory, all of one version of it; a `ReadableFolder`."""

    path: Path
    content: Mapping[str, bytes]

    def read_bytes(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError."""
        if name not in self.content:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path / name))
        return self.content[name]

    def read_text(self, name: str) -> str:
        """The content of a file in UTF-8. Raises FileNotFoundError, ValueError."""
        return self.read_bytes(name).decode("utf-8")

    def has(self, name: str) -> bool:
        """Whether the file was there, and is among those that were read."""
        return name in self.content


class FolderSnapshot:
    """An open folder: all files come from it, also if another takes its name meanwhile.

    Only the files of a folder that was replaced may vanish, as its writer deletes them; see
    `read_folder`.
    """

    def __init__(self, path: Path, opened: Path, handle: int | None) -> None:
        """`opened` is the folder at `path`, or its backup; `handle` its descriptor."""
        self._path = path
        self._opened, self._handle = opened, handle
        self._missed = False

    @property
    def path(self) -> Path:
        """The name by which it was opened."""
        return self._path

    def read_bytes(self, name: str) -> bytes:
        """The content of a file, by its path in the folder. Raises OSError."""
        try:
            if self._handle is None:
                return (self._opened / name).read_bytes()
            # a pipe, which is no file of a run, is not waited for
            flags = os.O_RDONLY | os.O_NONBLOCK
            with os.fdopen(os.open(name, flags, dir_fd=self._handle), "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OSError(errno.EINVAL, "it is no regular file", str(self.path / name))
                return file.read()
        except FileNotFoundError as error:
            self._missed = True
            raise FileNotFoundError(error.errno, error.strerror, str(self.path / name)) from None

    def read_text(self, name: str) -> str:
        """The content of a file in UTF-8. Raises OSError, ValueError."""
        return self.read_bytes(name).decode("utf-8")

    def has(self, name: str) -> bool:
        """Whether there is a file of this path in the folder."""
        try:
            if self._handle is None:
                found = (self._opened / name).stat()
            else:
                found = os.stat(name, dir_fd=self._handle)
        except OSError:
            self._missed = True
            return False
        return stat.S_ISREG(found.st_mode)

    def load(self, names: Iterable[str]) -> FolderFiles:
        """Those of the files that are there, in memory. Raises OSError."""
        found = {name: self.read_bytes(name) for name in names if self.has(name)}
        return FolderFiles(self.path, found)

    def has_missed_files(self) -> bool:
        """Whether a file was looked for that is not there."""
        return self._missed

    def is_replaced(self) -> bool:
        """Whether another folder, or none, has the name by now."""
        try:
            now = self.path.stat()
            opened = self._opened.stat() if self._handle is None else os.fstat(self._handle)
        except OSError:
            return True
        return (now.st_dev, now.st_ino) != (opened.st_dev, opened.st_ino)


def read_folder(
    path: Path,
    read: Callable[[FolderSnapshot], Result],
    resolve: Callable[[Path], Path] = lambda path: path,
) -> Result:
    """What `read` finds in the folder at `path`, all of it in one version of the folder.

    If the folder is replaced meanwhile and files of it are gone, `read` starts again with the new
    one. Nothing is written, and no right to write is needed.

    Args:
        path: the folder.
        read: may raise what it likes; its errors come through if the folder was not replaced.
        resolve: the folder to open, found anew each time.

    Raises:
        OSError: there is no such folder, or it cannot be opened.
    """
    for attempt in range(ATTEMPTS):
        is_last = attempt == ATTEMPTS - 1
        with ExitStack() as stack:
            try:
                folder = stack.enter_context(_opened(resolve(path)))
            except FileNotFoundError:
                exists = os.path.lexists(path) or find_backup(path) is not None
                if is_last or not exists:
                    raise
            else:
                try:
                    found = read(folder)
                except Exception:
                    if is_last or not _is_outdated(folder, path, resolve):
                        raise
                else:
                    if is_last or not _is_outdated(folder, path, resolve):
                        return found
        time.sleep(min(0.0005 * attempt, 0.02))
    raise AssertionError  # the last attempt returns or raises


def _is_outdated(folder: FolderSnapshot, path: Path, resolve: Callable[[Path], Path]) -> bool:
    """Whether a file was missing because the folder was replaced, or another one is meant now."""
    return folder.has_missed_files() and (folder.is_replaced() or resolve(path) != folder.path)


@contextmanager
def _opened(path: Path) -> Iterator[FolderSnapshot]:
    real = path
    if not os.path.isdir(path):  # noqa: PTH112 - does not fail on a long name
        real = find_backup(Path(os.path.realpath(path))) or path
    if not HAS_DESCRIPTORS:
        os.scandir(real).close()  # raises for what is no folder
        yield FolderSnapshot(path, real, None)
        return
    handle = os.open(real, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield FolderSnapshot(path, real, handle)
    finally:
        os.close(handle)
