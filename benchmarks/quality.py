"""How well automatic specs forecast public benchmark data: `init`, `train`, `predict`, as a user.

usage: quality.py DATA [--only NAME] [--seeds N] [--out FILE.md] [--set section.key=value ...]

DATA is a folder with `NAME_train.csv.gz` and `NAME_test.csv.gz`, long tables unique_id, ds, y.
Sets that are not there are left out. Measures are means over series, as in the M4 competition;
the test file is read only to score.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from machine import describe
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CRITICAL = 1.645
"""The two-sided 90 % point of the normal distribution, of the M4 test for a season."""

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


@dataclass(frozen=True)
class Benchmark:
    """One public data set, and how its competition scored it."""

    name: str
    horizon: int
    season: int


BENCHMARKS = (Benchmark("m4_hourly", 48, 24), Benchmark("m3_monthly", 18, 12))

COLUMNS = {
    "train_s": ("train, s", 0),
    "predict_s": ("predict, s", 1),
    "smape": ("sMAPE %", 2),
    "mase": ("MASE", 3),
    "owa": ("OWA", 3),
    "wql": ("WQL", 4),
    "cover_80": ("in 80 % band", 1),
    "cover_95": ("in 95 % band", 1),
}
"""Measure, its heading and decimals."""


def smape(actual: Floats, forecast: Floats) -> float:
    """Symmetric mean absolute percentage error, 0 to 200; a step with both zero is no error."""
    size = np.abs(actual) + np.abs(forecast)
    error = np.abs(actual - forecast)
    return 200.0 * float(np.mean(np.divide(error, size, out=np.zeros_like(size), where=size > 0)))


def mase(actual: Floats, forecast: Floats, history: Floats, season: int) -> float:
    """Mean absolute error over that of the seasonal naive forecast one season ahead in history."""
    scale = np.mean(np.abs(history[season:] - history[:-season]))
    return float(np.mean(np.abs(actual - forecast)) / scale)


def owa(ours: tuple[float, float], naive: tuple[float, float]) -> float:
    """Overall weighted average: sMAPE and MASE over those of Naive2, and their mean."""
    return (ours[0] / naive[0] + ours[1] / naive[1]) / 2


def naive2(history: Floats, season: int, horizon: int) -> Floats:
    """The last value without its season, repeated, with the season put back: `[horizon]`."""
    if not has_season(history, season):
        return np.full(horizon, history[-1])
    factors = seasonal_factors(history, season)
    size = len(history)
    level = history[-1] / factors[(size - 1) % season]
    return np.asarray(level * factors[(size + np.arange(horizon)) % season])


def has_season(history: Floats, season: int) -> bool:
    """M4's test: the autocorrelation a season back is beyond Bartlett's band at 90 %."""
    if season < 2 or len(history) < 3 * season:
        return False
    centred = history - history.mean()
    power = float(centred @ centred)
    if power == 0:
        return False
    correlation = np.array([centred[k:] @ centred[:-k] for k in range(1, season + 1)]) / power
    band = CRITICAL * np.sqrt((1 + 2 * np.sum(correlation[:-1] ** 2)) / len(history))
    return bool(abs(correlation[-1]) > band)


def seasonal_factors(history: Floats, season: int) -> Floats:
    """Classical multiplicative decomposition: `[season]`, mean 1, first the phase of step 0."""
    kernel = np.full(season, 1.0)
    if season % 2 == 0:  # centred on a step: half a weight at either end
        kernel = np.concatenate([[0.5], np.full(season - 1, 1.0), [0.5]])
    trend = np.convolve(history, kernel / season, mode="valid")
    margin = len(kernel) // 2
    ratio = history[margin : margin + len(trend)] / trend
    phase = np.arange(margin, margin + len(trend)) % season
    factors = np.bincount(phase, weights=ratio, minlength=season) / np.bincount(
        phase, minlength=season
    )
    return np.asarray(factors / factors.mean())


def quantile_loss(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> float:
    """Weighted quantile loss: twice the pinball loss over the sum of |actual|, mean over levels.

    `actual [N]`, `quantiles [N, Q]`.
    """
    missed = actual[:, None] - quantiles
    level = np.asarray(levels)
    pinball = np.maximum(level * missed, (level - 1) * missed)
    return float(2 * pinball.sum(0).mean() / np.abs(actual).sum())


def score(
    train: pd.DataFrame, test: pd.DataFrame, forecast: pd.DataFrame, season: int
) -> dict[str, float]:
    """All measures of a forecast table; ValueError where it does not cover the test table."""
    joined = test.merge(forecast, on=["unique_id", "ds"], how="left", validate="1:1")
    if joined["yhat"].isna().any():
        raise ValueError(f"{int(joined['yhat'].isna().sum())} of {len(joined)} forecasts missing")
    histories = {str(key): part["y"].to_numpy(float) for key, part in train.groupby("unique_id")}
    ours: list[tuple[float, float]] = []
    naive: list[tuple[float, float]] = []
    for key, part in joined.groupby("unique_id"):
        history, actual = histories[str(key)], part["y"].to_numpy(float)
        simple = naive2(history, season, len(actual))
        for scores, found in ((ours, part["yhat"].to_numpy(float)), (naive, simple)):
            scores.append((smape(actual, found), mase(actual, found, history, season)))
    (our_smape, our_mase), (naive_smape, naive_mase) = np.mean(ours, 0), np.mean(naive, 0)
    actual = joined["y"].to_numpy(float)
    quantiles = joined[[f"q{level:g}" for level in LEVELS]].to_numpy(float)
    low, lower, _, upper, high = quantiles.T
    return {
        "smape": float(our_smape),
        "mase": float(our_mase),
        "owa": owa((our_smape, our_mase), (naive_smape, naive_mase)),
        "wql": quantile_loss(actual, quantiles, LEVELS),
        "cover_80": 100 * float(np.mean((lower <= actual) & (actual <= upper))),
        "cover_95": 100 * float(np.mean((low <= actual) & (actual <= high))),
    }


def run(benchmark: Benchmark, data: Path, seed: int, changes: Sequence[str]) -> dict[str, float]:
    """One training as a user would do it, in a folder of its own; its times and scores."""
    source = (data / f"{benchmark.name}_train.csv.gz").resolve()
    sets = [part for change in (f"training.seed={seed}", *changes) for part in ("--set", change)]
    with tempfile.TemporaryDirectory(prefix="rnnforecast-quality-") as place:
        folder = Path(place)
        command(folder, "init", str(source), "--set", f"window.horizon={benchmark.horizon}")
        trained = command(folder, "train", "spec.yaml", "-o", "run", *sets)
        predicted = command(folder, "predict", "run", "--no-plots", "-o", "forecast.csv")
        forecast = read(folder / "forecast.csv")
        facts = json.loads((folder / "run" / "state.json").read_text(encoding="utf-8"))
    test = read(data / f"{benchmark.name}_test.csv.gz")
    scores = score(read(source), test, forecast, benchmark.season)
    times = {"train_s": trained, "predict_s": predicted}
    return {**times, "parameters": float(facts["parameters"]), **scores}


def read(file: Path) -> pd.DataFrame:
    """A long table, series by name."""
    return pd.read_csv(file, parse_dates=["ds"], dtype={"unique_id": str})


def command(folder: Path, *words: str) -> float:
    """Seconds that the whole process took; stops here, with its words, where it failed."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "rnnforecast", *words, "--quiet"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"rnnforecast {words[0]} ended with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - started


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Markdown: a row a data set, median over seeds and, of several seeds, lowest to highest."""
    lines = ["| data | seeds | " + " | ".join(title for title, _ in COLUMNS.values()) + " |"]
    lines.append("| --- |" + " ---: |" * (len(COLUMNS) + 1))
    for name, runs in found.items():
        cells = [name, str(len(runs))]
        for measure, (_, digits) in COLUMNS.items():
            values = np.array([scores[measure] for scores in runs])
            cell = f"{np.median(values):.{digits}f}"
            if len(values) > 1:
                cell += f" ({values.min():.{digits}f}–{values.max():.{digits}f})"
            cells.append(cell)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Runs what the command line asks for; prints progress on stderr, the table on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of NAME_train.csv.gz …")
    parser.add_argument("--only", choices=[b.name for b in BENCHMARKS], help="this data set only")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings a data set")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the table there")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="passed on to train"
    )
    asked = parser.parse_args()
    there = [
        benchmark
        for benchmark in BENCHMARKS
        if asked.only in (None, benchmark.name)
        and all((asked.data / f"{benchmark.name}_{p}.csv.gz").is_file() for p in ("train", "test"))
    ]
    if not there or asked.seeds < 1:
        parser.error(f"nothing to run: no known data set in {asked.data}, or no seeds")
    found: dict[str, list[dict[str, float]]] = {}
    for benchmark in there:
        for seed in range(1, asked.seeds + 1):
            scores = run(benchmark, asked.data, seed, asked.set)
            found.setdefault(benchmark.name, []).append(scores)
            line = " ".join(f"{measure}={value:.4g}" for measure, value in scores.items())
            print(f"{benchmark.name} seed {seed}: {line}", file=sys.stderr, flush=True)
    text = table(found)
    print(text)
    if asked.out:
        changes = "".join(f" --set {change}" for change in asked.set)
        changes += f" --only {asked.only}" if asked.only else ""
        # the folder's name says nothing to a reader, and may be private
        command = f"python benchmarks/quality.py DATA --seeds {asked.seeds}{changes}"
        asked.out.write_text(
            f"# Quality\n\n{describe()}\n\n`{command}`\n\n{text}\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
