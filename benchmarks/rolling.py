"""Long horizons on ETTh1: the mean squared error over every test window, none dropped.

ETTh1.csv has 7 columns, an hour a row. As usual, the tool is given the rows up to 11,520 (training
and validation), and forecasts from every origin in the rows 11,520 to 14,400 whose horizon ends
there; values are standardised with mean and deviation of the rows up to 8,640. Training is through
the command line; origins are forecast by the stored run, without fitting again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from competition import command
from measures import LEVELS

from rnnforecast.data.cleaning_plan import prepare_data
from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.models.quantile_levels import QuantileLevels
from rnnforecast.pipeline.forecasting import build_window_dataset, member_quantiles
from rnnforecast.pipeline.run_folder import load_run

TRAIN, VALIDATION, TEST = 8640, 11520, 14400
"""The rows at which the parts end."""

AT_ONCE = 2000
"""Origins forecast at a time."""


FILE = "ETTh1.csv"
HORIZONS = (96, 192, 336, 720)


def run(data: Path, horizon: int, seed: int, changes: Sequence[str]) -> dict[str, float]:
    """One training as a user would do it, in a folder of its own; its time and scores."""
    table = pd.read_csv(data / FILE)
    sets = [part for change in (f"training.seed={seed}", *changes) for part in ("--set", change)]
    with tempfile.TemporaryDirectory(prefix="rnnforecast-rolling-") as place:
        folder = Path(place)
        table.iloc[:VALIDATION].to_csv(folder / "data.csv", index=False)
        command(folder, "init", "data.csv", "--set", f"window.horizon={horizon}")
        seconds = command(folder, "train", "spec.yaml", "-o", "run", *sets)
        return {"train_s": seconds, **score(folder, table, horizon)}


def score(folder: Path, table: pd.DataFrame, horizon: int) -> dict[str, float]:
    """Standardised errors of the run in `folder`, and the share of values in its bands."""
    run = load_run(folder / "run")
    table.iloc[:TEST].to_csv(folder / "all.csv", index=False)
    cleaned = prepare_data(run.plan, [str(folder / "all.csv")], horizon=horizon)
    nets = [member.net.config for member in run.members]
    windows = build_window_dataset(cleaned, nets, torch.device("cpu"), run.smoothed_items)
    names = list(run.plan.read_options.data.targets)
    values = table[names].to_numpy(np.float64)
    deviation = values[:TRAIN].std(0)  # the mean cancels in the errors
    origins = np.arange(VALIDATION, TEST - horizon + 1)
    totals = {"mse": 0.0, "mae": 0.0, "cover_80": 0.0, "cover_95": 0.0}
    count = 0
    for begin in range(0, len(origins), AT_ONCE):
        some = origins[begin : begin + AT_ONCE]
        low, lower, middle, upper, high = _quantiles(run, windows, some, len(names), horizon)
        actual = values[some[:, None] + np.arange(horizon)].swapaxes(1, 2)
        error = (middle - actual) / deviation[:, None]
        totals["mse"] += float((error**2).sum())
        totals["mae"] += float(np.abs(error).sum())
        totals["cover_80"] += 100 * float(((lower <= actual) & (actual <= upper)).sum())
        totals["cover_95"] += 100 * float(((low <= actual) & (actual <= high)).sum())
        count += error.size
    return {measure: total / count for measure, total in totals.items()}


def _quantiles(run, windows, origins, targets, horizon):  # type: ignore[no-untyped-def]
    """The quantiles `[Q, W, C, H]` at `LEVELS` from `origins` of all targets."""
    item = np.tile(np.arange(targets), len(origins))
    origin = np.repeat(origins, targets)
    index = WindowIndex(item, origin, origin + horizon)
    several = []
    for member in run.members:
        levels = QuantileLevels.for_loss(LEVELS, member.net.config.loss)
        found = member_quantiles(member, windows, index, levels.computed, steps=horizon)
        found = run.interval_scaling.apply(found[:, :, 0], levels.computed)  # [W * C, H, Q]
        several.append(levels.select(found))
    together = run.combiner.combine(np.stack(several))
    return np.moveaxis(together.reshape(len(origins), targets, horizon, len(LEVELS)), -1, 0)
