"""Exponential smoothing in a whole training: factors by the calendar, and series never seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.pipeline.run_folder import load_run
from tests.workflow.runs import StopAt, contents, same, shared, trained, weights

pytestmark = pytest.mark.usefixtures("without_pictures")

Given = Callable[..., None]
Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]

NETWORKS = "ensemble.network_weight=1"
SMOOTH = "model: {normalize: exponential_smoothing}\n"
WEEK = np.array([4.0, 8.0, 9.0, 10.0, 12.0, 16.0, 11.0])
"""Of a Monday and the days after it."""


def weekly(names: str = "ab", *, start: str = "2024-01-01", steps: int = 84) -> pd.DataFrame:
    """Series at different levels that follow the week; the first letter has the lowest."""
    days = pd.date_range(start, periods=steps)
    random = np.random.default_rng(0)
    frames = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": days,
                "y": 10 ** (ord(name) - ord("a"))
                * WEEK[days.day_of_week]
                * random.uniform(0.97, 1.03, steps),
            }
        )
        for name in names
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def forecast(rnnforecast: Run) -> Callable[..., pd.DataFrame]:
    """The forecast of rows by ``run``, with the weekday of each."""

    def run(rows: pd.DataFrame | None = None, *arguments: str) -> pd.DataFrame:
        if rows is not None:
            rows.to_csv("other.csv", index=False)
            arguments = (*arguments, "--data", "other.csv")
        result = rnnforecast("predict", "run", "-o", "f.csv", *arguments)
        assert result.exit_code == 0, result.stderr
        found = pd.read_csv("f.csv", parse_dates=["ds"])
        return found.assign(weekday=found["ds"].dt.day_of_week)

    return run


def follows_the_week(found: pd.DataFrame, *, level: float = 1.0) -> None:
    expected = level * WEEK[found["weekday"]]
    np.testing.assert_allclose(found["yhat"], expected, rtol=0.2)


def test_seasonal_factors_are_learned_by_weekday(given: Given) -> None:
    given(weekly(), more=SMOOTH)
    shared("run")
    net = load_run(Path("run")).config
    assert (net.normalize, net.smoothing_seasons, net.n_items) == ("exponential_smoothing", (7,), 2)
    factors = np.exp(weights("run")["scaling.factors.0"].numpy())
    # days are counted from 1970-01-01, a Thursday
    mondays_first = np.roll(factors, -4)
    expected = WEEK / np.exp(np.log(WEEK).mean())
    np.testing.assert_allclose(mondays_first / np.exp(np.log(factors).mean()), expected, rtol=0.1)


def test_known_and_unseen_series_are_forecast_at_their_own_level(
    given: Given, forecast: Run
) -> None:
    given(weekly(), more=SMOOTH)
    shared("run")
    for name in "abc":  # c was not there at training
        follows_the_week(forecast(weekly(name)), level=10.0 ** (ord(name) - ord("a")))


@pytest.mark.parametrize("start", ["2024-01-02", "2024-02-29", "2031-07-04", "1969-12-30"])
def test_the_week_is_that_of_the_calendar_wherever_data_begin(
    given: Given, forecast: Run, start: str
) -> None:
    given(weekly(), more=SMOOTH)
    shared("run")
    follows_the_week(forecast(weekly("a", start=start, steps=61)))


@pytest.mark.parametrize("start", ["2024-05-01", "2024-05-04"])
def test_three_days_of_a_new_series_are_enough_to_follow_the_week(
    given: Given, forecast: Run, start: str
) -> None:
    given(weekly(), more=SMOOTH)
    shared("run", NETWORKS, "model.base_forecast=none")
    rows = pd.concat([weekly("a"), weekly("d", start=start, steps=3)])
    found = forecast(rows)
    follows_the_week(found[found["unique_id"] == "d"], level=1000.0)


def test_values_before_the_lookback_change_nothing(given: Given, forecast: Run) -> None:
    rows = weekly()
    given(rows, more=SMOOTH)
    shared("run", NETWORKS, "window.lookback=28")
    whole = forecast(rows)
    for cut in (1, 3, 7, 50):
        later = rows[rows.groupby("unique_id").cumcount() >= cut]
        pd.testing.assert_frame_equal(forecast(later), whole, rtol=1e-6)
    one_later = rows[(rows["unique_id"] == "a") | (rows["ds"] >= "2024-01-13")]
    pd.testing.assert_frame_equal(forecast(one_later), whole, rtol=1e-6)


def test_less_history_than_the_lookback_gives_nearly_the_same_forecast(
    given: Given, forecast: Run
) -> None:
    rows = weekly()
    given(rows, more=SMOOTH)
    shared("run", "window.lookback=56", "model.base_forecast=none")
    whole = forecast(rows)
    for steps in (45, 44, 30):
        later = rows[rows.groupby("unique_id").cumcount() >= 84 - steps]
        np.testing.assert_allclose(forecast(later)["yhat"], whole["yhat"], rtol=0.15)


def test_beyond_the_trained_horizon_the_week_goes_on(given: Given, forecast: Run) -> None:
    given(weekly("a"), more=SMOOTH, horizon=5)
    shared("run")
    found = forecast(None, "--horizon", "19")
    assert len(found) == 19
    np.testing.assert_allclose(found["yhat"], WEEK[found["weekday"]], rtol=0.3)


def test_two_seasons_are_learned(given: Given, forecast: Run) -> None:
    given(
        weekly("a"), more="model: {normalize: exponential_smoothing, smoothing_seasons: [7, 14]}\n"
    )
    shared("run")
    assert load_run(Path("run")).config.smoothing_seasons == (7, 14)
    follows_the_week(forecast())


@pytest.mark.parametrize("normalize", ["exponential_smoothing", "log_mean"])
def test_values_without_a_logarithm_are_reported(given: Given, normalize: str) -> None:
    rows = weekly()
    for low, expected in ((None, []), (-3.0, [f"2 values are zero or negative, and {normalize}"])):
        heard = StopAt()
        if low is not None:
            rows.loc[[3, 90], "y"] = low
        given(rows)
        trained("run", f"model.normalize={normalize}", "training.max_steps=1", stop=heard)
        told = [line.replace("model.normalize: ", "") for line in heard.warnings]
        told = [line for line in told if "MASE" not in line]  # one step is worse than naive
        assert [line.split(" reads")[0] for line in told] == expected


def test_a_smoothed_training_that_was_stopped_ends_like_an_uninterrupted_one(given: Given) -> None:
    given(weekly(), more=SMOOTH)
    shared("whole")
    assert trained("again", stop=StopAt("fit", 7)).interrupted
    assert trained("again", resume=True, stop=StopAt("final fit", 2)).interrupted
    trained("again", resume=True)
    assert contents("again") == contents("whole")


def test_a_smoothed_network_among_others_is_the_one_it_would_be_alone(
    given: Given, forecast: Run
) -> None:
    rows = weekly()
    vary = "{model.normalize: [exponential_smoothing, log_mean], window.lookback: [14, 35]}"
    given(rows, more=f"ensemble: {{members: 4, combine: mean, vary: {vary}}}\n")
    alike = "model.base_forecast=linear"  # what is left open is settled once for all networks
    shared("both", NETWORKS, alike)
    alone = ["ensemble.members=1", "ensemble.vary={}", alike]
    parts = [(name, back) for back in (14, 35) for name in ("exponential_smoothing", "log_mean")]
    found = []
    for number, (name, back) in enumerate(parts):
        sets = (f"model.normalize={name}", f"window.lookback={back}", f"training.seed={number + 1}")
        shared("run", NETWORKS, *sets, *alone)
        assert same(weights("both", number), weights("run"))
        found.append(forecast(rows)["yhat"].to_numpy())
    Path("run").rename("last")
    Path("both").rename("run")
    np.testing.assert_allclose(forecast(rows)["yhat"], np.mean(found, axis=0), rtol=1e-5)
