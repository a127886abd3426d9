"""Benchmark of the command line with automatic settings on the data of a competition."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from measures import score


@dataclass(frozen=True)
class Benchmark:
    """A public data set with the horizon and the season of its competition."""

    name: str
    horizon: int
    season: int
    frequency: str
    """As pandas calls it."""

    def files(self, data: Path) -> tuple[Path, Path]:
        """The training table and the test table."""
        return data / f"{self.name}_train.csv.gz", data / f"{self.name}_test.csv.gz"


BENCHMARKS = (
    Benchmark("m4_hourly", 48, 24, "h"),
    Benchmark("m3_monthly", 18, 12, "MS"),
    Benchmark("m3_quarterly", 8, 4, "QS"),
    Benchmark("m3_yearly", 6, 1, "YS"),
    Benchmark("m3_other", 8, 1, "MS"),
    Benchmark("m1_monthly", 18, 12, "MS"),
    Benchmark("m1_quarterly", 8, 4, "QS"),
    Benchmark("m1_yearly", 6, 1, "YS"),
    Benchmark("tourism_monthly", 24, 12, "MS"),
    Benchmark("tourism_quarterly", 8, 4, "QS"),
    Benchmark("tourism_yearly", 4, 1, "YS"),
    Benchmark("hospital", 12, 12, "MS"),
)


def run(benchmark: Benchmark, data: Path, seed: int, changes: Sequence[str]) -> dict[str, float]:
    """Runs `init`, `train` and `predict` in a temporary folder; returns times and scores."""
    source = (data / f"{benchmark.name}_train.csv.gz").resolve()
    sets = [part for change in (f"training.seed={seed}", *changes) for part in ("--set", change)]
    with tempfile.TemporaryDirectory(prefix="rnnforecast-quality-") as temporary:
        folder = Path(temporary)
        command(folder, "init", str(source), "--set", f"window.horizon={benchmark.horizon}")
        trained = command(folder, "train", "spec.yaml", "-o", "run", *sets)
        predicted = command(folder, "predict", "run", "--no-plots", "-o", "forecast.csv")
        forecast = read(folder / "forecast.csv")
        state = json.loads((folder / "run" / "state.json").read_text(encoding="utf-8"))
    test = read(data / f"{benchmark.name}_test.csv.gz")
    scores = score(read(source), test, forecast, benchmark.season)
    times = {"train_s": trained, "predict_s": predicted}
    return {**times, "parameters": float(state["parameters"]), **scores}


def read(file: Path) -> pd.DataFrame:
    """Reads a long table, with `unique_id` as text."""
    return pd.read_csv(file, parse_dates=["ds"], dtype={"unique_id": str})


def command(folder: Path, *arguments: str) -> float:
    """Runs a command of rnnforecast; returns its seconds. Exits with its messages if it fails."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "rnnforecast", *arguments, "--quiet"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"rnnforecast {arguments[0]} ended with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - started
