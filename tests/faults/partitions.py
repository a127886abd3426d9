"""Forecasts of a partitioned dataset whose workers, or whose own process, are killed.

    python -m tests.faults.partitions --count 50 --engine local --engine ray

However many workers are killed, and wherever the command is killed before it goes on by
``--resume``, the result is that of one that nothing has disturbed, byte for byte.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rnnforecast.parallel.threads import set_environment
from tests.faults.workplace import Child, Damaged, command, fork, run_well, workplace

PARTITIONS, SERIES, STEPS = 6, 40, 60
MAX_KILLS = 2
"""Of workers in one call: a partition may lose its worker twice."""
RUN_FILE = "run.json"
"""The one file with times of writing."""


@dataclass
class PartitionFaults:
    """What was killed, and how often."""

    engine: str
    calls: int = 0
    workers: int = 0
    """Workers killed."""
    parents: int = 0
    """Commands killed before their end."""
    resumed: int = 0
    """Finished partitions that the commands after them took over."""

    def __str__(self) -> str:
        return (
            f"predict --partitions on {self.engine}: {self.calls} calls, {self.workers} workers "
            f"and {self.parents} commands killed, {self.resumed} partitions resumed, same bytes"
        )


def write_dataset() -> None:
    """Writes the folder ``parts`` of Parquet files, like the data of the workplace."""
    Path("parts").mkdir()
    for part in range(PARTITIONS):
        names = [f"p{part}-{number:02d}" for number in range(SERIES)]
        days = [f"{2024 + d // 336}-{1 + d // 28 % 12:02d}-{1 + d % 28:02d}" for d in range(STEPS)]
        columns = {
            "unique_id": [name for name in names for _ in days],
            "ds": days * SERIES,
            "y": [10.0 + (d * (n + 3) + part) % 7 for n in range(SERIES) for d in range(STEPS)],
        }
        pq.write_table(pa.table(columns), f"parts/part-{part}.parquet")


def kill_workers(engine: str, count: int, seed: int = 0) -> PartitionFaults:
    """Kills one or two workers in each of `count` calls. Raises Damaged."""
    found, chance = PartitionFaults(engine), random.Random(f"{seed} {engine}")
    expected = _undisturbed()
    duration = _duration(engine)
    for _ in range(count):
        child = fork(command(*_arguments(engine, "out")))
        for _ in range(chance.randint(1, MAX_KILLS)):
            _wait_at_random(child, chance, duration)
            found.workers += _kill_worker(child, chance)
        _end_well(child)
        found.calls += 1
        _compare(expected, f"workers killed, {engine}")
    return found


def kill_commands(engine: str, count: int, seed: int = 0) -> PartitionFaults:
    """Kills each of `count` calls, and goes on by ``--resume``. Raises Damaged."""
    found, chance = PartitionFaults(engine), random.Random(f"{seed} {engine} resume")
    expected = _undisturbed()
    duration = _duration(engine)
    for _ in range(count):
        _remove("out")
        child = fork(command(*_arguments(engine, "out")))
        _wait_at_random(child, chance, duration)
        found.parents += child.kill()
        found.resumed += _finished()
        _end_well(fork(command(*_arguments(engine, "out"), "--resume")))
        found.calls += 1
        _compare(expected, f"command killed, {engine}")
    return found


def _arguments(engine: str, out: str) -> tuple[str, ...]:
    options = () if engine == "one" else ("--workers", "2", "--engine", engine)
    return (
        *("predict", "run", "--data", "parts", "--partitions", "-o", out),
        *("--ledger", "none", *options),
    )


def _undisturbed() -> dict[str, bytes]:
    """The files of an undisturbed forecast in one process."""
    if not Path("expected").exists():
        run_well(*_arguments("one", "expected"))
    return _read("expected")


def _duration(engine: str) -> float:
    """Seconds of an undisturbed forecast."""
    started = time.monotonic()
    run_well(*_arguments(engine, "out"))
    return time.monotonic() - started


def _wait_at_random(child: Child, chance: random.Random, duration: float) -> None:
    """Waits until a random instant, or until a random number of partitions is finished."""
    end = time.monotonic() + chance.uniform(0.0, duration)
    target = chance.randint(1, PARTITIONS - 1) if chance.random() < 0.5 else None
    while not child.has_ended:
        if target is None and time.monotonic() > end:
            return
        if target is not None and _finished() >= target:
            time.sleep(chance.uniform(0.0, 0.05))
            return
        time.sleep(0.002)


def _finished() -> int:
    """The number of partitions in the work folder."""
    return sum(1 for _ in Path().glob(".out*/records/*.json"))


def _kill_worker(child: Child, chance: random.Random) -> int:
    """Kills a worker of a command as soon as it has one; returns how many."""
    while not child.has_ended:
        workers = sorted(pid for pid in _descendants(os.getpid()) if _is_worker(pid))
        if workers:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)
                return 1
        time.sleep(0.01)
    return 0


def _is_worker(pid: int) -> bool:
    """Whether a process is a worker of ours, or one of Ray that runs a task."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"rnnforecast.parallel.worker" in words or words.startswith(b"ray::run_task")
    return False


