"""Long horizons on ETTh1: the mean squared error over every test window, none dropped.

usage: rolling.py DATA [--horizons 96 192 336 720] [--seeds N] [--out FILE.md] [--set key=value ...]

DATA is a folder with ETTh1.csv: 7 columns, an hour a row. As usual, the tool is given the rows up
to 11,520 (training and validation), and forecasts from every origin in the rows 11,520 to 14,400
whose horizon ends there; values are standardised with mean and deviation of the rows up to 8,640.
Training is through the command line; origins are forecast by the stored run, without fitting again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from machine import describe
from quality import command

from rnnforecast.data.plan import finish, lay, read_table, treat
from rnnforecast.data.window import Index
from rnnforecast.workflow.artifact import load_run
from rnnforecast.workflow.forecasting import answers, levels_asked, windows_of

TRAIN, VALIDATION, TEST = 8640, 11520, 14400
"""The rows at which the parts end."""

AT_ONCE = 2000
"""Origins forecast at a time."""


def trained(folder: Path, table: pd.DataFrame, horizon: int, sets: Sequence[str]) -> float:
    """Writes a spec and trains in `folder`; the seconds of the training process."""
    table.iloc[:VALIDATION].to_csv(folder / "data.csv", index=False)
    words = [part for change in sets for part in ("--set", change)]
    command(folder, "init", "data.csv", "--set", f"window.horizon={horizon}")
    started = time.perf_counter()
    command(folder, "train", "spec.yaml", "-o", "run", *words)
    return time.perf_counter() - started


def errors(folder: Path, table: pd.DataFrame, horizon: int) -> tuple[float, float]:
    """Mean squared and mean absolute error of the run in `folder`, standardised."""
    run = load_run(folder / "run")
    table.iloc[:TEST].to_csv(folder / "all.csv", index=False)
    laid = lay(run.plan, read_table(run.plan, [str(folder / "all.csv")]))
    cleaned = finish(run.plan, laid, treat(run.plan, laid.panel), horizon=horizon)
    nets = [member.net.architecture for member in run.members]
    windows = windows_of(cleaned, nets, torch.device("cpu"), run.items)
    names = list(run.plan.reading.targets)
    values = table[names].to_numpy(np.float64)
    deviation = values[:TRAIN].std(0)  # the mean cancels in the errors
    origins = np.arange(VALIDATION, TEST - horizon + 1)
    squared = absolute = count = 0.0
    for begin in range(0, len(origins), AT_ONCE):
        some = origins[begin : begin + AT_ONCE]
        found = _points(run, windows, some, len(names), horizon)  # [W, C, H]
        actual = values[some[:, None] + np.arange(horizon)].swapaxes(1, 2)
        error = (found - actual) / deviation[:, None]
        squared += float((error**2).sum())
        absolute += float(np.abs(error).sum())
        count += error.size
    return squared / count, absolute / count


def _points(run, windows, origins, targets, horizon):  # type: ignore[no-untyped-def]
    """The point forecasts `[W, C, H]` from `origins` of all targets."""
    item = np.tile(np.arange(targets), len(origins))
    origin = np.repeat(origins, targets)
    index = Index(item, origin, origin + horizon)
    several = []
    for member in run.members:
        levels = levels_asked((0.5,), member.net.architecture.loss)
        found = answers(member, windows, index, levels, steps=horizon)  # [W * C, H, 1, Q]
        several.append(found[:, :, 0, levels.index(0.5)])
    together = run.combination.of(np.stack(several))
    return together.reshape(len(origins), targets, horizon)


def main() -> None:
    """Runs what the command line asks for; progress on stderr, the table on stdout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of ETTh1.csv")
    parser.add_argument("--horizons", type=int, nargs="+", default=[96, 192, 336, 720])
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="trainings a horizon")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the table there")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    asked = parser.parse_args()
    table = pd.read_csv(asked.data / "ETTh1.csv")
    lines = ["| horizon | MSE | MAE | train, s |", "| ---: | ---: | ---: | ---: |"]
    middles = []
    for horizon in asked.horizons:
        found = []
        for seed in range(1, asked.seeds + 1):
            with tempfile.TemporaryDirectory(prefix="rnnforecast-rolling-") as place:
                seconds = trained(
                    Path(place), table, horizon, [f"training.seed={seed}", *asked.set]
                )
                found.append((*errors(Path(place), table, horizon), seconds))
            print(f"{horizon} seed {seed}: {found[-1]}", file=sys.stderr, flush=True)
        mse, mae, seconds = np.median(found, 0)
        spread = f" ({min(f[0] for f in found):.3f}–{max(f[0] for f in found):.3f})"
        middles.append(mse)
        lines.append(
            f"| {horizon} | {mse:.3f}{spread if asked.seeds > 1 else ''} | {mae:.3f} |"
            f" {seconds:.0f} |"
        )
    lines.append(f"| mean | {np.mean(middles):.3f} | | |")
    text = "\n".join(lines)
    print(text)
    if asked.out:
        changes = "".join(f" --set {change}" for change in asked.set)
        words = f"python benchmarks/rolling.py DATA --seeds {asked.seeds}{changes}"
        asked.out.write_text(
            f"# Long horizons\n\n{describe()}\n\n`{words}`\n\n{text}\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
