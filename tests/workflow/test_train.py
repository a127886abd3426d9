"""Training as a whole: the same bytes, stopping and going on, and no look ahead."""

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

from rnnforecast.errors import UsageError
from rnnforecast.workflow import train_checkpoints
from rnnforecast.workflow.train import TrainResult
from rnnforecast.workflow.train import train as train_run
from tests.workflow import runs
from tests.workflow.runs import StopAt

Given = Callable[..., None]
Table = Callable[..., pd.DataFrame]

SETS = [
    "training.max_steps=80",
    "training.batch_size=8",
    "model.hidden_size=8",
    "model.dropout=0.3",
    "forecast.plots=1",
]


def run(
    folder: str, *, stop: StopAt | None = None, resume: bool = False, more: str = ""
) -> TrainResult:
    stop = stop or StopAt()
    return train_run(
        Path("spec.yaml"),
        Path(folder),
        overrides=[*SETS, *([more] if more else [])],
        resume=resume,
        listener=stop,
        should_stop=stop.asked,
    )


def contents(folder: str) -> dict[str, bytes]:
    """All files of a run but those that tell the time of the day; the usual ones are there."""
    found = runs.contents(folder)
    assert {"model.safetensors", "metrics.json", "history.csv", "plots/loss.png"} <= set(found)
    return found


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(given: Given) -> None:
    given()
    run("one")
    run("two")
    assert contents("one") == contents("two")
    run("three", more="training.seed=2")
    assert contents("one")["model.safetensors"] != contents("three")["model.safetensors"]


@pytest.mark.parametrize(("phase", "step"), [("fit", 10), ("fit", 33), ("final fit", 10)])
def test_a_resumed_training_ends_like_an_uninterrupted_one(
    given: Given, phase: str, step: int
) -> None:
    given()
    run("whole")
    stopped = run("again", stop=StopAt(phase, step))
    assert stopped.interrupted
    assert contents("again")["model.safetensors"] != contents("whole")["model.safetensors"]
    resumed = run("again", resume=True)
    assert not resumed.interrupted
    assert contents("again") == contents("whole")
    assert not Path("again.checkpoint").exists()


class Crash(StopAt):
    """Ends the process's work in the middle, as a power cut does."""

    def progress(self, step: Any) -> None:
        super().progress(step)
        if self.reached:
            raise MemoryError


@pytest.mark.parametrize("seconds", [0.0, np.inf])
@pytest.mark.parametrize(("phase", "step"), [("fit 1", 33), ("fit 2", 33), ("final fit 2", 10)])
def test_a_crash_costs_what_came_after_the_last_checkpoint_and_nothing_else(
    given: Given, monkeypatch: pytest.MonkeyPatch, phase: str, step: int, seconds: float
) -> None:
    monkeypatch.setattr(train_checkpoints, "MIN_CHECKPOINT_SECONDS", seconds)
    given()
    two = "ensemble.members=2"
    run("whole", more=two)
    with pytest.raises(MemoryError):
        run("again", stop=Crash(f"{phase} of 2", step), more=two)
    assert not Path("again").exists()
    assert not run("again", resume=True, more=two).interrupted
    assert contents("again") == contents("whole")


def test_an_early_end_is_told_with_what_is_kept(given: Given, train: Callable[..., Any]) -> None:
    given()
    nothing_learnt = ("training.optimizer=sgd", "training.learning_rate=1e-12")
    result = train(*nothing_learnt, "training.patience=1", "training.max_steps=40")
    told = " ".join(result.stderr.split())
    assert "stopped at step 4: training.patience is 1" in told
    assert "validations were no better than that of step 2, which is kept" in told
    assert len(Path("run/history.csv").read_text().splitlines()) == 3


def test_a_stopped_training_leaves_a_run_that_forecasts(
    given: Given, rnnforecast: Callable[..., Any]
) -> None:
    given()
    run("run", stop=StopAt("fit", 10))
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    assert pd.read_csv("f.csv").notna().all(axis=None)


def test_a_finished_training_has_nothing_to_resume(given: Given) -> None:
    given()
    first = run("run")
    before = Path("run/SHA256SUMS").read_bytes()
    again = run("run", resume=True)
    assert again == first
    assert Path("run/SHA256SUMS").read_bytes() == before


