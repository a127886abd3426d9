"""Training: the same bytes, interruption and resumption, no look ahead, and its metrics."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from rnnforecast.errors import Stopped, TrainingDiverged, UsageError
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.workflow import train_checkpoints, train_evaluation
from tests.workflow.runs import SETS, StopAt, all_files, contents, metrics, shared, trained

pytestmark = pytest.mark.usefixtures("without_pictures")

Given = Callable[..., None]
Table = Callable[..., pd.DataFrame]
Run = Callable[..., Any]

EVALUATED = "training.final_fit=false"
"""The weights are those that the metrics are of."""


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(given: Given) -> None:
    given()
    trained("one")
    trained("two")
    assert contents("one") == contents("two")
    trained("three", "training.seed=2")
    assert contents("one")["model.safetensors"] != contents("three")["model.safetensors"]


@pytest.mark.parametrize(("phase", "step"), [("fit", 7), ("fit", 13), ("final fit", 2)])
def test_a_resumed_training_ends_like_an_uninterrupted_one(
    given: Given, phase: str, step: int
) -> None:
    given()
    shared("whole")
    assert trained("again", stop=StopAt(phase, step)).interrupted
    assert contents("again")["model.safetensors"] != contents("whole")["model.safetensors"]
    assert not trained("again", resume=True).interrupted
    assert contents("again") == contents("whole")
    assert not Path("again.checkpoint").exists()


class Crash(StopAt):
    """Ends the process's work in the middle, as a power cut does."""

    def progress(self, progress: Any) -> None:
        super().progress(progress)
        if self.reached:
            raise MemoryError


@pytest.mark.parametrize(
    ("phase", "step", "seconds"),
    [("fit 1", 13, 0.0), ("fit 2", 13, np.inf), ("final fit 2", 2, 0.0)],
)
def test_a_crash_costs_what_came_after_the_last_checkpoint_only(
    given: Given, monkeypatch: pytest.MonkeyPatch, phase: str, step: int, seconds: float
) -> None:
    monkeypatch.setattr(train_checkpoints, "MIN_CHECKPOINT_SECONDS", seconds)
    given()
    shared("whole", "ensemble.members=2")
    with pytest.raises(MemoryError):
        trained("again", "ensemble.members=2", stop=Crash(f"{phase} of 2", step))
    assert not Path("again").exists()
    assert not trained("again", "ensemble.members=2", resume=True).interrupted
    assert contents("again") == contents("whole")