def _descendants(root: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                children.setdefault(_parent(int(entry.name)), []).append(int(entry.name))
    waiting = [root]
    while waiting:
        found = children.get(waiting.pop(), [])
        waiting += found
        yield from found


def _parent(pid: int) -> int:
    status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return int(status.rpartition(")")[2].split()[1])


def _end_well(child: Child) -> None:
    ended = child.wait()
    if ended.code != 0:
        raise Damaged(f"exit code {ended.code}: {ended.output[-2000:]}")


def _compare(expected: dict[str, bytes], what: str) -> None:
    """Raises Damaged unless the result has the files of `expected`, and nothing else is left."""
    found = _read("out")
    if found != expected:
        names = {name for name in found | expected if found.get(name) != expected.get(name)}
        raise Damaged(f"{what}: {sorted(names)} differ")
    if left := [path.name for path in Path().glob(".out*") if not path.name.endswith(".lock")]:
        raise Damaged(f"{what}: leftovers {left}")


def _read(folder: str) -> dict[str, bytes]:
    """The bytes of each file, but for those with times of writing."""
    root = Path(folder)
    files = (path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in files
        if path.name not in (RUN_FILE, ".rnnforecast.json")
    }


def _remove(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def ray_cluster() -> Iterator[None]:
    """A Ray cluster of two nodes on this machine, each with one processor, which ``--engine ray``
    joins."""
    os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", secrets.token_hex(32)
    told = Path.cwd().parent / "address"
    child = fork(lambda: _serve_cluster(told))
    try:
        while not told.exists():
            if child.has_ended:
                raise Damaged(child.wait().output)
            time.sleep(0.1)
        os.environ["RAY_ADDRESS"] = told.read_text(encoding="utf-8")
        yield
    finally:
        os.environ.pop("RAY_ADDRESS", None)
        if not child.has_ended:
            os.kill(child.pid, signal.SIGTERM)
        child.wait()


def _serve_cluster(told: Path) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        part = told.with_name(f"{told.name}.part")
        part.write_text(cluster.address, encoding="utf-8")
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        part.rename(told)
        while True:
            time.sleep(60)
    except KeyboardInterrupt:
        return
    finally:
        cluster.shutdown()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50, help="calls of each kind")
    parser.add_argument("--commands", type=int, help="calls that are killed, if others")
    parser.add_argument("--engine", action="append", help="local or ray; both if not given")
    given = parser.parse_args()
    set_environment()
    with workplace():
        write_dataset()
        for engine in given.engine or ["local", "ray"]:
            with ray_cluster() if engine == "ray" else nullcontext():
                print(kill_workers(engine, given.count), flush=True)
                print(kill_commands(engine, given.commands or given.count), flush=True)


if __name__ == "__main__":
    main()
