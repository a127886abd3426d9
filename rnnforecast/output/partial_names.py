"""Temporary names beside a result, and the deletion of those whose process has ended.

A name is ``.NAME.partial-HOST-PID-START-TOKEN`` for a result that is not complete, or that was
replaced and is being deleted; ``old`` in place of ``partial`` for the earlier version of a folder
while it is replaced on a file system without an exchange. HOST and START are hashes: of the machine
and its process numbers, and of the time at which the process started, so that another process with
the same number is recognized.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

Role = Literal["partial", "old"]

STALE_AFTER_SECONDS = 86_400.0
"""Age from which what another machine or another user left is deleted."""

MAX_NAME_BYTES = 180
"""A longer name is cut where something is added to it."""

UNKNOWN_START = "00000000"
"""Start of a process where the operating system does not tell it."""

_NAME = re.compile(
    r"\..*\.(?P<role>partial|old)-(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-(?P<start>[0-9a-f]{8})-[0-9a-f]{8}",
    re.DOTALL,
)


def partial_path(path: Path, role: Role = "partial") -> Path:
    """A new temporary name beside `path`, of this process."""
    pid = os.getpid()
    start = process_start(pid) or UNKNOWN_START
    name = f"{sibling_prefix(path, role)}{host_id()}-{pid}-{start}-{secrets.token_hex(4)}"
    return path.with_name(name)


def is_partial_name(name: str) -> bool:
    """Whether a file of this name is one of an unfinished write."""
    return _NAME.fullmatch(name) is not None


def list_siblings(path: Path, role: Role) -> list[Path]:
    """The temporary names beside `path`, of all processes; raises OSError."""
    prefix = sibling_prefix(path, role)
    return [each for each in _partials_in(path.parent) if each.name.startswith(prefix)]


def sweep_partials(path: Path) -> None:
    """Deletes what ended processes have left of writing `path`."""
    _sweep(path.parent, sibling_prefix(path, "partial"))


def sweep_folder(folder: Path) -> None:
    """Deletes what ended processes have left of writing anything in `folder`."""
    _sweep(folder, ".")


def delete_tree(path: Path) -> None:
    """Deletes a file or a folder, write-protected ones too; what cannot be deleted stays."""
    if not path.is_dir() or path.is_symlink():
        with suppress(OSError):
            path.unlink(missing_ok=True)
        return
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        for folder, _, _ in os.walk(path):
            with suppress(OSError):
                Path(folder).chmod(stat.S_IRWXU)
        shutil.rmtree(path, ignore_errors=True)


def is_abandoned(path: Path) -> bool:
    """Whether the process that made this temporary name has ended.

    Of another machine or another user that is not known: their names count as abandoned after a
    day.
    """
    found = _NAME.fullmatch(path.name)
    if found is None:
        return False
    try:
        status = path.lstat()
    except OSError:
        return False
    is_own = found["host"] == host_id() and status.st_uid == _user_id()
    if is_own and process_start(int(found["pid"])) == found["start"]:
        return False
    return is_own or time.time() - status.st_mtime > STALE_AFTER_SECONDS


def process_start(pid: int) -> str | None:
    """Eight hexadecimal digits for the time at which a process started; None if it has ended."""
    if sys.platform == "linux":
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        state, *fields = text.rpartition(")")[2].split()
        return None if state in "ZX" else _digest(f"{_boot_id()} {fields[18]}")
    if sys.platform == "win32":  # a signal would end it
        return UNKNOWN_START if pid == os.getpid() else None
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:
        pass  # it runs as another user
    return UNKNOWN_START


@functools.cache
def host_id() -> str:
    """Eight hexadecimal digits for this machine, and the container where it has process numbers of
    its own."""
    parts = [platform.node(), _read_text("/etc/machine-id")]
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return _digest("\n".join(parts))


def sibling_prefix(path: Path, role: Role) -> str:
    """The beginning of the temporary names beside `path`."""
    return f".{short_name(path.name)}.{role}-"


def short_name(name: str) -> str:
    """The name itself, or a beginning of it with a checksum if it is so long that no more could be
    added: file systems allow 255 bytes."""
    encoded = os.fsencode(name)
    if len(encoded) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.blake2b(encoded, digest_size=8).hexdigest()
    return encoded[:140].decode("utf-8", "ignore") + digest


def _sweep(folder: Path, prefix: str) -> None:
    with suppress(OSError):
        for each in _partials_in(folder):
            # an old version may be the last one: that is for the writer of its folder to decide
            found = _NAME.fullmatch(each.name)
            is_partial = found is not None and found["role"] == "partial"
            if is_partial and each.name.startswith(prefix) and is_abandoned(each):
                delete_tree(each)


def _partials_in(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return [Path(entry.path) for entry in entries if is_partial_name(entry.name)]


@functools.cache
def _boot_id() -> str:
    return _read_text("/proc/sys/kernel/random/boot_id")


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _user_id() -> int:
    return 0 if sys.platform == "win32" else os.geteuid()


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
