"""Trained runs of the fuzz test, and what a forecast must be."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fuzz_files import base_tables

CUTS = (0.7, 0.8, 0.9)
"""Parts of the data from which the forecasts in a ledger were made."""


@dataclass(frozen=True)
class TrainedRun:
    """A trained run and what nights leave around it, all in one folder; none of it is changed."""

    folder: Path
    """The run."""
    data: bytes
    """What it was trained on."""

    @property
    def store(self) -> Path:
        """A store with two versions of the run."""
        return self.folder.with_name("store")

    @property
    def output(self) -> Path:
        """The folder of a forecast."""
        return self.folder.with_name("forecast")

    @property
    def ledger(self) -> Path:
        """A ledger as a folder."""
        return self.folder.with_name("ledger")

    @property
    def database(self) -> Path:
        """The same ledger in SQLite."""
        return self.folder.with_name("ledger.db")

    @property
    def forecast(self) -> bytes:
        """The forecast as a table."""
        return (self.output / "forecast.csv").read_bytes()

    @property
    def summary(self) -> dict[str, Any]:
        """A summary of a job."""
        content = self.folder.with_name("summary.json").read_bytes()
        return dict(json.loads(content))


def check_forecast(path: Path) -> None:
    """AssertionError for numbers that are not finite and for quantiles that cross."""
    frame = pd.read_csv(path)
    numbers = frame.select_dtypes("number")
    if "status" in frame:
        numbers = numbers[(frame["status"] != "skipped").to_numpy()]
    assert np.isfinite(numbers.to_numpy(float)).all(), "a number of the forecast is not finite"
    names = {name.rsplit("_q", 1)[0] for name in numbers if "_q" in name}
    for target in names:
        levels = sorted((float(name.rsplit("_q", 1)[1]), name) for name in numbers
                        if name.startswith(f"{target}_q"))  # fmt: skip
        quantiles = numbers[[name for _, name in levels]].to_numpy(float)
        assert (np.diff(quantiles, axis=1) >= 0).all(), "quantiles cross"


@cache
def trained_runs() -> tuple[TrainedRun, ...]:
    """The runs in the folder that the environment variable ``FUZZ_RUNS`` names."""
    return tuple(TrainedRun(path / "run", (path / "data.csv").read_bytes())
                 for path in sorted(Path(os.environ["FUZZ_RUNS"]).iterdir()))  # fmt: skip


def train_runs(
    folder: Path, numbers: Sequence[int] = (0, 1, 2, 4), *, nights: bool = False
) -> None:
    """Trains a run on each of a few base tables, below `folder`; `nights` adds stores, ledgers."""
    from rnnforecast.workflow.train import train

    sections = {1: "clean: {missing: linear}", 4: "features: {future: promo, missing_future: last}"}
    for number in numbers:
        place = folder / str(number)
        place.mkdir(parents=True)
        (place / "data.csv").write_bytes(base_tables()[number])
        text = f"data: {{path: data.csv}}\nwindow: {{horizon: 3}}\n{sections.get(number, '')}\n"
        text += "training: {max_steps: 20, preset: fast}\nforecast: {plots: 0}\n"
        (place / "spec.yaml").write_text(text, encoding="utf-8")
        train(place / "spec.yaml", place / "run")
        if nights:
            _add_nights(TrainedRun(place / "run", base_tables()[number]))


def _add_nights(run: TrainedRun) -> None:
    """The store, the ledgers and the forecast of a run."""
    from rnnforecast.batch.issue import issue_forecast
    from rnnforecast.batch.job.summary import new_summary
    from rnnforecast.pipeline.checks.run_checks import CheckOptions
    from rnnforecast.pipeline.run_versions import new_version
    from rnnforecast.workflow.predict_request import ForecastRequest

    for day in (1, 2):
        with new_version(run.store, datetime(2024, 2, day, tzinfo=UTC)) as version:
            shutil.copytree(run.folder, version)
    frame = pd.read_csv(run.folder.with_name("data.csv"))
    times = frame[frame.columns[0]]
    for number, cut in enumerate(CUTS):
        last = times.drop_duplicates().iloc[int(cut * times.nunique()) - 1]
        parts = [frame[: int(np.flatnonzero(times == last)[-1]) + 1]]
        if "shop" in frame:
            parts = [part[: list(part[frame.columns[0]]).index(last) + 1]
                     for _, part in frame.groupby("shop")]  # fmt: skip
        pd.concat(parts).to_csv(run.folder.with_name("part.csv"), index=False)
        for ledger in (str(run.ledger), f"sqlite:///{run.database}"):
            issue_forecast(
                run.folder,
                str(run.output) + "/",
                ForecastRequest(checks=CheckOptions(datetime(2024, 2, 1 + number, tzinfo=UTC))),
                data=[str(run.folder.with_name("part.csv"))],
                ledger=ledger,
                plots=False,
            )
    summary = new_summary("night")
    summary.model = "2024-02-02T00-00-00Z"
    summary.published = ["out.csv"]
    summary.data_sha256, summary.data_since = "0" * 64, summary.started
    path = run.folder.with_name("summary.json")
    path.write_text(json.dumps(summary.to_json()), encoding="utf-8")
