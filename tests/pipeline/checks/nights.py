"""Data of many series with promotions known ahead, a run trained on them, and nights on which
something is wrong with them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.output.json_files import write_json
from rnnforecast.workflow.train import train
from tests.shared_runs import SHARED_RUNS

END = pd.Timestamp("2024-04-07")
NIGHT = "2024-04-08T02:15"
HORIZON, N_SERIES, N_DAYS = 7, 24, 98
SPEC = f"""
data: {{path: data.csv, series: unique_id, targets: y}}
window: {{horizon: {HORIZON}, season: 7, lookback: 14}}
features: {{future: promo}}
ensemble: {{network_weight: 1}}
training: {{max_steps: 2, final_fit: false}}
model: {{hidden_size: 4}}
forecast: {{plots: 0}}
"""


def rows(
    *, first: int = 0, days_later: int = 0, n_days: int = N_DAYS, plan: int | None = None
) -> pd.DataFrame:
    """Series from number `first` on, which end `days_later`, and promotions a horizon ahead, all of
    which are `plan` if it is given."""
    days = pd.date_range(end=END + pd.Timedelta(days=days_later), periods=n_days)
    ahead = pd.date_range(days[-1] + pd.Timedelta("1D"), periods=HORIZON)
    frames = []
    for number in range(first, first + N_SERIES):
        everything = days.append(ahead)
        day = (everything - pd.Timestamp("2023-01-01")).days.to_numpy()
        random = np.random.default_rng(number).permutation(1000)[day % 1000] / 1000
        level = 20 + 10 * number * 1.3 ** (day / 365)
        y = level * (1 + 0.3 * np.sin(2 * np.pi * (day + number) / 7)) * (0.8 + 0.4 * random)
        promo = ((day * 37 + number * 11) % 10 == 0).astype(int)
        if plan is not None:
            promo[len(days) :] = plan
        y[len(days) :] = np.nan
        frame = {"unique_id": f"s{number:02d}", "ds": everything, "y": y.round(1), "promo": promo}
        frames.append(pd.DataFrame(frame))
    return pd.concat(frames, ignore_index=True)


def train_run() -> Path:
    """A run of these data, trained in the night after their end; once in a test run."""
    entry = SHARED_RUNS.folder / "nights"
    if not entry.exists():
        partial = SHARED_RUNS.folder / f"partial-{uuid.uuid4().hex}"
        partial.mkdir()
        rows().to_csv(partial / "data.csv", index=False)
        (partial / "spec.yaml").write_text(SPEC, encoding="utf-8")
        train(partial / "spec.yaml", partial / "run")
        set_trained_at(partial / "run", f"{NIGHT}:00+00:00")
        with contextlib.suppress(OSError):  # another process was first
            partial.rename(entry)
    return entry / "run"


def set_trained_at(run: Path, time: str) -> None:
    """Changes the time of a training, and the checksum of its file."""
    path, sums = run / "state.json", run / "SHA256SUMS"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    state = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, state | {"trained_at": time})
    after = hashlib.sha256(path.read_bytes()).hexdigest()
    sums.write_text(sums.read_text().replace(before, after))


@dataclass(frozen=True)
class Night:
    """A night on which something is wrong."""

    make: Callable[[], pd.DataFrame]
    code: str
    """What is to be found."""
    now: str = NIGHT
    others: tuple[str, ...] = ()
    """What may be found beside."""


def _changed(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[], pd.DataFrame]:
    return lambda: change(rows())


def _scaled(table: pd.DataFrame, factor: float, *, series: str = "", since: str = "") -> pd.Series:
    """The values, multiplied by the factor in one series or since a day."""
    chosen = table["ds"] >= (since or "2000-01-01")
    if series:
        chosen &= table["unique_id"] == series
    return table["y"].where(~chosen, table["y"] * factor)


def _typed_date(table: pd.DataFrame) -> pd.DataFrame:
    wrong = (table["unique_id"] == "s05") & (table["ds"] == END)
    return table.assign(ds=table["ds"].where(~wrong, pd.Timestamp("2025-04-07")))


def _frozen(table: pd.DataFrame) -> pd.DataFrame:
    """The values of the last Sunday but one are those of all days after."""
    sunday = END - pd.Timedelta("7D")
    last = table[table["ds"] == sunday].set_index("unique_id")["y"]
    later = (table["ds"] > sunday) & (table["ds"] <= END)
    return table.assign(y=table["y"].where(~later, table["unique_id"].map(last)))


SHIFTS = ("level_shift", "total_shift", "series_shift", "spread_shift", "last_values_shift")
NIGHTS = {
    "stale": Night(lambda: rows(days_later=-9), "data_age", others=("ends_before_training",)),
    "older than the training data": Night(lambda: rows(days_later=-1), "ends_before_training"),
    "fewer series": Night(
        _changed(lambda table: table[table["unique_id"] < "s08"]), "vanished_series"
    ),
    "all new": Night(lambda: rows(first=100), "new_series", others=("vanished_series", *SHIFTS)),
    "one renamed": Night(
        _changed(lambda table: table.replace({"unique_id": {"s05": "s5"}})), "renamed_series"
    ),
    "times 1000": Night(
        _changed(lambda table: table.assign(y=_scaled(table, 1000))), "level_shift", others=SHIFTS
    ),
    "divided by 1000": Night(
        _changed(lambda table: table.assign(y=_scaled(table, 0.001))), "total_shift", others=SHIFTS
    ),
    "one times 1000": Night(
        _changed(lambda table: table.assign(y=_scaled(table, 1000, series="s05"))),
        "series_shift",
        others=("total_shift",),
    ),
    "times 1000 since yesterday": Night(
        _changed(lambda table: table.assign(y=_scaled(table, 1000, since=f"{END}"))),
        "last_values_shift",
    ),
    "frozen": Night(_changed(_frozen), "spread_shift"),
    "zeros": Night(
        _changed(lambda table: table.assign(y=_scaled(table, 0, since="2024-04-06"))),
        "empty_last_period",
    ),
    "blank last day": Night(
        _changed(lambda table: table.assign(y=table["y"].where(table["ds"] < END))),
        "empty_last_period",
        others=("ends_before_training",),
    ),
    "rows lost": Night(
        _changed(lambda table: table[(table["ds"].dt.day % 2 == 1) | (table["ds"] >= END)]),
        "missing_rows",
        others=("spread_shift",),
    ),
    "old model": Night(
        lambda: rows(days_later=366, n_days=464), "model_age", "2025-04-09T02:15", SHIFTS
    ),
    "no plan": Night(lambda: rows(plan=0), "missing_covariates"),
    "a plan of one value": Night(lambda: rows(plan=1), "constant_covariates"),
    "one typed date a year ahead": Night(_changed(_typed_date), "far_future"),
    "clock set back": Night(lambda: rows(), "future_timestamps", "2024-04-03T02:15"),
}
