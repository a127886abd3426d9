"""The scores of a backtest on the console."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Run = Callable[..., Any]
SETS = ("training.max_steps=2", "model.hidden_size=4", "ensemble.network_weight=1")


def test_scores_by_group_stand_below_those_of_all_windows(given: Run, rnnforecast: Run) -> None:
    given()
    options = ["--windows", "1", "--group", "unique_id", "-o", "out", "--no-report"]
    sets = [word for each in SETS for word in ("--set", each)]
    done = rnnforecast("backtest", "spec.yaml", *options, *sets)
    assert done.exit_code == 0, done.stderr
    stored = json.loads(Path("out/backtest.json").read_text(encoding="utf-8"))
    scores = pd.read_csv("out/scores.csv").query("by == 'group' and model == 'rnnforecast'")
    assert set(stored["groups"]) == set(scores["value"]) == {"a", "b"}
    for name, found in stored["groups"].items():
        row = scores[scores["value"] == name]
        assert found["rnnforecast"]["mase"] == pytest.approx(row["mase"].item(), rel=1e-6)
    lines = done.stdout.splitlines()
    below = next(at for at, line in enumerate(lines) if line.startswith("by group: MASE"))
    shown = [line.split()[0] for line in lines[below + 1 : below + 3]]
    mase = {name: found["rnnforecast"]["mase"] for name, found in stored["groups"].items()}
    assert shown == sorted(mase, key=lambda name: -mase[name])
