"""Benchmark of long horizons on ETTh1: errors and coverage over all test windows.

ETTh1.csv has 7 columns and one row per hour. With the usual split, training and validation are the
rows up to 11,520, and forecasts begin at every later origin whose horizon ends by row 14,400.
Errors are standardized with the deviation of the rows up to 8,640. Training uses the command line;
the stored run forecasts from all origins without a new fit.
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

from rnnforecast.data.cleaning_plan import CleanedData, prepare_data
from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.models.quantile_levels import QuantileLevels
from rnnforecast.pipeline.forecasting import build_window_dataset, member_quantiles
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.pipeline.statistical import statistical_quantiles
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.types import Floats, Ints

TRAIN, VALIDATION, TEST = 8640, 11520, 14400
"""Rows before which training, validation and test part end."""

BATCH_SIZE = 2000
"""Origins per batch."""
FILE = "ETTh1.csv"
HORIZONS = (96, 192, 336, 720)


def run(data: Path, horizon: int, seed: int, changes: Sequence[str]) -> dict[str, float]:
    """Runs `init` and `train` in a temporary folder; returns time and scores."""
    table = pd.read_csv(data / FILE)
    sets = [part for change in (f"training.seed={seed}", *changes) for part in ("--set", change)]
    with tempfile.TemporaryDirectory(prefix="rnnforecast-rolling-") as temporary:
        folder = Path(temporary)
        table.iloc[:VALIDATION].to_csv(folder / "data.csv", index=False)
        command(folder, "init", "data.csv", "--set", f"window.horizon={horizon}")
        seconds = command(folder, "train", "spec.yaml", "-o", "run", *sets)
        return {"train_s": seconds, **score(folder, table, horizon)}


def score(folder: Path, table: pd.DataFrame, horizon: int) -> dict[str, float]:
    """Standardized errors of the run in `folder`, and the coverage of its intervals in percent."""
    run = load_run(folder / "run")
    table.iloc[:TEST].to_csv(folder / "all.csv", index=False)
    cleaned = prepare_data(run.plan, [str(folder / "all.csv")], horizon=horizon)
    configs = [member.net.config for member in run.members]
    windows = build_window_dataset(cleaned, configs, torch.device("cpu"), run.smoothed_items)
    names = list(run.plan.read_options.data.targets)
    values = table[names].to_numpy(np.float64)
    deviation = values[:TRAIN].std(0)  # the mean cancels in the errors
    origins = np.arange(VALIDATION, TEST - horizon + 1)
    totals = {"mse": 0.0, "mae": 0.0, "cover_80": 0.0, "cover_95": 0.0}
    count = 0
    for begin in range(0, len(origins), BATCH_SIZE):
        batch = origins[begin : begin + BATCH_SIZE]
        low, lower, middle, upper, high = _quantiles(run, cleaned, windows, batch, horizon)
        actual = values[batch[:, None] + np.arange(horizon)].swapaxes(1, 2)
        error = (middle - actual) / deviation[:, None]
        totals["mse"] += float((error**2).sum())
        totals["mae"] += float(np.abs(error).sum())
        totals["cover_80"] += 100 * float(((lower <= actual) & (actual <= upper)).sum())
        totals["cover_95"] += 100 * float(((low <= actual) & (actual <= high)).sum())
        count += error.size
    return {measure: total / count for measure, total in totals.items()}


def _quantiles(
    run: Run, cleaned: CleanedData, windows: WindowDataset, origins: Ints, horizon: int
) -> Floats:
    """`[Q, W, C, H]` quantiles at `LEVELS` of all targets from `origins [W]`."""
    channels = windows.items_per_series
    item = np.tile(np.arange(channels), len(origins))
    origin = np.repeat(origins, channels)
    index = WindowIndex(item, origin, origin + horizon)
    forecasts = []
    for member in run.members:
        levels = QuantileLevels.for_loss(LEVELS, member.net.config.loss)
        values = member_quantiles(member, windows, index, levels.computed, steps=horizon)
        forecasts.append(levels.select(values[:, :, 0]))  # [W * C, H, Q]
    combined = run.combiner.combine(np.stack(forecasts))
    if not run.network_weight.is_networks_only:
        statistical = statistical_quantiles(
            cleaned,
            index,
            LEVELS,
            steps=horizon,
            horizon=horizon,
            seasons=run.statistical_seasons,
            joint=False,
        )
        combined = run.network_weight.combine(combined, statistical[:, :, 0], LEVELS)
    by_target = combined.reshape(len(origins), channels, horizon, -1).swapaxes(1, 2)
    calibrated = run.calibration.intervals.apply_by_target(by_target, LEVELS)
    return calibrated.transpose(3, 0, 2, 1)
