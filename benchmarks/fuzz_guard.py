# ruff: noqa: PTH100, PTH112, PTH115, PTH117, PTH118 - paths may be bytes
"""What a case of the fuzz test may not exceed: time, memory, and its own folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

LIMIT = 60
"""Seconds that a case may take."""
MEMORY = 2 << 30
"""Bytes that a case may take beside what the process has when it starts."""

WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FOLLOWED = ("open", "os.truncate", "os.chmod", "os.chown", "os.utime", "sqlite3.connect")
"""Events of Python that concern what a link leads to."""
NAMED = ("os.remove", "os.rmdir", "os.mkdir", "os.rename", "os.link", "os.symlink")
"""Events that concern the name itself; of a link or a renamed file, the second name too."""
ALLOWED = ("/dev/null", "/dev/full", "/proc/self/", "/dev/fd/")


class TimeUp(BaseException):
    """The case takes too long."""


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Raises TimeUp in a block that takes more than `LIMIT` seconds."""

    def stop(*_: object) -> None:
        raise TimeUp

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)


def limit_memory() -> None:
    """Makes every request for memory fail that goes beyond `MEMORY`, in this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def peak_memory() -> int:
    """Bytes of memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class _WrittenPaths:
    """Records files that are written, made, renamed or removed outside some folders."""

    def __init__(self) -> None:
        self.folders: tuple[str, ...] = ()
        self.outside: list[str] = []
        self.is_added = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.folders or not (event in FOLLOWED or event in NAMED):
            return
        if event == "open" and not _is_written(arguments[1], arguments[2]):
            return
        folders, self.folders = self.folders, ()  # what follows is not recorded
        try:
            for path in _paths(event, arguments):
                is_there = event == "os.mkdir" and os.path.isdir(path)  # which then fails
                inside = (*(each + os.sep for each in folders), *ALLOWED)
                if not is_there and not path.startswith(inside) and path not in folders:
                    self.outside.append(f"{event} {path}")
        finally:
            self.folders = folders


def _is_written(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return not set(mode).isdisjoint("wax+")
    return isinstance(flags, int) and bool(flags & WRITING_FLAGS)


def _paths(event: str, arguments: tuple[Any, ...]) -> Iterator[str]:
    """The paths that an event changes, with all links resolved."""
    count = 2 if event == "os.rename" else 1
    given = arguments[1:2] if event in ("os.link", "os.symlink") else arguments[:count]
    handles = [each for each in arguments[1:] if isinstance(each, int) and each > 2]
    for path in given:
        if isinstance(path, int) or path is None:  # a file that is open already
            continue
        text = os.fsdecode(path)
        if event in NAMED and handles and not os.path.isabs(text):
            with contextlib.suppress(OSError):
                text = os.path.join(os.readlink(f"/proc/self/fd/{handles[-1]}"), text)
        if text in (":memory:", ""):
            continue
        parent, name = os.path.split(os.path.abspath(text))
        named = os.path.join(os.path.realpath(parent), name)
        yield named if event in NAMED else os.path.realpath(named)


_WRITTEN = _WrittenPaths()


@contextlib.contextmanager
def only_in(folder: Path, *kept: Path, allowed: Sequence[Path] = ()) -> Iterator[None]:
    """Raises AssertionError if the block writes outside `folder` and `allowed`, or changes what is
    in `kept`; what libraries in C write is seen in `kept` only."""
    if not _WRITTEN.is_added:
        sys.addaudithook(_WRITTEN)
        _WRITTEN.is_added = True
    before = [content_of(path) for path in kept]
    _WRITTEN.outside.clear()
    _WRITTEN.folders = tuple(os.path.realpath(each) for each in (folder, *allowed))
    try:
        yield
    finally:
        _WRITTEN.folders = ()
        for path, content in zip(kept, before, strict=True):
            changed = content - content_of(path)
            assert not changed, f"changed: {sorted(changed)[:3]}"
        assert not _WRITTEN.outside, f"written outside: {_WRITTEN.outside[:3]}"


def content_of(path: Path) -> set[tuple[str, str]]:
    """Names and hashes of a file, or of all that is in a folder."""
    found = set()
    for each in [path, *path.rglob("*")]:
        if each.is_symlink():
            found.add((str(each), os.readlink(each)))
        elif each.is_file():
            found.add((str(each), hashlib.sha256(each.read_bytes()).hexdigest()))
        else:
            found.add((str(each), "a folder" if each.is_dir() else "nothing"))
    return found
