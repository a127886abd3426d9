"""`features.calendar: auto`: when cycles of the calendar become inputs, and what is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.pipeline.prepare import PreparedData, prepare
from rnnforecast.types import Floats

HOURS = 60 * 24


def prepared(
    folder: Path, *series: Floats, features: str = "", frequency: str = "h"
) -> PreparedData:
    """The preparation of series that begin together, with a horizon of 24 steps."""
    frames = [
        pd.DataFrame(
            {
                "id": f"s{i}",
                "ds": pd.date_range("2024-01-01", periods=len(y), freq=frequency),
                "y": y,
            }
        )
        for i, y in enumerate(series)
    ]
    pd.concat(frames).to_csv(folder / "data.csv", index=False)
    spec = folder / "spec.yaml"
    spec.write_text(f"data: {{path: data.csv, series: [id]}}\nwindow: {{horizon: 24}}\n{features}")
    return prepare(spec)


def weeks(shift: int = 0, *, seed: int = 1, hours: int = HOURS) -> Floats:
    """Days with a course of their own on each day of the week, moved by `shift` hours."""
    step = (np.arange(hours) + shift) % 168
    day = np.sin(2 * np.pi * step / 24)
    level = np.array([0.0, 2, -1, 1, 0, -2, -3])[step // 24]
    return 20 + (3 + level) * day + level + np.random.default_rng(seed).normal(size=hours)


def reason_of(found: PreparedData) -> str:
    return next(each.reason for each in found.choices if each.key == "features.calendar")


def test_cycles_that_make_forecasts_better_are_inputs(tmp_path: Path) -> None:
    found = prepared(tmp_path, weeks())
    assert found.spec.features.calendar == ("hour_of_day", "day_of_week")
    assert found.plan.features.calendar == ("hour_of_day", "day_of_week")
    assert found.cleaned.features.future.shape == (HOURS + 24, 4)
    assert "lower the error of simple forecasts by" in reason_of(found)


def test_series_with_phases_of_their_own_have_no_calendar(tmp_path: Path) -> None:
    found = prepared(tmp_path, *(weeks(11 * s, seed=s, hours=20 * 24) for s in range(30)))
    assert found.spec.features.calendar == "none"
    assert "no better" in reason_of(found)
    assert found.cleaned.features.future.shape[1] == 0


def test_a_random_walk_has_no_calendar(tmp_path: Path) -> None:
    walk = 100 + np.random.default_rng(2).normal(size=HOURS).cumsum()
    assert prepared(tmp_path, walk).spec.features.calendar == "none"


def test_the_held_out_horizon_is_not_read(tmp_path: Path) -> None:
    y = weeks()
    reason = reason_of(prepared(tmp_path, y))
    y[-24:] = np.random.default_rng(3).uniform(10, 30, size=24)
    assert reason_of(prepared(tmp_path, y)) == reason


def test_few_values_are_not_enough(tmp_path: Path) -> None:
    found = prepared(tmp_path, weeks(hours=500))
    assert found.spec.features.calendar == "none"
    assert "too few" in reason_of(found)


def test_frequencies_without_cycles_need_no_reason(tmp_path: Path) -> None:
    found = prepared(tmp_path, weeks(hours=100), frequency="YS")
    assert found.spec.features.calendar == "none"
    assert not any(choice.key == "features.calendar" for choice in found.choices)


@pytest.mark.parametrize("given", ["none", "[day_of_week]"])
def test_a_calendar_that_is_given_is_kept(given: str, tmp_path: Path) -> None:
    found = prepared(tmp_path, weeks(), features=f"features: {{calendar: {given}}}")
    assert found.plan.features.calendar == (() if given == "none" else ("day_of_week",))
    assert not any(choice.key == "features.calendar" for choice in found.choices)
