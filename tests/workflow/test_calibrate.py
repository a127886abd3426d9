"""`calibrate`: intervals corrected by what came after the training, and nothing else changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.pipeline.run_folder import load_run
from tests.workflow.runs import all_files, shared

Given = Callable[..., None]
Command = Callable[..., Any]


@pytest.fixture
def trained_run(given: Given) -> pd.DataFrame:
    """A run in the folder ``run``; returns the data that it was trained on."""
    given()
    shared("run")
    return pd.read_csv("data.csv", parse_dates=["ds"])


def continued(data: pd.DataFrame, steps: int, noise: float) -> None:
    """Writes ``later.csv``: the data and more steps, each series repeated with noise."""
    rng = np.random.default_rng(0)
    parts = [data]
    for name, rows in data.groupby("unique_id"):
        last = rows.iloc[-7:]
        values = np.resize(last["y"].to_numpy(), steps) + noise * rng.normal(size=steps)
        dates = pd.date_range(rows["ds"].max(), periods=steps + 1, freq="D")[1:]
        parts.append(pd.DataFrame({"unique_id": name, "ds": dates, "y": values}))
    pd.concat(parts).to_csv("later.csv", index=False)


def test_larger_errors_after_the_training_widen_the_intervals(
    trained_run: pd.DataFrame, rnnforecast: Command
) -> None:
    continued(trained_run, 80, noise=8.0)
    before = all_files("run")
    done = rnnforecast("calibrate", "run", "--data", "later.csv", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["changed"]
    assert found["loss_new"] < found["loss_trained"]
    assert "new intervals" in done.stderr
    after = all_files("run")
    assert {name for name in before if before[name] != after[name]} == {"state.json", "SHA256SUMS"}
    run = load_run(Path("run"))
    old, new = run.calibration.intervals, run.postprocessing.calibration
    assert np.mean(new.factors) > np.mean(old.factors)
    state, stored = (json.loads(files["state.json"]) for files in (before, after))
    assert stored.pop("refreshed_calibration")["until"] > state["trained_until"]
    state.pop("refreshed_calibration")
    assert stored == state
    again = rnnforecast("calibrate", "run", "--data", "later.csv")
    assert "intervals unchanged" in again.stderr
    assert all_files("run") == after


@pytest.mark.parametrize("steps", [0, 4])
def test_too_few_values_change_nothing(
    steps: int, trained_run: pd.DataFrame, rnnforecast: Command
) -> None:
    continued(trained_run, steps, noise=8.0)
    before = all_files("run")
    done = rnnforecast("calibrate", "run", "--data", "later.csv")
    assert done.exit_code == 0, done.stderr
    assert "too few values after training" in done.stderr
    assert all_files("run") == before


def test_a_calibration_that_would_have_been_worse_is_not_stored(
    trained_run: pd.DataFrame, rnnforecast: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rnnforecast.workflow import calibrate

    continued(trained_run, 80, noise=8.0)
    monkeypatch.setattr(calibrate, "_adaptive_loss", lambda *_: np.inf)
    monkeypatch.setattr(calibrate, "_split", lambda run, *_: run.calibration.intervals)
    before = all_files("run")
    done = rnnforecast("calibrate", "run", "--data", "later.csv")
    assert "would not have been worse" in done.stderr
    assert all_files("run") == before


def test_the_calibration_of_the_training_comes_back_when_it_is_better_again(
    trained_run: pd.DataFrame, rnnforecast: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rnnforecast.workflow import calibrate

    continued(trained_run, 80, noise=8.0)
    before = all_files("run")
    assert rnnforecast("calibrate", "run", "--data", "later.csv").exit_code == 0
    assert all_files("run") != before
    monkeypatch.setattr(calibrate, "_adaptive_loss", lambda *_: np.inf)
    monkeypatch.setattr(calibrate, "_split", lambda run, *_: run.calibration.intervals)
    assert rnnforecast("calibrate", "run", "--data", "later.csv").exit_code == 0
    assert all_files("run") == before
