"""Commands that are killed at random instants, beside a process that reads their outputs.

    python -m tests.faults.kill --count 200 train predict run

After each kill the outputs under their names are whole, the old or the new, and the next run
succeeds and leaves nothing else behind. The reader never finds one missing or damaged.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.workplace import (
    COMMANDS,
    NIGHTLY,
    Damaged,
    check_names,
    check_outputs,
    command,
    fork,
    fork_check,
    outputs,
    run_well,
    workplace,
)

MIN_READS = 1000


@dataclass
class Counts:
    """What was done with a command, and found."""

    name: str
    kills: int = 0
    while_running: int = 0
    reads: int = 0
    runs: int = 0

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.kills} kills, {self.while_running} of them before its end, "
            f"{self.runs} runs to the end, {self.reads} reads, no failure"
        )


def kill_often(name: str, count: int, *, settle: int, seed: int, min_reads: int) -> Counts:
    """Kills a command `count` times; after every `settle` kills it is run to its end.

    Raises Damaged.
    """
    arguments, chance, found = COMMANDS[name], random.Random(f"{seed} {name}"), Counts(name)
    run_well(*arguments)  # the first may train a model
    started = time.monotonic()
    run_well(*arguments)
    duration = time.monotonic() - started
    names = outputs()
    with tempfile.NamedTemporaryFile("rb") as told:
        reader = fork(lambda: _read_forever(Path(told.name), names))
        try:
            for number in range(count):
                child = fork(command(*arguments))
                time.sleep(chance.uniform(0.0, 1.1 * duration))
                found.while_running += child.kill()
                found.kills += 1
                fork_check(names)
                if (number + 1) % settle == 0 or number + 1 == count:
                    run_well(*arguments)
                    found.runs += 1
                    fork_check(names)
                    check_names(names)
            while _reads(told.name) < min_reads and not reader.has_ended:
                time.sleep(0.05)
        finally:
            found.reads = _reads(told.name)
            if not reader.has_ended:
                os.kill(reader.pid, signal.SIGKILL)
            ended = reader.wait()
        if ended.code != -signal.SIGKILL:
            raise Damaged(f"the reader failed: {ended.output[-2000:]}")
    return found


def _read_forever(told: Path, names: set[str]) -> None:
    """Reads the outputs until it is killed; says how often."""
    os.nice(5)
    with told.open("r+b", buffering=0) as file:
        for number in range(1, 1 << 60):
            if missing := {name for name in names if not os.path.lexists(name)}:
                raise Damaged(f"{missing} are missing")
            check_outputs()
            file.seek(0)
            file.write(b"%019d" % number)


def _reads(told: str) -> int:
    return int(Path(told).read_bytes() or b"0")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NIGHTLY), metavar="COMMAND")
    parser.add_argument("--count", type=int, default=200, help="kills of each command")
    parser.add_argument("--settle", type=int, default=4, help="kills before a run to the end")
    parser.add_argument("--reads", type=int, default=MIN_READS, help="reads of each, at least")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with workplace():
        for name in given.names:
            found = kill_often(
                name, given.count, settle=given.settle, seed=given.seed, min_reads=given.reads
            )
            print(found, flush=True)


if __name__ == "__main__":
    main()
