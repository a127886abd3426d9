"""Cost of reading, cleaning and windowing, compared with pandas reading and sorting the same file.

Each measurement is a new process; the two tools alternate. Times begin after the imports, and peak
memory is the increase over that after the imports.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from machine import describe

POINTS = 100
COUNTS = (1_000, 10_000, 100_000)
MAX_RATIO, MAX_TABLES = 3.0, 4.0
"""Targets: time relative to pandas; peak memory relative to a table of three doubles per row."""


class Cost(NamedTuple):
    """Seconds of reading and of the rest, and peak memory in bytes above that of the imports."""

    read: float
    rest: float
    peak: float

    @property
    def total(self) -> float:
        """Seconds in all."""
        return self.read + self.rest


def write(file: Path, series: int) -> None:
    """Writes daily series with rows in random order, as CSV or Parquet by the suffix."""
    random = np.random.default_rng(series)
    order = random.permutation(series * POINTS)
    names = np.repeat([f"s{number:06}" for number in range(series)], POINTS)
    days = np.tile(pd.date_range("2024-01-01", periods=POINTS).to_numpy(), series)
    frame = pd.DataFrame({"unique_id": names, "ds": days, "y": random.normal(100, 9, len(order))})
    frame = frame.iloc[order]
    if file.suffix == ".csv":
        frame.to_csv(file, index=False)
    else:
        frame.to_parquet(file, index=False)


def run_pandas(file: Path) -> Cost:
    """The cost of reading the file with pandas and sorting it by series and time."""
    baseline = peak_memory()
    started = time.perf_counter()
    frame = (
        pd.read_csv(file, parse_dates=["ds"]) if file.suffix == ".csv" else pd.read_parquet(file)
    )
    read = time.perf_counter()
    frame.sort_values(["unique_id", "ds"])
    rest = time.perf_counter() - read
    return Cost(read - started, rest, peak_memory() - baseline)


def run_rnnforecast(file: Path) -> Cost:
    """The cost of reading the file and building a clean panel, its inputs and the window index."""
    from rnnforecast.data.cleaning_plan import (
        CleaningPlan,
        align_table,
        build_inputs,
        fit_cleaning_plan,
        read_table,
    )
    from rnnforecast.data.io.read_options import ReadOptions
    from rnnforecast.data.windows.origins import training_origins
    from rnnforecast.spec.data import DataSpec

    baseline = peak_memory()
    data = DataSpec(path=(str(file),), time="ds", series=("unique_id",), targets=("y",))
    plan = CleaningPlan(ReadOptions(data))
    started = time.perf_counter()
    table = read_table(plan, [str(file)])
    read = time.perf_counter()
    aligned = align_table(plan, table)
    del table
    panel = aligned.panel
    plan, transformed = fit_cleaning_plan(
        plan, aligned, season=7, train_end=panel.lengths - 28, network_imputers={}
    )
    cleaned = build_inputs(plan, aligned, horizon=14, transformed=transformed)
    training_origins(cleaned.target_mask, panel.offsets, ends=panel.lengths, horizon=14, season=7)
    rest = time.perf_counter() - read
    return Cost(read - started, rest, peak_memory() - baseline)


def peak_memory() -> float:
    """Peak memory of this process until now, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss may include the memory of the parent process
        line = next(li for li in status.read_text().splitlines() if li.startswith("VmHWM"))
        return 1024.0 * int(line.split()[1])
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def measure(tool: str, file: Path) -> Cost:
    """The cost of one tool in a new process."""
    command = (sys.executable, __file__, "--tool", tool, str(file))
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Cost(*map(float, output.split()))


def table(rounds: int, counts: tuple[int, ...], suffix: str) -> list[str]:
    """A Markdown table of medians over the rounds, one row per number of series."""
    columns = f"series × {POINTS}, {suffix}", "pandas, s", "ours, s", "of that reading", "ratio"
    lines = [
        f"| {' | '.join(columns)} | peak, in raw tables |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory(prefix="rnnforecast-data-") as folder:
        for count in counts:
            file = Path(folder) / f"{count}.{suffix}"
            write(file, count)
            pairs = [(measure("pandas", file), measure("ours", file)) for _ in range(rounds)]
            theirs, ours = zip(*pairs, strict=True)
            ratio = statistics.median(b.total / a.total for a, b in pairs)
            seconds = [statistics.median(cost.total for cost in costs) for costs in (theirs, ours)]
            reading = statistics.median(cost.read / cost.total for cost in ours)
            peak = statistics.median(cost.peak for cost in ours) / (3 * 8 * count * POINTS)
            lines.append(
                f"| {count:,} | {seconds[0]:.2f} | {seconds[1]:.2f} | {reading:.0%} | {ratio:.2f} |"
                f" {peak:.1f} |"
            )
            file.unlink()
    return lines


def main() -> None:
    """Runs the measurements and prints them as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs of each pair")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the tables there")
    parser.add_argument("--tool", nargs=2, metavar=("TOOL", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.tool:
        tool, file = arguments.tool
        print(*(run_rnnforecast if tool == "ours" else run_pandas)(Path(file)))
        return
    text = f"# The data path\n\n{describe()}\n\n`python benchmarks/data_path.py`\n"
    for counts, suffix in ((COUNTS, "parquet"), (COUNTS[1:2], "csv")):
        part = "\n".join(table(arguments.rounds, counts, suffix))
        print(part, flush=True)
        text += f"\n{part}\n"
    text += (
        f"\nTargets at {COUNTS[-1]:,} series from Parquet: ratio ≤ {MAX_RATIO:g}, peak ≤ "
        f"{MAX_TABLES:g} raw tables (series, time and value as doubles, 24 bytes a row).\n"
    )
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
