"""Forecasts beside broken series: a share of the series is broken in ten ways, and the forecasts of
all others must be the same bytes as without them.

usage: series_errors.py --series 10000 --broken 500

It prints what became of the broken series, the seconds of both forecasts, and the number of others
whose rows differ; the exit code is 1 if there are any.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.errors import PartFailed
from rnnforecast.workflow.predict import predict
from rnnforecast.workflow.predict_output import SUMMARY_FILE
from rnnforecast.workflow.train import train

STEPS, HORIZON = 60, 7
SPEC = """\
data: {path: train.csv, time: ds, series: unique_id, targets: y}
window: {horizon: 7}
clean: {min_length: 5, frequency: D}
training: {max_steps: 20, final_fit: false, device: cpu}
forecast: {plots: 0}
model: {hidden_size: 8}
"""
"""Of the training, whose length does not matter here."""


def healthy(n_series: int, seed: int = 0) -> pd.DataFrame:
    """Daily rows of noisy weeks, each series of its own size; all cells are text."""
    random = np.random.default_rng(seed)
    day = np.arange(STEPS)
    size = 10.0 ** random.uniform(0, 4, n_series)[:, None]
    week = 3 + np.sin(2 * np.pi * day / 7)
    values = size * (week + random.normal(0, 0.3, (n_series, STEPS)))
    dates = (np.datetime64("2024-01-01") + day).astype(str)
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{number:05d}" for number in range(n_series)], STEPS),
            "ds": np.tile(dates, n_series),
            "y": [f"{value:.6g}" for value in values.reshape(-1)],
        }
    )


def _too_short(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.tail(3)


def _stale(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.head(STEPS - 3 * HORIZON)


def _constant(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(y="12.5")


def _no_values(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(y="")


def _no_number(rows: pd.DataFrame) -> pd.DataFrame:
    return _with_cell(rows, "y", STEPS // 2, "twelve")


def _no_time(rows: pd.DataFrame) -> pd.DataFrame:
    return _with_cell(rows, "ds", STEPS // 3, "soon")


def _repeated(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, rows.tail(2).assign(y="1")])


def _off_grid(rows: pd.DataFrame) -> pd.DataFrame:
    return _with_cell(rows, "ds", STEPS // 2, f"{rows['ds'].iloc[STEPS // 2]} 11:30:00")


def _far_date(rows: pd.DataFrame) -> pd.DataFrame:
    return _with_cell(rows, "ds", STEPS - 1, "2033-02-28")


def _overflow(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(y=[f"{(-1) ** step * 1.7e308}" for step in range(len(rows))])


def _with_cell(rows: pd.DataFrame, column: str, row: int, text: str) -> pd.DataFrame:
    cells = rows[column].tolist()
    cells[row] = text
    return rows.assign(**{column: cells})


WAYS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "too_short": _too_short,
    "stale": _stale,
    "constant": _constant,
    "no_values": _no_values,
    "unreadable_cell (a number)": _no_number,
    "unreadable_cell (a time)": _no_time,
    "repeated_timestamps": _repeated,
    "off_grid": _off_grid,
    "far_date": _far_date,
    "not_finite": _overflow,
}
"""By the code that each has in `run.json`."""


def broken(rows: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """The rows with these series broken, each in the way that follows that of the one before."""
    ways = list(WAYS.values())
    by_label = dict(tuple(rows[rows["unique_id"].isin(labels)].groupby("unique_id")))
    parts = [ways[at % len(ways)](by_label[label]) for at, label in enumerate(labels)]
    return pd.concat([rows[~rows["unique_id"].isin(labels)], *parts]).sort_values(
        "unique_id", kind="stable"
    )


def rows_by_series(path: Path) -> dict[str, list[str]]:
    """The lines of a forecast by the id that they begin with."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines()[1:]:
        found.setdefault(line.split(",", 1)[0], []).append(line)
    return found


def forecast(data: str, out: str) -> float:
    """Forecasts from a file; returns the seconds."""
    began = time.perf_counter()
    with suppress(PartFailed):  # some of the broken series have no value
        predict(Path("run"), out, data=[data], plots=False, report=False)
    return time.perf_counter() - began


def compare(n_series: int, n_broken: int) -> int:
    """Trains in the current folder and forecasts with and without broken series; returns the number
    of other series whose forecasts differ."""
    rows = healthy(n_series)
    rows.to_csv("train.csv", index=False)
    Path("spec.yaml").write_text(SPEC)
    train(Path("spec.yaml"), Path("run"))
    every = rows["unique_id"].unique().tolist()
    labels = every[:: max(n_series // n_broken, 1)][:n_broken]
    broken(rows, labels).to_csv("broken.csv", index=False)
    rows[~rows["unique_id"].isin(labels)].to_csv("others.csv", index=False)
    seconds = forecast("broken.csv", "with/"), forecast("others.csv", "without/")
    found = pd.read_json(Path("with") / SUMMARY_FILE, typ="series")
    print(f"{n_series:,} series, {len(labels):,} broken: {found['series_status']}")
    for error in found["series_errors"]:
        print(f"  {error['count']:>6,} {error['code']}: {error['reason']}")
    print(f"{seconds[0]:.1f} s with them, {seconds[1]:.1f} s without")
    tables = [rows_by_series(Path(name) / "forecast.csv") for name in ("with", "without")]
    differ = [label for label in set(every) - set(labels) if tables[0][label] != tables[1][label]]
    print(f"{len(differ):,} of {len(every) - len(labels):,} other forecasts differ {differ[:3]}")
    return len(differ)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--broken", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        differ = compare(arguments.series, arguments.broken)
        os.chdir("/")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
