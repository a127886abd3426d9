"""Forecasts by statistical methods, for comparison: statsforecast's are computed once and stored.

statsforecast runs in an environment of its own, as in `peers/run.py`. Tables have the columns
unique_id, ds, yhat and quantiles at `LEVELS`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from competition import Benchmark, read
from measures import LEVELS

from rnnforecast.evaluation.baselines import BASELINES, BaselineWindows

PEERS = Path(__file__).resolve().parent / "peers"
sys.path.insert(0, str(PEERS))

from environments import VENVS, environment, run_checked  # noqa: E402

METHODS = ("DOT", "CES", "ETS")
"""Of statsforecast: dynamic optimized theta, complex exponential smoothing, AutoETS."""


def add_reference_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --reference, where the forecasts are stored, and --venvs, where environments lie."""
    parser.add_argument(
        "--reference", type=Path, default=VENVS / "forecasts", metavar="DIR",
        help="stored forecasts of statsforecast",
    )  # fmt: skip
    parser.add_argument("--venvs", type=Path, default=VENVS, metavar="DIR")


@dataclass(frozen=True)
class ReferenceForecasts:
    """Forecasts by statsforecast, one file for each table and method."""

    folder: Path
    venvs: Path

    def get(
        self, benchmark: Benchmark, train: pd.DataFrame, method: str
    ) -> tuple[pd.DataFrame, float]:
        """The forecast of all series in `train`, and the seconds of fits and intervals."""
        content = train.to_csv(index=False).encode()
        digest = hashlib.sha256(content).hexdigest()[:8]
        file = self.folder / f"{benchmark.name}-{digest}-{method}.csv.gz"
        phases = file.with_suffix("").with_suffix(".json")
        if not file.is_file():
            python = environment(self.venvs, "statsforecast")
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="rnnforecast-reference-") as temporary:
                source = Path(temporary) / "train.csv"
                source.write_bytes(content)
                partial = Path(temporary) / file.name
                options = {
                    "--train": source,
                    "--horizon": benchmark.horizon,
                    "--season": benchmark.season,
                    "--freq": benchmark.frequency,
                    "--out": partial,
                    "--phases": phases,
                }
                arguments = [str(part) for pair in options.items() for part in pair]
                levels = [f"{level:g}" for level in LEVELS]
                script = str(PEERS / "use_statsforecast.py")
                run_checked([str(python), script, method, *arguments, "--levels", *levels])
                file.write_bytes(partial.read_bytes())
        seconds = json.loads(phases.read_text(encoding="utf-8"))["predict"]
        return read(file), float(seconds)


def mean_forecast(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean of forecasts of the same series and steps, quantile by quantile."""
    indexed = [table.set_index(["unique_id", "ds"]).sort_index() for table in tables]
    return (sum(indexed[1:], indexed[0]) / len(indexed)).reset_index()


def seasonal_naive_forecast(
    train: pd.DataFrame, test: pd.DataFrame, season: int, *, drift: bool
) -> pd.DataFrame:
    """The last season repeated over the steps of `test`, of which each series has as many."""
    train, test = (part.sort_values(["unique_id", "ds"]) for part in (train, test))
    offsets = np.concatenate([[0], np.cumsum(train.groupby("unique_id").size())])
    horizon = len(test) // (len(offsets) - 1)
    values = train["y"].to_numpy(float)[:, None]
    windows = BaselineWindows(
        values=values,
        offsets=offsets,
        series=np.arange(len(offsets) - 1),
        origins=np.diff(offsets),
        horizon=horizon,
        season=season,
        statistical_season=season,
    )
    name = "seasonal naive with drift" if drift else "seasonal naive"
    found = next(each for each in BASELINES if each.name == name).forecast(windows, LEVELS)
    names = [f"q{level:g}" for level in LEVELS]
    table = test[["unique_id", "ds"]].assign(yhat=found.yhat.ravel())
    table[names] = found.quantiles.reshape(-1, len(LEVELS))
    return table
