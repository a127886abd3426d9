"""Speed and memory of `predict --partitions`: Parquet to Parquet at two sizes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COMMAND = (sys.executable, "-m", "rnnforecast")
SIZES = (500_000, 2_000_000)
"""Numbers of series."""
PART, POINTS, HORIZON = 25_000, 200, 14
"""Series of a partition, points of a series, and steps that are forecast."""
MS_A_SERIES, TOTAL_GB = 0.13, 3.0
POLL_SECONDS = 0.25
SETS = (
    "training.max_steps=20",
    "model.hidden_size=16",
    "forecast.plots=0",
    "ensemble.network_weight=1",
)


def partitions(sizes: Sequence[int] = SIZES) -> list[str]:
    """Measures `predict --partitions` with as many workers as there are cores."""
    lines = []
    with tempfile.TemporaryDirectory(prefix="rnnforecast-speed-") as temporary:
        folder = Path(temporary)
        run_on_first_series(folder)
        for size in sizes:
            data = folder / "data"
            write_partitions(data, size)
            words = ("predict", "run", "--data", "data", "-o", "out", "--partitions")
            wall, cpu, largest, total = measure(
                folder, *COMMAND, *words, "--ledger", "none", "-q", "--force"
            )
            rows = sum(pq.read_metadata(path).num_rows for path in (folder / "out").rglob("*.par*"))
            assert rows == HORIZON * size, rows
            lines.append(
                f"| {size:,} | {wall:.0f} | {1000 * wall / size:.3f} | {1000 * cpu / size:.3f} | "
                f"{largest:.2f} | {total:.2f} |"
            )
    given = f"{POINTS} daily points a series, horizon {HORIZON}, {PART:,} series a file"
    columns = ("series", "wall, s", "wall, ms a series", "processors, ms a series")
    memory = ("largest process, GB", "all processes, GB")
    return [
        f"`predict --partitions`, {given}, network alone; {os.cpu_count()} cores.",
        "",
        f"| {' | '.join((*columns, *memory))} |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
        *lines,
        f"| target | | ≤ {MS_A_SERIES} on two cores | | | ≤ {TOTAL_GB:g}, the same at both |",
    ]


def run_on_first_series(folder: Path) -> None:
    """Trains a run in the folder on the first series of the data."""
    write_partition(folder / "few.parquet", 0, 2_000)
    sets = [part for change in SETS for part in ("--set", change)]
    horizon = ("--set", f"window.horizon={HORIZON}")
    for words in (("init", "few.parquet", *horizon), ("train", "spec.yaml", "-o", "run", *sets)):
        subprocess.run((*COMMAND, *words, "-q"), cwd=folder, check=True)


def write_partitions(folder: Path, size: int) -> None:
    """Writes the partitions of a dataset that are not there yet."""
    folder.mkdir(exist_ok=True)
    for number in range(-(-size // PART)):
        path = folder / f"part-{number:05}.parquet"
        if not path.exists():
            write_partition(path, number, min(PART, size - number * PART))


def write_partition(path: Path, number: int, count: int) -> None:
    """Writes daily series with a weekly season; those of each number have other names."""
    random = np.random.default_rng(number)
    week = np.sin(2 * np.pi * np.arange(POINTS) / 7)
    level = random.uniform(10, 1000, (count, 1))
    noise = random.standard_normal((count, POINTS), dtype=np.float32)
    sales = np.round(level * (1 + 0.3 * week + 0.1 * noise), 2)
    days = (np.datetime64("2010-01-01") + np.arange(POINTS)).astype("M8[ms]")
    names = pa.array([f"s{number * PART + each:08}" for each in range(count)])
    codes = pa.array(np.repeat(np.arange(count, dtype=np.int32), POINTS))
    table = pa.table(
        {
            "series": pa.DictionaryArray.from_arrays(codes, names),
            "day": np.tile(days, count),
            "sales": sales.reshape(-1),
        }
    )
    pq.write_table(table, path)


def measure(folder: Path, *words: str) -> tuple[float, float, float, float]:
    """Wall and processor seconds of a command with all its processes, and in GB the peak memory of
    the largest process and of all together (shared pages count once a process)."""
    started = time.perf_counter()
    child = subprocess.Popen(words, cwd=folder)
    peaks: list[int] = [0]
    thread = threading.Thread(target=_watch, args=(child.pid, peaks), daemon=True)
    thread.start()
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    thread.join()
    if child.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {child.returncode}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6, max(peaks) / 1e9


def _watch(pid: int, peaks: list[int]) -> None:
    """Keeps the resident bytes of a process with its children, until it ends; Linux only."""
    while (total := _resident_bytes(pid)) > 0:
        peaks[0] = max(peaks[0], total)
        time.sleep(POLL_SECONDS)


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(_resident_bytes(int(each)) for each in children)