def test_a_training_of_another_spec_is_not_resumed(given: Given) -> None:
    given()
    run("run", stop=StopAt("fit", 10))
    with pytest.raises(UsageError, match="another spec or other data"):
        run("run", resume=True, more="model.layers=2")


STEPS = "training.max_steps=1500"


def _started(*, patience_s: float = 60.0) -> subprocess.Popen[str]:
    """A training in a process of its own that has come to its first checkpoint."""
    sets = [part for override in (*SETS, STEPS) for part in ("--set", override)]
    job = subprocess.Popen(
        [sys.executable, "-m", "rnnforecast", "train", "spec.yaml", "-o", "run", *sets],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    until = time.monotonic() + patience_s
    while not Path("run.checkpoint").exists() and time.monotonic() < until:
        time.sleep(0.02)
    return job


def test_sigterm_ends_a_training_cleanly_with_a_whole_run(given: Given) -> None:
    given(more="training: {early_stopping: false}\n")
    job = _started()
    job.send_signal(signal.SIGTERM)
    out, err = job.communicate(timeout=60)
    assert job.returncode == 0, err
    assert "SIGTERM" in err
    assert "--resume goes on" in err
    assert "seasonal naive" in out
    assert contents("run")


def test_a_killed_training_leaves_no_half_run_and_goes_on_later(given: Given) -> None:
    given(more="training: {early_stopping: false}\n")
    job = _started()
    job.kill()
    job.communicate(timeout=60)
    assert not Path("run").exists()
    assert Path("run.checkpoint").is_file()
    assert not run("run", resume=True, more=STEPS).interrupted
    assert contents("run")


@pytest.mark.parametrize("missing", ["mask", "ffill", "mean", "median", "zero", "linear"])
def test_the_held_out_values_change_nothing_that_is_learnt_before_they_are_scored(
    given: Given, table: Table, missing: str
) -> None:
    frame = table()
    frame.loc[::4, "y"] = np.nan
    more = f"clean: {{missing: {missing}}}\ntraining: {{final_fit: false}}\n"
    given(frame, more=more)
    run("one")
    last = frame.groupby("unique_id").cumcount(ascending=False) < 7
    frame.loc[last, "y"] = frame.loc[last, "y"] * 3 + 1
    given(frame, more=more)
    run("two")
    for name in ("model.safetensors", "history.csv"):
        assert contents("one")[name] == contents("two")[name]
    assert contents("one")["metrics.json"] != contents("two")["metrics.json"]


def test_the_last_fit_learns_the_held_out_values_and_leaves_the_scores(given: Given) -> None:
    given()
    run("with")
    run("without", more="training.final_fit=false")
    with_, without = contents("with"), contents("without")
    assert with_["metrics.json"] == without["metrics.json"]
    assert with_["model.safetensors"] != without["model.safetensors"]


def test_series_too_short_to_be_scored_are_learnt_from_all_the_same(
    given: Given, table: Table
) -> None:
    frame = pd.concat([table(("a",)), table(("short",), steps=10)])
    given(frame)
    trained = run("run")
    assert (trained.series, trained.series_tested) == (2, 1)


def test_a_wide_table_forecasts_each_column_as_if_it_were_a_series(
    given: Given, table: Table, rnnforecast: Callable[..., Any]
) -> None:
    frame = table()
    wide = frame.pivot(index="ds", columns="unique_id", values="y").reset_index()
    for name, data in (("long", frame), ("wide", wide)):
        given(data)
        run(name)
        assert rnnforecast("predict", name, "-o", f"{name}.csv").exit_code == 0
    long = pd.read_csv("long.csv").rename(columns={"unique_id": "target"})
    pd.testing.assert_frame_equal(long, pd.read_csv("wide.csv"))


def test_every_auto_is_settled_in_the_stored_spec(given: Given) -> None:
    given()
    run("run")
    stored = yaml.safe_load(Path("run/resolved.yaml").read_text())
    found_anew = {  # by each file, each machine, each run
        "separator", "decimal", "thousands", "encoding", "outlier_threshold", "non_negative",
        "whole_numbers", "device", "precision",
    }  # fmt: skip
    left = {key for keys in stored.values() for key, value in keys.items() if value == "auto"}
    assert left <= found_anew
