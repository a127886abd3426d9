"""Presets: plain keys, for what the spec leaves open, and no longer than there is time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.pipeline.prepare import prepare
from rnnforecast.pipeline.presets import BEST_MEMBERS
from rnnforecast.pipeline.progress import NullListener, RecordingListener
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.spec.load import read_spec
from rnnforecast.workflow.train import train

SMALL = ("training.max_steps=2", "model.hidden_size=4", "forecast.plots=0")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    steps = np.arange(240)
    y = 50 + 10 * np.sin(2 * np.pi * steps / 24) + np.random.default_rng(0).normal(0, 1, 240)
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=240, freq="h"), "y": y})
    frame.to_csv(tmp_path / "data.csv", index=False)
    path = tmp_path / "spec.yaml"
    path.write_text("data: {path: data.csv}\nwindow: {horizon: 6, season: 24}\n", encoding="utf-8")
    return path


def test_fast_takes_fewer_steps_than_balanced(spec: Path) -> None:
    usual, fast = (prepare(spec, [f"training.preset={name}"]).spec for name in ("balanced", "fast"))
    assert int(fast.training.max_steps) <= int(usual.training.max_steps) / 4
    assert int(fast.training.batch_size) <= int(usual.training.batch_size)
    assert fast.ensemble.members == usual.ensemble.members == 1
    assert int(fast.forecast.plots) < int(usual.forecast.plots)
    assert prepare(spec, ["training.preset=fast", "forecast.plots=7"]).spec.forecast.plots == 7


def test_best_is_an_ensemble_written_out_in_plain_keys(spec: Path) -> None:
    found = prepare(spec, ["training.preset=best"])
    usual = prepare(spec).spec
    assert found.spec.ensemble.members == BEST_MEMBERS
    vary = found.spec.ensemble.vary
    assert isinstance(vary, dict)
    lookback = int(usual.window.lookback)
    assert vary["window.lookback"][0] == lookback
    assert all(each % 24 == 0 and each <= 240 - 6 for each in vary["window.lookback"])
    assert vary["model.normalize"] == ["log_mean", "standard"]
    assert {choice.key for choice in found.choices} >= {"ensemble.members", "ensemble.vary"}


def test_what_the_spec_sets_itself_is_not_varied(spec: Path) -> None:
    sets = ["training.preset=best", "window.lookback=48", "model.normalize=last"]
    assert prepare(spec, sets).spec.ensemble.vary == {}
    asked = prepare(spec, ["training.preset=best", "ensemble.members=2"]).spec.ensemble
    assert (asked.members, asked.vary) == (2, {})


def test_no_network_begins_that_would_not_be_done_in_time(spec: Path, tmp_path: Path) -> None:
    recorder = RecordingListener(NullListener())
    sets = (*SMALL, "ensemble.members=4", "training.time_budget=0.0001")
    train(spec, tmp_path / "run", overrides=sets, listener=recorder)
    assert len(load_run(tmp_path / "run").members) == 1
    assert "time budget: 1 of 4 networks" in recorder.to_jsonl()
    stored = read_spec(tmp_path / "run" / "resolved.yaml", ())
    assert stored.ensemble.members == 4  # what was asked for


@pytest.mark.parametrize(
    ("days", "seasons", "best"),
    [(100, 7, [7, 14, 21]), (400, 14, [14, 7, 21]), (900, 21, [21, 14, 28])],
)
def test_long_series_are_read_further_back(
    spec: Path, days: int, seasons: int, best: list[int]
) -> None:
    steps = np.arange(24 * days)
    y = 50 + 10 * np.sin(2 * np.pi * steps / 24)
    stamps = pd.date_range("2020-01-01", periods=len(steps), freq="h")
    pd.DataFrame({"ds": stamps, "y": y}).to_csv(spec.parent / "data.csv", index=False)
    assert prepare(spec).spec.window.lookback == 24 * seasons
    vary = prepare(spec, ["training.preset=best"]).spec.ensemble.vary
    assert isinstance(vary, dict)
    assert vary["window.lookback"] == [24 * each for each in best]


@pytest.mark.parametrize(
    ("steps", "segment", "lookback", "best"),
    [
        (25, "auto", 12, [12, 6, 18]),  # two horizons at least
        (70, "auto", 24, [24, 12, 36]),  # a third of the series
        (60, "auto", 18, [18, 12, 24]),  # in whole segments
        (60, 12, 24, [24, 12, 36]),
        (25, 12, 12, [12]),  # there is no room for more
        (400, "auto", 48, [48, 24, 72]),  # eight horizons at most
    ],
)
def test_without_a_season_short_series_are_read_less_far_back(
    spec: Path, steps: int, segment: str | int, lookback: int, best: list[int]
) -> None:
    frame = pd.DataFrame({"ds": np.arange(steps), "y": 50.0 + np.arange(steps)})
    frame.to_csv(spec.with_name("data.csv"), index=False)
    sets = ["window.season=1", f"window.patch_length={segment}"]
    assert prepare(spec, sets).spec.window.lookback == lookback
    vary = prepare(spec, [*sets, "training.preset=best"]).spec.ensemble.vary
    assert isinstance(vary, dict)
    assert vary["window.lookback"] == best
