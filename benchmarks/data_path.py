"""What reading, cleaning and windowing cost beside pandas' own read and sort of the same file.

Each measurement is a process of its own, ours and pandas' in turns; times are taken after the
imports, peak memory is that above the imports.
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

import numpy as np
import pandas as pd
from machine import describe

POINTS = 100
COUNTS = (1_000, 10_000, 100_000)
RATIO, TABLES = 3.0, 4.0
"""Targets: ours over pandas' time, and peak memory in raw tables of three doubles a row."""


def write(file: Path, series: int) -> None:
    """Daily series in no order at all."""
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


def pandas_way(file: Path) -> dict[str, float]:
    """pandas reads the file and sorts it by series and time."""
    started = time.perf_counter()
    frame = (
        pd.read_csv(file, parse_dates=["ds"]) if file.suffix == ".csv" else pd.read_parquet(file)
    )
    read = time.perf_counter()
    frame.sort_values(["unique_id", "ds"])
    return {"read": read - started, "rest": time.perf_counter() - read}


def our_way(file: Path) -> dict[str, float]:
    """The file becomes a clean panel with filled gaps and an index of windows."""
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

    global BEFORE
    BEFORE = memory()
    data = DataSpec(path=(str(file),), time="ds", series=("unique_id",), targets=("y",))
    plan = CleaningPlan(ReadOptions(data))
    started = time.perf_counter()
    table = read_table(plan, [str(file)])
    read = time.perf_counter()
    laid = align_table(plan, table)
    del table
    panel = laid.panel
    plan, treated = fit_cleaning_plan(
        plan, laid, season=7, train_end=panel.lengths - 28, network_imputers={}
    )
    cleaned = build_inputs(plan, laid, horizon=14, transformed=treated)
    training_origins(cleaned.target_mask, panel.offsets, ends=panel.lengths, horizon=14, season=7)
    return {"read": read - started, "rest": time.perf_counter() - read}


BEFORE = 0.0


def memory() -> float:
    """Peak memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # what the system counts elsewhere takes in the parent before the start
        line = next(li for li in status.read_text().splitlines() if li.startswith("VmHWM"))
        return 1024.0 * int(line.split()[1])
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def measured(way: str, file: Path) -> dict[str, float]:
    """One of the two ways in a process of its own: seconds, and bytes above the imports."""
    words = (sys.executable, __file__, "--way", way, str(file))
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    read, rest, peak = map(float, said.split())
    return {"read": read, "rest": rest, "all": read + rest, "peak": peak}


def table(rounds: int, counts: tuple[int, ...], suffix: str) -> list[str]:
    """Both ways in turns on files of so many series."""
    columns = f"series × {POINTS}, {suffix}", "pandas, s", "ours, s", "of that reading", "ratio"
    lines = [
        f"| {' | '.join(columns)} | peak, in raw tables |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory(prefix="rnnforecast-data-") as place:
        for count in counts:
            file = Path(place) / f"{count}.{suffix}"
            write(file, count)
            pairs = [(measured("pandas", file), measured("ours", file)) for _ in range(rounds)]
            theirs, ours = ([pair[k] for pair in pairs] for k in (0, 1))
            ratio = statistics.median(b["all"] / a["all"] for a, b in pairs)
            seconds = [statistics.median(one["all"] for one in way) for way in (theirs, ours)]
            reading = statistics.median(one["read"] / one["all"] for one in ours)
            raw = 3 * 8 * count * POINTS
            peak = statistics.median(one["peak"] for one in ours) / raw
            lines.append(
                f"| {count:,} | {seconds[0]:.2f} | {seconds[1]:.2f} | {reading:.0%} | {ratio:.2f} |"
                f" {peak:.1f} |"
            )
            file.unlink()
    return lines


def main() -> None:
    """Measures and prints Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="turns of each pair")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the tables there")
    parser.add_argument("--way", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        way, file = asked.way
        before = memory()
        found = (our_way if way == "ours" else pandas_way)(Path(file))
        print(found["read"], found["rest"], memory() - max(before, BEFORE))
        return
    text = f"# The data path\n\n{describe()}\n\n`python benchmarks/data_path.py`\n"
    for counts, suffix in ((COUNTS, "parquet"), (COUNTS[1:2], "csv")):
        part = "\n".join(table(asked.rounds, counts, suffix))
        print(part, flush=True)
        text += f"\n{part}\n"
    text += (
        f"\nTargets at {COUNTS[-1]:,} series from Parquet: ratio ≤ {RATIO:g}, peak ≤ {TABLES:g} "
        "raw tables (series, time and value as doubles, 24 bytes a row).\n"
    )
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
