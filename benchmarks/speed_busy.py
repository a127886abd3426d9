"""Part of `speed.py`: commands beside as many spinning programs as there are cores.

Beside others, every program gets fewer cores, so that its plain slow-down says little about it. Two
figures do. Its processor time must not grow: threads that spin while they wait for others would
burn it. And it must not be slower than its share of the cores: a plain loop on one thread, which
needs as much processor time, is timed in the same two states, and the slow-down of the command is
divided by that of the loop.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RATIO = 1.3
SERIES = (2_000, 20_000)
"""Series of the training and of the forecast."""

SETS = ("training.preset=fast", "training.max_steps=200", "forecast.plots=0")
SPIN = "while True: pass"
LOOP = "import time\nwhile time.process_time() < {seconds}: pass"


@dataclass(frozen=True)
class Usage:
    """What a command took, in seconds."""

    wall: float
    processor: float


def busy(rounds: int) -> Iterator[str]:
    """Times `train` and `predict` beside spinning programs and without, in turns."""
    from speed import COMMAND, POINTS, process, write_series

    neighbors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
    sets = [part for change in SETS for part in ("--set", change)]
    with tempfile.TemporaryDirectory(prefix="rnnforecast-speed-") as temporary:
        folder = Path(temporary)
        for count in SERIES:
            write_series(folder / f"{count}.csv", count, np.random.default_rng(count))
        process(folder, *COMMAND, "init", f"{SERIES[0]}.csv", "--set", "window.horizon=14", "-q")
        train = (*COMMAND, "train", "spec.yaml", "-o", "run", "-q", *sets)
        _use(folder, *train)
        given = ("--data", f"{SERIES[1]}.csv", "--no-plots", "-o", "out.csv", "-q")
        predict = (*COMMAND, "predict", "run", *given)
        yield f"{neighbors} spinning programs, {rounds} rounds, series of {POINTS} daily points."
        yield f"`train` {SERIES[0]:,} series, {', '.join(SETS)}; `predict` {SERIES[1]:,} series."
        yield ""
        yield "| | idle, s | busy, s | slower | loop slower | of its share | CPU time | target |"
        yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        for name, words in (("train", train), ("predict", predict)):
            yield _row(name, folder, words, neighbors, rounds)


def _row(name: str, folder: Path, words: tuple[str, ...], neighbors: int, rounds: int) -> str:
    """A line of the table: medians of the rounds, and of their ratios."""
    seconds = _use(folder, *words).processor
    loop = (sys.executable, "-c", LOOP.format(seconds=seconds))
    turns = []
    for _ in range(rounds):
        idle = [_use(folder, *words), _use(folder, *loop)]
        with _spinning(neighbors):
            turns.append((*idle, _use(folder, *words), _use(folder, *loop)))
    slower = [after.wall / before.wall for before, _, after, _ in turns]
    bare = [after.wall / before.wall for _, before, _, after in turns]
    relative = [ours / loops for ours, loops in zip(slower, bare, strict=True)]
    processor = [after.processor / before.processor for before, _, after, _ in turns]
    medians = [statistics.median(ratios) for ratios in (slower, bare, relative, processor)]
    walls = [statistics.median(turn[side].wall for turn in turns) for side in (0, 2)]
    figures = [f"{wall:.1f}" for wall in walls] + [f"{median:.2f}" for median in medians]
    return f"| `{name}` | {' | '.join(figures)} | ≤ {RATIO} |"


def _use(folder: Path, *words: str) -> Usage:
    """The time of a command and of all processes that it starts."""
    from speed import process

    started, before = time.perf_counter(), _processor_seconds()
    process(folder, *words)
    return Usage(time.perf_counter() - started, _processor_seconds() - before)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _spinning(count: int) -> Iterator[None]:
    """Context beside which this number of programs spin."""
    processes = [subprocess.Popen((sys.executable, "-c", SPIN)) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
