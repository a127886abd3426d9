"""The lock file beside a run or an output, which names the process that holds it."""

from __future__ import annotations

import errno
import getpass
import json
import os
import secrets
import socket
import stat
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from rnnforecast.datetimes import format_utc
from rnnforecast.output.partial_names import process_start

MAX_RECORD_BYTES = 4096
"""Most bytes that are read of a lock file."""

_NO_LOCKS_ERRNOS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""Errors of file systems without locks."""


@dataclass(frozen=True)
class LockHolder:
    """The process that holds a lock, and what it does."""

    pid: int
    host: str
    user: str
    started: str
    """Since when it holds the lock: UTC, ISO 8601."""
    action: str
    """The command, such as ``predict``."""
    process_start: str | None = None
    """See `output.partial_names.process_start`; another process of its number has another."""
    by_record: bool = False
    """Whether the file's record alone is the lock, on a file system that has no locks."""

    @classmethod
    def this_process(cls, action: str, *, by_record: bool = False) -> LockHolder:
        """This process, from now on."""
        now = format_utc(datetime.now(UTC))
        pid = os.getpid()
        start = process_start(pid)
        return cls(pid, socket.gethostname(), _user_name(), now, action, start, by_record)

    @classmethod
    def from_bytes(cls, data: bytes) -> LockHolder | None:
        """The holder that a lock file names; None if its content is something else."""
        try:
            stored = json.loads(data)
            found = cls(**{each.name: stored[each.name] for each in fields(cls)})
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        texts = (found.host, found.user, found.started, found.action)
        is_valid = type(found.pid) is int and found.pid > 0 and isinstance(found.by_record, bool)
        is_valid &= found.process_start is None or isinstance(found.process_start, str)
        return found if is_valid and all(isinstance(text, str) for text in texts) else None

    def to_bytes(self) -> bytes:
        """The content of a lock file."""
        return json.dumps(asdict(self), indent=1).encode("utf-8", "backslashreplace") + b"\n"

    @property
    def is_on_this_host(self) -> bool:
        """Whether it runs, or ran, on this machine."""
        return self.host == socket.gethostname()

    @property
    def is_gone(self) -> bool:
        """Whether the process is known to have ended; of another machine nothing is known."""
        if not self.is_on_this_host:
            return False
        if not is_process_running(self.pid):
            return True
        start = process_start(self.pid)
        return None not in (start, self.process_start) and start != self.process_start

    def __str__(self) -> str:
        today, since = datetime.now(UTC).strftime("%Y-%m-%d"), self.started[:16].replace("T", " ")
        since = f"{since.removeprefix(today).strip()} UTC"
        return f"{self.action}, process {self.pid} of {self.user} on host {self.host} since {since}"


class LockFile:
    """A lock that the operating system releases when the process ends, however it ends.

    The file is removed when the lock is released. A process that waited for the removed file finds
    that it is no longer the one at the path, and tries again with the new one.
    """

    def __init__(self, path: Path) -> None:
        """`path` is the lock file, in a folder that exists."""
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, action: str) -> LockHolder | str | None:
        """Takes the lock, and returns None; the process that has it otherwise, in words if the
        file does not name it.

        Raises OSError if the file can be neither made nor read.
        """
        while True:
            descriptor, is_new = self._open()
            try:
                if (held := self._hold(descriptor, action, is_new=is_new)) is None:
                    self._descriptor = descriptor
                    return None
            finally:
                if self._descriptor is None:
                    os.close(descriptor)
            if held != "":
                return held

    def release(self) -> None:
        """Releases the lock, and removes its file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        # before the release: after it, the file may already be locked by another process
        if self._is_at_path(descriptor) and sys.platform != "win32":
            try:
                self.path.unlink()
            except OSError:  # a file of another user in a folder such as /tmp
                with suppress(OSError):
                    os.ftruncate(descriptor, 0)
        os.close(descriptor)

    def remove(self) -> None:
        """Removes the file, whoever has the lock."""
        self.path.unlink(missing_ok=True)

    def _open(self) -> tuple[int, bool]:
        """The open file, and whether it is new."""
        flags = os.O_RDWR
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
            flags |= getattr(os, name, 0)
        while True:
            with suppress(FileExistsError):
                descriptor = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o666)
                if sys.platform != "win32":
                    with suppress(OSError):
                        # whatever the umask: another user must be able to see whether it is held
                        os.fchmod(descriptor, 0o666)
                return descriptor, True
            with suppress(FileNotFoundError):  # released meanwhile
                try:
                    descriptor = os.open(self.path, flags)
                except PermissionError:
                    descriptor = os.open(self.path, flags & ~os.O_RDWR | os.O_RDONLY)
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.close(descriptor)
                    raise OSError(errno.EINVAL, "is not a lock file", str(self.path))
                return descriptor, False

    def _hold(self, descriptor: int, action: str, *, is_new: bool) -> LockHolder | str | None:
        """Locks the open file; None if that succeeds, ``""`` if it is no longer at the path, else
        who has it."""
        try:
            is_locked = _try_lock(descriptor)
        except OSError as error:
            if error.errno == errno.EBADF:  # a network disk locks no file that is open for reading
                return self._discard_unheld(descriptor)
            if error.errno not in _NO_LOCKS_ERRNOS:
                raise
            return self._hold_by_record(descriptor, action, is_new=is_new)
        if not is_locked:
            return _holder(descriptor)
        if not self._is_at_path(descriptor):
            return ""
        stored = LockHolder.from_bytes(_read(descriptor))
        if stored is not None and stored.by_record and not stored.is_gone:
            return stored
        with suppress(OSError):  # a file of another user, or a full disk: the lock holds without
            _write(descriptor, LockHolder.this_process(action))
        return None

    def _hold_by_record(
        self, descriptor: int, action: str, *, is_new: bool
    ) -> LockHolder | str | None:
        """As `_hold` where the file system has no locks: the file of a process that runs is one."""
        if is_new:
            _write(descriptor, LockHolder.this_process(action, by_record=True))
            return None
        stored = LockHolder.from_bytes(_read(descriptor))
        if stored is None or not stored.is_gone:
            return stored or "another process"
        aside = self.path.with_name(f"{self.path.name}-{secrets.token_hex(4)}")
        os.rename(self.path, aside)
        if not os.path.samestat(aside.stat(), os.fstat(descriptor)):
            with suppress(FileExistsError):  # another process was faster, and has the lock now
                os.link(aside, self.path)
        aside.unlink()
        return ""

    def _discard_unheld(self, descriptor: int) -> LockHolder | str:
        """Removes a file of another user that nobody holds; ``""``, or who holds it."""
        if not _try_lock(descriptor, shared=True):
            return _holder(descriptor)
        if self._is_at_path(descriptor):
            self.path.unlink()
        return ""

    def _is_at_path(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.lstat(self.path))
        except FileNotFoundError:
            return False


def is_process_running(pid: int) -> bool:
    """Whether the process `pid` is running; always so on Windows, where this is not tested."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it runs as another user
        return True
    return True


def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Locks an open file unless another process has; OSError where there are no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, MAX_RECORD_BYTES, os.SEEK_SET)  # behind the record
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _holder(descriptor: int) -> LockHolder | str:
    """Who holds the open lock file."""
    return LockHolder.from_bytes(_read(descriptor)) or "another process"


def _read(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, MAX_RECORD_BYTES)


def _write(descriptor: int, holder: LockHolder) -> None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, holder.to_bytes())


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a number without a name, as in a container
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
