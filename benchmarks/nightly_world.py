"""A quarter of nightly deliveries to a job: hourly series with a plan known ahead, that drift.

Each night a file has the last weeks of 20 series in local time, and the plan of the next two days.
The plan (such as a promotion) raises a series while it is 1; from the night of the drift on it
lowers it, which a network has to be trained again for. `EVENTS` has what else goes wrong, and
`expected` what the job must do about it: both are written down before anything runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

TIMEZONE = "Europe/Berlin"
HORIZON = 24
PLAN_DAYS = 2
"""Days after the last values of which the plan is delivered: more than a horizon."""


@dataclass(frozen=True)
class Expected:
    """What the job must do in a night."""

    exit_codes: tuple[int, ...]
    """One of these."""
    codes: tuple[str, ...] = ()
    """Findings that it must name."""
    issues: bool = True
    """Whether a forecast goes out that no earlier night has issued."""
    fallback: int = 0
    """Series with a simple forecast in place of the model's."""


NORMAL = Expected((0,))
EVENTS: dict[str, Expected] = {
    "late": Expected((0,), ("unchanged_data",), issues=False),
    "later": Expected((7,), ("data_age",), issues=False),
    "corrupt": Expected((4,), issues=False),
    "unit": Expected((7,), ("level_shift",), issues=False),
    "fewer": Expected((7,), ("vanished_series",), issues=False),
    "no plan": Expected((4,), issues=False),
    "zeros": Expected((7,), ("empty_last_period",), issues=False),
    "bad cell": Expected((0,), fallback=1),
    "killed": Expected((-9,), issues=False),
    "clock change": NORMAL,
}
"""By name: what the delivery of a night is, or what happens to the job."""


@dataclass(frozen=True)
class Quarter:
    """The nights, and what happens in them."""

    first: date = date(2026, 2, 2)
    days: int = 90
    series: int = 20
    history_days: int = 35
    drift: int = 40
    """The night from which on the delivered values have drifted; no drift from `days` on."""
    alarm_within: int = 7
    """Nights after the drift within which an alarm must be raised."""
    promoted_within: int = 21
    """Nights after the drift within which a new model must be promoted."""
    events: tuple[tuple[int, str], ...] = (
        (5, "late"), (12, "late"), (13, "later"), (18, "corrupt"), (22, "unit"), (27, "fewer"),
        (30, "no plan"), (33, "killed"), (36, "zeros"), (50, "bad cell"), (55, "clock change"),
        (62, "late"), (70, "corrupt"), (75, "killed"),
    )  # fmt: skip

    def day(self, night: int) -> date:
        """The local day on whose early morning the job runs."""
        return self.first + timedelta(days=night)

    def now(self, night: int) -> datetime:
        """When the job starts: at 3:15 local time, as cron has it."""
        return datetime.combine(self.day(night), time(3, 15), ZoneInfo(TIMEZONE))

    def cutoff(self, night: int) -> pd.Timestamp:
        """The last timestamp of the values of a night, in UTC without a time zone."""
        today = pd.Timestamp(self.day(night), tz=TIMEZONE)
        return (today - pd.Timedelta(hours=1)).tz_convert("UTC").tz_localize(None)

    def event(self, night: int) -> str:
        """The name of what happens in a night, "" for nothing."""
        return dict(self.events).get(night, "")

    def expected(self, night: int) -> Expected:
        """What the job must do in a night."""
        return EVENTS.get(self.event(night), NORMAL)

    def values(self, seed: int = 0) -> pd.DataFrame:
        """All values and plans in the end: ``unique_id``, ``ds`` in UTC, ``y`` and ``plan``."""
        random = np.random.default_rng(seed)
        begin = pd.Timestamp(self.first, tz=TIMEZONE) - pd.Timedelta(days=self.history_days)
        end = pd.Timestamp(self.day(self.days + PLAN_DAYS), tz=TIMEZONE)
        ds = pd.date_range(begin.normalize(), end, freq="h", inclusive="left")
        drifted = ds >= pd.Timestamp(self.day(self.drift - 1), tz=TIMEZONE)
        parts = []
        for number in range(self.series):
            plan = _plan(random, ds)
            hour = (ds.hour.to_numpy() - 7 - number % 3) / 24 * 2 * np.pi
            weekend = ds.day_of_week.to_numpy() >= 5
            effect = np.where(drifted, -0.5, 0.5)
            shape = 1 + 0.35 * np.sin(hour) - 0.12 * weekend + effect * plan
            noise = random.normal(0, 0.04, len(ds))
            level = random.uniform(50, 200)
            y = (level * (shape + noise)).round(2)
            name = f"shop {number + 1:02d}"
            parts.append(pd.DataFrame({"unique_id": name, "ds": ds, "y": y, "plan": plan}))
        return pd.concat(parts, ignore_index=True)

    def deliver(self, values: pd.DataFrame, night: int, path: Path) -> None:
        """Writes the delivery of a night over that of the night before."""
        event = self.event(night)
        if event in ("late", "later"):
            return
        today = pd.Timestamp(self.day(night), tz=TIMEZONE)
        begin = today - pd.Timedelta(days=self.history_days)
        end = pd.Timestamp(self.day(night + PLAN_DAYS), tz=TIMEZONE)
        table = values[(values["ds"] >= begin) & (values["ds"] < end)].copy()
        is_known = (table["ds"] < today).to_numpy()
        if event == "unit":
            table["y"] *= 1000
        elif event == "zeros":
            table.loc[table["ds"] >= today - pd.Timedelta(days=1), "y"] = 0.0
        elif event == "fewer":
            table = table[table["unique_id"].str[-2:].astype(int) <= self.series // 4]
            is_known = (table["ds"] < today).to_numpy()
        table["y"] = table["y"].where(is_known)
        if event == "no plan":
            table = table[is_known]
        text = table.assign(ds=_local_text(table["ds"])).to_csv(index=False)
        if event == "bad cell":
            text = _spoil(text)
        data = text.encode()
        if event == "corrupt":
            data = data[: len(data) // 3] + bytes(range(256)) * 20
        partial = path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(path)


def _plan(random: np.random.Generator, ds: pd.DatetimeIndex) -> np.ndarray:
    """1 in some hours of most days, else 0."""
    day = (ds.normalize() - ds[0].normalize()).days.to_numpy()
    days = int(day.max()) + 1
    start, length = random.integers(6, 16, days), random.integers(3, 8, days)
    active = random.random(days) < 0.7
    hour = ds.hour.to_numpy()
    within = (hour >= start[day]) & (hour < start[day] + length[day])
    return (active[day] & within).astype(np.int64)


def _local_text(ds: pd.Series) -> pd.Series:
    """Local times without their offset, as exports have them."""
    return ds.dt.strftime("%Y-%m-%d %H:%M")


def _spoil(text: str) -> str:
    """The table with a cell that is no number (a letter O), in a row of the first series."""
    lines = text.split("\n")
    name, ds, _, plan = lines[10].split(",")
    lines[10] = f"{name},{ds},12O.5,{plan}"
    return "\n".join(lines)


SPEC = f"""data: {{path: delivery.csv, timezone: {TIMEZONE}}}
features: {{future: [plan]}}
window: {{horizon: {HORIZON}, lookback: 48, season: 24}}
model: {{hidden_size: 8}}
training: {{max_steps: 80, batch_size: 32, learning_rate: 0.01}}
ensemble: {{network_weight: 1}}
forecast: {{plots: 0, quantiles: [0.1, 0.5, 0.9]}}
"""
