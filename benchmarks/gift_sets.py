"""Eight configurations of GIFT-Eval that can be rebuilt from the benchmark data, with references.

GIFT-Eval: Aksu et al. (2024), "GIFT-Eval: A Benchmark for General Time Series Forecasting Model
Evaluation". Windows lie side by side at the end of the series and each is forecast from all that
lies before it. There are min(20, max(1, ceil(0.1 n / h))) of them for a shortest series of n values
and a horizon of h, and one for the sets of M4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from competition import read

MAX_WINDOWS = 20
Loader = Callable[[Path], pd.DataFrame]


@dataclass(frozen=True)
class Configuration:
    """A data set with a horizon, and the published figures of seasonal naive on it."""

    name: str
    load: Loader
    """Maps the folder to a long table unique_id, ds, y."""
    horizon: int
    season: int
    """Steps, for seasonal naive and the scale of MASE."""
    naive_mase: float
    naive_wql: float
    wide: bool = False
    """Whether a user has one column a series, not one row a series and time."""
    one_window: bool = False
    rebuilt: bool = True
    """Whether seasonal naive has the published MASE on these windows."""

    def windows(self, table: pd.DataFrame) -> int:
        """The number of windows."""
        shortest = int(table.groupby("unique_id").size().min())
        count = min(MAX_WINDOWS, max(1, math.ceil(0.1 * shortest / self.horizon)))
        return 1 if self.one_window else count


def _competition(name: str) -> Loader:
    def load(data: Path) -> pd.DataFrame:
        parts = [read(data / f"{name}_{part}.csv.gz") for part in ("train", "test")]
        return pd.concat(parts).sort_values(["unique_id", "ds"], ignore_index=True)

    return load


def _ett(data: Path) -> pd.DataFrame:
    table = pd.read_csv(data / "ETTh1.csv", parse_dates=["date"]).rename(columns={"date": "ds"})
    return table.melt("ds", var_name="unique_id", value_name="y")


def _births(rule: str | None) -> Loader:
    def load(data: Path) -> pd.DataFrame:
        table = pd.read_csv(data / "us_births.csv.gz", parse_dates=["ds"])
        if rule is not None:
            sums = table.set_index("ds")["y"].resample(rule).agg(["sum", "count"])
            if rule.startswith("W"):
                sums = sums[sums["count"] == 7]  # whole weeks only
            table = sums["sum"].rename("y").reset_index()
        return table.assign(unique_id="births")

    return load


CONFIGURATIONS = (
    Configuration("hospital/M/short", _competition("hospital"), 12, 12, 0.9205, 0.0625),
    Configuration("us_births/D/short", _births(None), 30, 1, 1.8648, 0.1195, wide=True),
    # weeks from Wednesday to Tuesday
    Configuration("us_births/W/short", _births("W-TUE"), 8, 1, 1.5634, 0.0193, wide=True),
    Configuration("us_births/M/short", _births("MS"), 12, 12, 0.7605, 0.0168, wide=True),
    Configuration(
        "m4_hourly/H/short", _competition("m4_hourly"), 48, 24, 1.1932, 0.0376, one_window=True
    ),
    Configuration("ett1/H/short", _ett, 48, 24, 0.9773, 0.2404, wide=True, rebuilt=False),
    Configuration("ett1/H/medium", _ett, 480, 24, 1.5678, 0.4349, wide=True, rebuilt=False),
    Configuration("ett1/H/long", _ett, 720, 24, 1.4787, 0.4711, wide=True, rebuilt=False),
)

PUBLISHED = {
    "Toto 2.0 (2.5 B, fine-tuned)": (0.617, 0.520),
    "Chronos-2": (0.644, 0.543),
    "TiRex": (0.662, 0.556),
    "TTM-R3 (1.4 M)": (0.696, 0.617),
    "Chronos-Bolt-base": (0.740, 0.659),
    "xLSTM-Mixer (trained per set)": (0.747, 0.558),
    "Toto 4 M": (0.755, 0.630),
    "PatchTST": (0.806, 0.690),
    "TFT": (0.885, 0.714),
    "AutoARIMA": (0.901, 0.831),
    "DeepAR": (1.137, 0.971),
    "AutoTheta": (1.200, 1.519),
}
"""Published MASE and WQL on these eight, relative to seasonal naive, as geometric means."""
