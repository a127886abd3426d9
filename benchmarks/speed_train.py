"""Speed and memory of the path from file to scores with many series: reading, `check`, `train`."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SERIES, POINTS, STEPS = 100_000, 200, 200
TRAIN_CPU_SECONDS, TRAIN_GB = 22, 1.6
READ_SERIES, READ_POINTS = 1_000_000, 20
READ_RATIO = 2.0
"""Reading a million series may take this many times as long as Arrow takes to decode the file and
to encode its ids."""

READ = """
import sys, time, pyarrow as pa, pyarrow.parquet as pq
from pathlib import Path
from rnnforecast.data.cleaning_plan import read_table
from rnnforecast.pipeline.prepare import build_cleaning_plan
from rnnforecast.spec.load import read_spec
began = time.process_time()
table = read_table(build_cleaning_plan(read_spec(Path("many.yaml"), [])), ["many.parquet"])
ours = time.process_time() - began
assert len(table.keys) == int(sys.argv[1])
began = time.process_time()
for group in range(pq.ParquetFile("many.parquet").num_row_groups):
    found = pq.ParquetFile("many.parquet").read_row_group(group, use_threads=False)
    found["series"].dictionary_encode().unify_dictionaries()
print(ours, time.process_time() - began)
"""


class Usage(NamedTuple):
    """What a whole process took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all threads, in user and system mode."""
    peak: float
    """GB of memory at most."""


def train() -> list[str]:
    """Measures `check` and `train` for 100,000 series, and the reading of a million."""
    from speed import COMMAND, write_series

    with tempfile.TemporaryDirectory(prefix="rnnforecast-speed-") as temporary:
        folder = Path(temporary)
        write_series(folder / "data.csv", SERIES, np.random.default_rng(SERIES), POINTS)
        horizon = ("--set", "window.horizon=14")
        start = _usage(folder, *COMMAND, "init", "data.csv", *horizon, "-q")
        check = _usage(folder, *COMMAND, "check", "spec.yaml", "--no-report", "-q")
        steps = ("--set", f"training.max_steps={STEPS}")
        fit = _usage(folder, *COMMAND, "train", "spec.yaml", "-o", "run", "-q", *steps)
        _write_many(folder)
        ours, arrow = _read_seconds(folder)
    rows = {"init": start, "check --no-report": check, f"train, {STEPS} steps": fit}
    return [
        f"{SERIES:,} daily series of {POINTS} points as CSV, horizon 14; one run each, 12 plots.",
        "",
        "| | wall, s | CPU, s | peak memory, GB |",
        "| --- | ---: | ---: | ---: |",
        *(f"| `{name}` | {u.wall:.1f} | {u.cpu:.1f} | {u.peak:.2f} |" for name, u in rows.items()),
        f"| target of `train` | | ≤ {TRAIN_CPU_SECONDS} | ≤ {TRAIN_GB} |",
        "",
        f"A Parquet file of {READ_SERIES:,} series of {READ_POINTS} points, CPU seconds:",
        "",
        "| | figure | target |",
        "| --- | ---: | ---: |",
        f"| read as a table with sorted ids | {ours:.2f} | |",
        f"| Arrow alone: decoded, ids encoded | {arrow:.2f} | |",
        f"| ratio | {ours / arrow:.2f} | ≤ {READ_RATIO} |",
    ]


def _usage(folder: Path, *words: str) -> Usage:
    """Runs a command; exits if it fails."""
    from speed import process

    before = _processor_seconds()
    wall, peak = process(folder, *words)
    return Usage(wall, _processor_seconds() - before, peak)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _write_many(folder: Path) -> None:
    """Writes `many.parquet`, series behind series, and a spec that reads it."""
    random, per_group = np.random.default_rng(1), READ_SERIES // 10
    days = np.tile(np.datetime64("2010-01-01") + np.arange(READ_POINTS), per_group)
    schema = pa.schema({"series": pa.string(), "day": pa.date32(), "sales": pa.float64()})
    with pq.ParquetWriter(folder / "many.parquet", schema) as writer:
        for first in range(0, READ_SERIES, per_group):
            ids = pa.array([f"s{number:07}" for number in range(first, first + per_group)])
            columns = {
                "series": ids.take(pa.array(np.repeat(np.arange(per_group), READ_POINTS))),
                "day": pa.array(days),
                "sales": pa.array(random.uniform(10, 1000, len(days)).round(2)),
            }
            writer.write_table(pa.table(columns, schema=schema))
    (folder / "many.yaml").write_text(
        "data: {path: many.parquet, time: day, series: [series], targets: [sales]}\n"
        "window: {horizon: 3}\n"
    )


def _read_seconds(folder: Path) -> Sequence[float]:
    """CPU seconds of our reading and of Arrow's, in a process of their own."""
    command = (sys.executable, "-c", READ, str(READ_SERIES))
    found = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return [float(word) for word in found.stdout.split()]
