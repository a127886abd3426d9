"""Commands that are stopped by SIGTERM and SIGINT at random instants.

    python -m tests.faults.stop --count 100 train predict backtest tune

Each ends with the exit code of its signal and says so, or is done; its outputs are whole, and it
leaves nothing else behind but what it goes on from.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

from tests.faults.workplace import (
    COMMANDS,
    Damaged,
    check_names,
    command,
    fork,
    fork_check,
    outputs,
    run_well,
    workplace,
)

CONTINUED = {"train": ("run.checkpoint",), "backtest": (".tested.backtest",)}
"""What a command goes on from, in the working folder."""


def stop_often(name: str, count: int, *, seed: int = 0) -> Counter[int]:
    """Stops a command `count` times; returns its exit codes. Raises Damaged."""
    arguments, chance, codes = COMMANDS[name], random.Random(f"{seed} {name}"), Counter[int]()
    run_well(*arguments)  # the first may train a model
    started = time.monotonic()
    run_well(*arguments)
    duration = time.monotonic() - started
    names = outputs()
    for number in range(count):
        sent = (signal.SIGTERM, signal.SIGINT)[number % 2]
        told = Path.cwd().parent / "ready"
        child = fork(command(*arguments, before=told.touch))
        while not told.exists():
            time.sleep(0.001)
        told.unlink()
        time.sleep(0.02 + chance.uniform(0.0, duration))
        os.kill(child.pid, sent)
        ended = child.wait()
        codes[ended.code] += 1
        is_told = "stopped: " in ended.output and "Traceback" not in ended.output
        if not (ended.code == 0 or (ended.code == 128 + sent and is_told)):
            raise Damaged(f"{sent.name}: exit code {ended.code}: {ended.output[-3000:]}")
        fork_check(names)
        check_names(names, CONTINUED.get(name, ()))
    run_well(*arguments)
    check_names(names)
    return codes


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(COMMANDS), metavar="COMMAND")
    parser.add_argument("--count", type=int, default=100, help="stops of each command")
    given = parser.parse_args()
    with workplace():
        for name in given.names:
            print(describe_stops(name, stop_often(name, given.count)), flush=True)


def describe_stops(name: str, codes: Counter[int]) -> str:
    """The exit codes of a command in words."""
    words = ", ".join(f"{count} with {code}" for code, count in sorted(codes.items()))
    return f"{name}: {codes.total()} signals, ended {words}"


if __name__ == "__main__":
    main()
