"""`rnnforecast train`: its streams, warnings and refusals."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]

SMALL = ["--set", "training.max_steps=4", "--set", "model.hidden_size=8"]


def test_a_horizon_too_long_for_validation_is_warned_of(given: Run, train: Run) -> None:
    given(horizon=29)
    result = train()
    assert result.exit_code == 0
    assert "long enough for validation" in " ".join(result.stderr.split())


def test_data_go_to_stdout_and_messages_to_stderr(given: Run, train: Run, rnnforecast: Run) -> None:
    given()
    result = rnnforecast("train", "spec.yaml", "-o", "run", "--json", *SMALL)
    scores = json.loads(result.stdout)
    assert set(scores["model_metrics"]) == set(scores["baseline_metrics"])
    assert "run written to run" in result.stderr
    result = rnnforecast("predict", "run", "-o", "-")
    assert len(pd.read_csv(io.StringIO(result.stdout))) == 14
    assert "2 series × 7 steps" in result.stderr
    quiet = rnnforecast("predict", "run", "-q", "-o", "f.csv")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")


def test_a_log_has_no_colors_and_no_progress_bar(given: Run, train: Run) -> None:
    given()
    result = train()
    assert "\x1b" not in result.stdout + result.stderr
    assert "\r" not in result.stderr
    assert "fit: step 4 of 4, loss" in result.stderr


def test_a_run_keeps_the_texts_of_missing_values(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    frame = table().astype({"y": str})
    frame.loc[[3, 70, 119], "y"] = "closed"
    given(frame)
    refused = train()
    assert refused.exit_code == 4
    assert "line 5, column 'y': 'closed' is not a number" in refused.stderr
    assert train("data.missing_values=[closed]").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    drafted = rnnforecast("init", "data.csv", "--force", "--set", "data.missing_values=closed")
    assert drafted.exit_code == 0
    assert yaml.safe_load(Path("spec.yaml").read_text())["data"]["missing_values"] == ["closed"]


@pytest.mark.pictures
def test_without_a_season_the_baseline_is_called_naive(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given()
    trained = train("window.season=1")
    assert "seasonal" not in trained.stdout
    scores = json.loads(Path("run/metrics.json").read_text())
    assert {"naive", "drift"} <= set(scores["baseline_mase"])
    assert not any("seasonal" in name for name in scores["baseline_mase"])
    assert rnnforecast("predict", "run", "-o", "out").exit_code == 0
    for folder in ("run", "out"):
        (plot,) = set(Path(folder, "plots").glob("*.svg")) - {Path("run/plots/loss.svg")}
        assert "naive" in plot.read_text()
        assert "seasonal" not in plot.read_text()


def test_a_warning_says_by_how_much_a_simple_forecast_is_better(given: Run, train: Run) -> None:
    steps = np.arange(140)
    noise = np.random.default_rng(0).normal(size=140)
    y = 50 + steps % 7 + 3 * np.where(steps < 70, noise, 0.0)  # the last seasons are exact
    timestamps = pd.date_range("2024-01-01", periods=140, freq="D")
    given(pd.DataFrame({"ds": timestamps, "y": y}))
    result = train("window.season=7", "training.max_steps=30")
    warning = re.search(r" is (\d+)% better: MASE ([\d.]+) against ([\d.]+) on", result.stderr)
    assert warning is not None
    share, simple, ours = map(float, warning.groups())
    assert share == pytest.approx(100 * (1 - simple / ours), abs=0.6)
    assert " better: MASE" in Path("run/log.jsonl").read_text()


@pytest.mark.parametrize(("backbone", "decoder"), [("rnn", "direct"), ("lstm", "parallel")])
def test_backbone_and_decoder_can_be_chosen_with_any_patch_length(
    given: Run, train: Run, backbone: str, decoder: str
) -> None:
    given()
    assert train(f"model.backbone={backbone}", f"model.decoder={decoder}").exit_code == 0
    assert train("window.patch_length=1", f"model.decoder={decoder}").exit_code == 0


def test_quiet_prints_errors_only(given: Run, rnnforecast: Run, table: Table) -> None:
    frame = table()
    frame.loc[::5, "y"] = float("nan")
    given(frame)
    result = rnnforecast("train", "spec.yaml", "-o", "run", "-q", *SMALL)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert "values blank" in Path("run/log.jsonl").read_text()


@pytest.mark.pictures
def test_plots_are_counted_one_by_one(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    wide = table(("a", "b", "c", "d")).pivot(index="ds", columns="unique_id", values="y")
    given(wide.reset_index())
    assert train("forecast.plots=3").exit_code == 0
    assert len(list(Path("run/plots").glob("*.png"))) == 4  # three forecasts and the loss
    result = rnnforecast("predict", "run", "-o", "f", "--json")
    assert json.loads(result.stdout)["plots"] == 3
    assert len(list(Path("f/plots").glob("*.svg"))) == 3


def test_a_wide_table_has_scores_by_target_in_the_units_of_each(
    given: Run, train: Run, rnnforecast: Run, table: Table
) -> None:
    wide = table(tuple("abc")).pivot(index="ds", columns="unique_id", values="y")
    wide["c"] *= 1e6
    given(wide.reset_index())
    result = train()
    header, *rows = result.stdout.splitlines()
    assert header.split()[:5] == ["held-out", "horizon", "MAE", "RMSE", "sMAPE"]
    assert [row.split()[0] for row in rows] == ["a", "b", "c", "mean"]
    stored = json.loads(Path("run/metrics.json").read_text())
    assert list(stored["targets"]) == ["a", "b", "c"]
    assert "mae" not in stored["model_metrics"]
    assert stored["targets"]["c"]["model_metrics"]["mae"] > 1e4
    by_series = pd.read_csv("run/metrics_by_series.csv")
    for target, mae in zip(by_series["target"], by_series["mae"], strict=True):
        expected = stored["targets"][target]["model_metrics"]["mae"]
        assert mae == pytest.approx(expected, rel=1e-5)
    assert "3 targets, 60 steps" in result.stderr
    assert "3 targets × 7 steps" in rnnforecast("predict", "run", "-o", "f.csv").stderr
    assert "3 targets, 60 rows" in rnnforecast("check", "spec.yaml", "--no-report").stdout


def test_the_table_names_a_dozen_targets_and_counts_the_others(
    given: Run, train: Run, table: Table
) -> None:
    names = [f"kpi{at:02}" for at in range(14)]
    wide = table(names).pivot(index="ds", columns="unique_id", values="y")
    given(wide.reset_index())
    rows = train("training.max_steps=1", "forecast.plots=0").stdout.splitlines()[1:]
    assert [row.split()[0] for row in rows] == [*names[:12], "…", "mean"]
    assert "2 more" in rows[-2]
    assert "mean of 14 targets" in rows[-1]