def test_an_early_end_is_reported_with_what_is_kept(
    given: Given, train: Callable[..., Any]
) -> None:
    given()
    nothing_learnt = ("training.optimizer=sgd", "training.learning_rate=1e-12")
    result = train(*nothing_learnt, "training.patience=1", "training.max_steps=40")
    reported = " ".join(result.stderr.split())
    assert "stopped at step 4: training.patience is 1" in reported
    assert "validations were no better than that of step 2, which is kept" in reported
    assert len(Path("run/history.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(("phase", "step"), [("fit", 10), ("final fit", 2)])
def test_a_stopped_training_leaves_an_earlier_run_and_goes_on_later(
    given: Given, phase: str, step: int
) -> None:
    given()
    shared("whole")
    trained("run", "training.seed=2")
    before = all_files("run")
    with pytest.raises(Stopped, match=r"run\.checkpoint; resume with --resume"):
        trained("run", stop=StopAt(phase, step), keep_interrupted=False)
    assert all_files("run") == before
    assert not trained("run", resume=True, keep_interrupted=False).interrupted
    assert contents("run") == contents("whole")


def test_a_stopped_training_leaves_a_run_that_forecasts(
    given: Given, rnnforecast: Callable[..., Any]
) -> None:
    given()
    trained("run", stop=StopAt("fit", 10))
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    assert pd.read_csv("f.csv").notna().all(axis=None)


def test_a_finished_training_has_nothing_to_resume(given: Given) -> None:
    given()
    first = trained("run")
    before = all_files("run")
    assert trained("run", resume=True) == first
    assert all_files("run") == before


def test_a_training_of_another_spec_is_not_resumed(given: Given) -> None:
    given()
    trained("run", stop=StopAt("fit", 10))
    with pytest.raises(UsageError, match="another spec or other data"):
        trained("run", "model.layers=2", resume=True)


STEPS = "training.max_steps=600"


def _started(*options: str, patience_s: float = 60.0) -> subprocess.Popen[str]:
    """A training in a process of its own that has come to its first checkpoint."""
    sets = [part for override in (*SETS, STEPS) for part in ("--set", override)]
    job = subprocess.Popen(
        [sys.executable, "-m", "rnnforecast", "train", "spec.yaml", "-o", "run", *sets, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # a test run in the background ignores SIGINT, and so would its processes
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    until = time.monotonic() + patience_s
    while not Path("run.checkpoint").exists() and time.monotonic() < until:
        time.sleep(0.02)
    return job


@pytest.mark.parametrize(
    ("number", "options", "code"),
    [(signal.SIGTERM, (), 143), (signal.SIGINT, ("--keep-interrupted",), 130)],
)
def test_a_signal_leaves_the_run_as_it_is_unless_the_best_weights_are_asked_for(
    given: Given, number: signal.Signals, options: tuple[str, ...], code: int
) -> None:
    given(more="training: {early_stopping: false}\n")
    trained("run", EVALUATED)
    before = all_files("run")
    job = _started(*options)
    job.send_signal(number)
    out, err = job.communicate(timeout=60)
    assert job.returncode == code, err
    assert number.name in err
    assert "--resume" in err
    assert ("held-out horizon" in out) == bool(options)
    assert (all_files("run") == before) == (not options)
    assert Path("run.checkpoint").exists()
    assert {path.name for path in Path().iterdir() if path.name.startswith(".")} == set()


def test_a_killed_training_leaves_no_half_run_and_goes_on_later(given: Given) -> None:
    given(more="training: {early_stopping: false}\n")
    job = _started()
    job.kill()
    job.communicate(timeout=60)
    assert not Path("run").exists()
    assert Path("run.checkpoint").is_file()
    assert not trained("run", STEPS, resume=True).interrupted
    assert contents("run")


def scored_by_hand(horizon: int = 7) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows before the held-out horizon, and its rows with the forecast `f.csv` beside."""
    rows = pd.read_csv("data.csv")
    is_last = rows.groupby("unique_id").cumcount(ascending=False) < horizon
    rows["naive"] = rows.groupby("unique_id")["y"].shift(7)
    history, held_out = rows[~is_last], rows[is_last]
    return history, held_out.merge(pd.read_csv("f.csv"), on=["unique_id", "ds"])


def test_the_metrics_are_those_of_a_forecast_from_before_the_held_out_horizon(
    given: Given, rnnforecast: Run
) -> None:
    given()
    result = shared("run", EVALUATED)
    rows = pd.read_csv("data.csv")
    rows[rows.groupby("unique_id").cumcount(ascending=False) >= 7].to_csv("cut.csv", index=False)
    assert rnnforecast("predict", "run", "--data", "cut.csv", "-o", "f.csv").exit_code == 0
    history, both = scored_by_hand()
    assert len(both) == 14
    changes = (history["y"] - history["naive"]).abs().groupby(history["unique_id"]).mean()
    found, error = result.model_metrics, (both["y"] - both["yhat"]).abs()
    mase = (error.groupby(both["unique_id"]).mean() / changes).mean()
    smape = 200 * error / (both["y"].abs() + both["yhat"].abs())
    assert found["mae"] == pytest.approx(error.mean(), rel=1e-5)
    assert found["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert found["mase"] == pytest.approx(mase, rel=1e-5)
    assert found["smape"] == pytest.approx(smape.mean(), rel=1e-5)
    naive_error = (both["y"] - both["naive"]).abs().groupby(both["unique_id"]).mean()
    naive_mase = (naive_error / changes).mean()
    assert result.baseline_mase["seasonal naive"] == pytest.approx(naive_mase, rel=1e-5)
    inside = both["y"].between(both["q0.1"], both["q0.9"])
    assert result.model_metrics["coverage_80"] == pytest.approx(inside.mean())
    levels = np.array([0.025, 0.1, 0.5, 0.9, 0.975])
    error = both["y"].to_numpy()[:, None] - both[[f"q{level:g}" for level in levels]].to_numpy()
    pinball = np.maximum(levels * error, (levels - 1) * error)
    wql = 2 * pinball.sum(0) / both["y"].abs().sum()
    assert result.model_metrics["wql"] == pytest.approx(wql.mean(), rel=1e-4)
    assert metrics("run") == result.model_metrics
    assert (result.series, result.series_tested) == (2, 2)


def test_a_learned_network_beats_the_naive_forecast_of_noise_around_a_week(given: Given) -> None:
    given()
    result = shared("run", EVALUATED, "ensemble.network_weight=1")
    # noise of a uniform distribution: a mean error of 1/4 for its mean, of 1/3 for another draw
    mean_change = result.model_metrics["mae"] / result.model_metrics["mase"]
    naive = result.baseline_mase["seasonal naive"] * mean_change
    assert naive == pytest.approx(1 / 3, rel=0.3)
    assert result.model_metrics["mae"] < naive


@pytest.mark.parametrize("missing", ["mask", "mean", "linear"])
def test_held_out_values_change_the_metrics_and_nothing_that_is_learned_before(
    given: Given, table: Table, missing: str
) -> None:
    frame = table()
    frame.loc[::4, "y"] = np.nan
    more = f"clean: {{missing: {missing}}}\n"
    given(frame, more=more)
    trained("one", EVALUATED)
    last = frame.groupby("unique_id").cumcount(ascending=False) < 7
    frame.loc[last, "y"] = frame.loc[last, "y"] * 3 + 1
    given(frame, more=more)
    trained("two", EVALUATED)
    for name in ("model.safetensors", "history.csv"):
        assert contents("one")[name] == contents("two")[name]
    assert metrics("two")["mae"] > 2 * metrics("one")["mae"]


def test_the_final_fit_learns_the_held_out_values_and_leaves_the_metrics(given: Given) -> None:
    given()
    shared("with")
    shared("without", EVALUATED)
    with_, without = contents("with"), contents("without")
    assert with_["metrics.json"] == without["metrics.json"]
    assert with_["model.safetensors"] != without["model.safetensors"]


def test_series_too_short_to_be_scored_are_learned_from_all_the_same(
    given: Given, table: Table
) -> None:
    frame = pd.concat([table(("a",)), table(("short",), steps=10)])
    given(frame)
    result = trained("run")
    assert (result.series, result.series_tested) == (2, 1)


def test_a_wide_table_forecasts_each_column_as_if_it_were_a_series(
    given: Given, table: Table, rnnforecast: Callable[..., Any]
) -> None:
    frame = table()
    wide = frame.pivot(index="ds", columns="unique_id", values="y").reset_index()
    for name, data in (("long", frame), ("wide", wide)):
        given(data)
        trained(name, "forecast.calibrate=false")  # intervals of a target have factors of their own
        assert rnnforecast("predict", name, "-o", f"{name}.csv").exit_code == 0
    long = pd.read_csv("long.csv").rename(columns={"unique_id": "target"})
    pd.testing.assert_frame_equal(long, pd.read_csv("wide.csv"))


def test_every_auto_is_settled_in_the_stored_spec(given: Given) -> None:
    given()
    shared("run")
    stored = yaml.safe_load(Path("run/resolved.yaml").read_text())
    found_anew = {  # by each file, each machine, each run
        "separator", "decimal", "thousands", "encoding", "outlier_threshold", "non_negative",
        "whole_numbers", "device", "precision", "layout", "header_line", "start", "end",
    }  # fmt: skip
    other_commands = ("backtest", "search")
    left = {
        key
        for section, keys in stored.items()
        for key, value in keys.items()
        if value == "auto" and section not in other_commands
    }
    assert left <= found_anew


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_forecast_that_is_not_finite_replaces_no_run(
    given: Given, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    given()
    shared("run")
    before = all_files("run")
    real = train_evaluation.forecast

    def spoiled(*arguments: Any, **options: Any) -> WindowForecast:
        found = real(*arguments, **options)
        found.yhat[1, 2, 0] = wrong
        return found

    monkeypatch.setattr(train_evaluation, "forecast", spoiled)
    with pytest.raises(TrainingDiverged, match="1 series are not finite numbers, such as 'b'"):
        trained("run")
    assert all_files("run") == before
    assert not list(Path.cwd().glob(".run.partial*"))


@pytest.mark.parametrize("value", [99999999.0, -1e30, 1e60])
def test_one_absurd_cell_spoils_no_other_series(
    given: Given, table: Table, rnnforecast: Run, value: float
) -> None:
    """The other series differ by no more than another seed would make them differ."""
    frame = table(("a", "b", "c", "d"))
    given(frame)
    shared("clean")
    frame.loc[(frame["unique_id"] == "b") & (frame["ds"] == "2024-02-10"), "y"] = value
    given(frame)
    stop = StopAt()
    spoiled = trained("spoiled", stop=stop)
    assert any("'b' has" in line and "line 102" in line for line in stop.warnings)
    clean = metrics("clean")
    for name in ("mae", "rmse", "smape", "mase", "wql"):
        assert spoiled.model_metrics[name] == pytest.approx(clean[name], rel=0.3)
    assert rnnforecast("predict", "spoiled", "-o", "f.csv").exit_code == 0
    assert pd.read_csv("f.csv")["yhat"].between(5, 60).all()
