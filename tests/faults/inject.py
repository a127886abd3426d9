"""Commands in which one file operation after the other fails, by a full or a broken disk.

    python -m tests.faults.inject train predict run

Each time the command ends with an exit code and a message of its own, or does without what failed;
the outputs under their names are whole, and the next run succeeds and leaves nothing else behind.
"""

from __future__ import annotations

import argparse
import builtins
import errno
import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.workplace import (
    COMMANDS,
    NIGHTLY,
    Damaged,
    check_names,
    command,
    fork,
    fork_check,
    outputs,
    run_well,
    workplace,
)

CHANGES = (
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod",
    "os.chown", "os.truncate", "os.utime",
)  # fmt: skip
"""Audit events of operations besides ``open`` that change something."""

FREEING = ("os.remove", "os.rmdir", "os.truncate")
"""Those that a full disk allows."""

READS = ("os.listdir", "os.scandir")
INPUTS = ("data.csv", "spec.yaml", "job.yaml")
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT
EXIT_CODES = (0, 1, 2, 4, 75)
"""A code of 0 where something failed that is not needed, and 4 where the run could not be read."""


@dataclass(frozen=True)
class Fault:
    """What fails: the operation `at`, counted from 1, and with `lasting` all later writes."""

    at: int
    code: int
    lasting: bool = False

    def __str__(self) -> str:
        which = "from operation" if self.lasting else "at operation"
        return f"{errno.errorcode[self.code]} {which} {self.at}"


KINDS = ((errno.EIO, False), (errno.ENOSPC, True))
"""A disk that fails once, and one that is full from then on."""


class FaultyDisk:
    """Operations below the working folder, of which some fail; for a process that then ends."""

    def __init__(self, fault: Fault | None) -> None:
        self.fault, self.count, self.failed = fault, 0, ""
        self.root = str(Path.cwd())

    def install(self) -> None:
        """Watches this process from now on."""
        from rnnforecast.output import exchange

        sys.addaudithook(self._audit)
        builtins.open = io.open = self._wrap_open(io.open)
        os.fsync = self._wrap(os.fsync, "fsync")
        os.write = self._wrap(os.write, "write")
        call = exchange._call

        def exchange_call(first: bytes, second: bytes) -> int:
            try:
                self.step("exchange", first, is_write=True)
            except OSError as error:
                return error.errno or 0
            return call(first, second)

        exchange._call = exchange_call

    def step(self, name: str, path: object, *, is_write: bool) -> None:
        """Counts an operation; raises OSError if it is to fail."""
        if not self._is_below(path):
            return
        self.count += 1
        fault = self.fault
        if fault is None:
            return
        is_later = fault.lasting and self.count > fault.at and is_write
        if self.count == fault.at or is_later:
            self.failed = self.failed or f"{name} of {path!r}"
            named = () if isinstance(path, int) else (os.fsdecode(path),)  # type: ignore[arg-type]
            raise OSError(fault.code, os.strerror(fault.code), *named)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            is_write = bool(flags & WRITE_FLAGS) or any(each in (mode or "") for each in "wax+")
            self.step("open", path, is_write=is_write)
        elif event in CHANGES or event in READS:
            is_write = event in CHANGES and event not in FREEING
            self.step(event, arguments[0], is_write=is_write)

    def _wrap(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(descriptor: int, *rest: Any) -> Any:
            self.step(name, descriptor, is_write=True)
            return function(descriptor, *rest)

        return call

    def _wrap_open(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`open` with files whose writes are steps."""
        disk = self

        class File(io.FileIO):
            def write(self, data: Any, /) -> int:
                disk.step("write", self.fileno(), is_write=True)
                return super().write(data)

        def call(
            file: Any,
            mode: str = "r",
            buffering: int = -1,
            encoding: str | None = None,
            errors: str | None = None,
            newline: str | None = None,
            **rest: Any,
        ) -> Any:
            is_write = any(each in mode for each in "wax") and not isinstance(file, int)
            if not is_write or rest or buffering != -1 or not self._is_below(file):
                return function(file, mode, buffering, encoding, errors, newline, **rest)
            raw = File(file, mode.replace("b", "").replace("t", ""))
            binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            if "b" in mode:
                return binary
            return io.TextIOWrapper(binary, encoding, errors, newline)

        return call

    def _is_below(self, path: object) -> bool:
        """Whether a path or an open file is in the working folder, and no input."""
        if isinstance(path, int):
            if path < 3:
                return False
            try:
                path = os.readlink(f"/proc/self/fd/{path}")  # noqa: PTH115 - may be no path
            except OSError:
                return False
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - without a look at the disk
        return full.startswith(f"{self.root}/") and full.rpartition("/")[2] not in INPUTS


@dataclass
class Counts:
    """What was done with a command."""

    name: str
    operations: int = 0
    faults: int = 0
    codes: dict[int, int] = field(default_factory=dict)

    def __str__(self) -> str:
        codes = ", ".join(f"{count} with {code}" for code, count in sorted(self.codes.items()))
        return f"{self.name}: {self.operations} operations, {self.faults} faults, ended {codes}"


def fail_everywhere(name: str, *, points: int | None, settle: int) -> Counts:
    """Runs a command with a fault at each of its operations, or at some `points` of them.

    Raises Damaged.
    """
    arguments = COMMANDS[name]
    run_well(*arguments)
    names = outputs()
    found = Counts(name, operations=_run_with(arguments, None)[0])
    step = 1 if points is None else max(1, found.operations // points)
    for at in range(1, found.operations + 1, step):
        for code, lasting in KINDS:
            fault = Fault(at, code, lasting)
            try:
                _, exit_code = _run_with(arguments, fault)
                found.faults += 1
                found.codes[exit_code] = found.codes.get(exit_code, 0) + 1
                fork_check(names)
                if found.faults % settle == 0:
                    run_well(*arguments)
                    check_names(names)
            except Damaged as error:
                raise Damaged(f"{name}, {fault}: {error}") from None
    run_well(*arguments)
    fork_check(names)
    check_names(names)
    return found


def _run_with(arguments: tuple[str, ...], fault: Fault | None) -> tuple[int, int]:
    """Runs a command with a fault; its number of operations, and its exit code."""
    told = Path.cwd().parent / "operations"
    disk = FaultyDisk(fault)
    work = command(*arguments, before=disk.install)

    def watched() -> None:
        try:
            work()
        finally:
            told.write_text(f"{disk.count} {disk.failed}", encoding="utf-8")

    ended = fork(watched).wait()
    count, _, failed = told.read_text(encoding="utf-8").partition(" ")
    words, is_wrong = ended.output, ended.code not in EXIT_CODES
    is_wrong |= "Traceback" in words or "unexpected" in words
    is_wrong |= ended.code != 0 and "error:" not in words
    if is_wrong:
        raise Damaged(f"exit code {ended.code} after {failed}: {words[-3000:]}")
    return int(count), ended.code


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NIGHTLY), metavar="COMMAND")
    parser.add_argument("--points", type=int, help="operations that fail; all if not given")
    parser.add_argument("--settle", type=int, default=4, help="faults before a run to the end")
    given = parser.parse_args()
    with workplace():
        for name in given.names:
            found = fail_everywhere(name, points=given.points, settle=given.settle)
            print(found, flush=True)


if __name__ == "__main__":
    main()
