"""`clean.deseasonalize`: when the yearly season is removed, what is said, and what is forecast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.data.cleaning.weekly_means import is_year
from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.errors import DataError
from rnnforecast.pipeline.prepare import PreparedData, prepare
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.spec.load import read_spec
from rnnforecast.workflow.predict import predict
from tests.workflow.runs import trained

DAYS = 1100


def write(folder: Path, amplitude: float = 0.4, days: int = DAYS, week: float = 0.1) -> Path:
    """A spec for one daily series with a trend, a week, a year and noise; the path of the spec."""
    date = pd.date_range("2021-03-01", periods=days)
    year = np.sin(2 * np.pi * date.day_of_year.to_numpy() / 365.25)
    noise = np.random.default_rng(1).normal(size=days)
    weekend = week * (date.day_of_week.to_numpy() >= 5)
    values = np.exp(4 + amplitude * year + weekend + 1e-4 * np.arange(days) + 0.05 * noise)
    frame = pd.DataFrame({"date": date.strftime("%Y-%m-%d"), "y": values.round(3)})
    frame.to_csv(folder / "data.csv", index=False)
    spec = folder / "spec.yaml"
    spec.write_text("data: {path: data.csv}\nwindow: {horizon: 60}\n")
    return spec


def reason_of(prepared: PreparedData, key: str = "clean.deseasonalize") -> str:
    return next(choice.reason for choice in prepared.choices if choice.key == key)


def test_a_course_of_the_year_is_found_said_and_removed(tmp_path: Path) -> None:
    prepared = prepare(write(tmp_path))
    assert prepared.spec.clean.deseasonalize == "year"
    assert "lowers the error of simple forecasts by" in reason_of(prepared)
    values = prepared.cleaned.values[:, 0]
    assert np.log(values).std() < 0.5 * np.log(prepared.cleaned.panel.targets[:, 0]).std()
    np.testing.assert_array_equal(prepared.cleaned.filled.inputs[:, 0], values)
    kept = prepare(tmp_path / "spec.yaml", ["clean.deseasonalize=none"])
    np.testing.assert_array_equal(kept.cleaned.values, kept.cleaned.panel.targets)
    assert not any(choice.key == "clean.deseasonalize" for choice in kept.choices)


def test_without_a_course_of_the_year_nothing_is_removed(tmp_path: Path) -> None:
    prepared = prepare(write(tmp_path, amplitude=0.0))
    assert prepared.spec.clean.deseasonalize == "none"
    assert "no better" in reason_of(prepared)


def test_less_than_two_years_are_too_few(tmp_path: Path) -> None:
    spec = write(tmp_path, days=780)  # 720 of them before the held-out horizon
    assert "a year cannot be seen" in reason_of(prepare(spec))
    with pytest.raises(DataError, match=r"clean.deseasonalize(.|\n)*none"):
        prepare(spec, ["clean.deseasonalize=year"])


def test_the_held_out_horizon_does_not_change_the_season(tmp_path: Path) -> None:
    first = prepare(write(tmp_path)).plan.yearly_season
    table = pd.read_csv(tmp_path / "data.csv")
    table.loc[DAYS - 60 :, "y"] *= 3
    table.to_csv(tmp_path / "data.csv", index=False)
    second = prepare(tmp_path / "spec.yaml").plan.yearly_season
    np.testing.assert_array_equal(second.coefficients, first.coefficients)


def test_losses_of_counts_keep_their_values(tmp_path: Path) -> None:
    prepared = prepare(write(tmp_path), ["training.loss=poisson"])
    assert prepared.spec.clean.deseasonalize == "none"
    assert "poisson" in reason_of(prepared)


def test_a_year_of_days_is_not_the_season_of_the_window(tmp_path: Path) -> None:
    spec = write(tmp_path, week=0.0, days=1300)
    prepared = prepare(spec)
    assert (prepared.spec.window.season, prepared.spec.clean.deseasonalize) == (7, "year")
    assert "365 steps (a year)" in reason_of(prepared, "window.season")
    assert prepare(spec, ["window.season=365"]).spec.window.season == 365


@given(st.integers(1, 20_000))
def test_a_year_has_a_length_within_a_percent(season: int) -> None:
    assert is_year(season, parse_frequency("D")) == (362 <= season <= 368)
    assert not is_year(season, parse_frequency("MS"))


def test_a_run_stores_the_season_and_puts_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = trained("run", "training.final_fit=false", "training.max_steps=5")
    assert read_spec(Path("run/resolved.yaml")).clean.deseasonalize == "year"
    run = load_run(Path("run"))
    assert run.plan.yearly_season
    assert result is not None
    predict(Path("run"), "forecast.csv", plots=False)
    forecast = pd.read_csv("forecast.csv")["yhat"].to_numpy()
    date = pd.date_range("2021-03-01", periods=DAYS + 60)[DAYS:]
    year = np.sin(2 * np.pi * date.day_of_year.to_numpy() / 365.25)
    expected = np.exp(4 + 0.4 * year + 1e-4 * np.arange(DAYS, DAYS + 60))
    assert np.abs(forecast / expected - 1).mean() < 0.12
