"""Columns that are known ahead: `init` finds them, `check` says where they do not reach."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

Run = Callable[..., Any]

N, AHEAD = 120, 10
DAYS = pd.date_range("2024-01-01", periods=N)
SMALL = ["--set", "training.max_steps=4", "--set", "model.hidden_size=8"]


def write(ahead: int = AHEAD, *, shops: str = "", **columns: object) -> pd.DataFrame:
    """Writes data.csv: the load ends `ahead` days before the temperature."""
    day = np.arange(N)
    load = (50 + 9 * np.sin(day / 7 * 2 * np.pi)).round(2)
    frame = pd.DataFrame({"date": DAYS, "load": load, "temp": day % 11})
    frame.loc[N - ahead :, "load"] = np.nan
    frame = frame.assign(**columns)
    if shops:
        frame = pd.concat([frame.assign(shop=shop) for shop in shops])
    frame.to_csv("data.csv", index=False)
    return frame


def drafted() -> Any:
    return yaml.safe_load(Path("spec.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("shops", ["", "ab"])
def test_a_column_that_goes_on_is_a_covariate_and_the_forecast_begins_where_the_target_ends(
    shops: str, rnnforecast: Run
) -> None:
    write(shops=shops)
    init = rnnforecast("init", "data.csv")
    assert init.exit_code == 0, init.stderr
    assert "dropped" not in init.stderr
    spec = drafted()
    assert spec["data"]["targets"] == ["load"]
    assert spec["features"]["future"] == ["temp"]
    assert spec["window"]["horizon"] == AHEAD
    check = rnnforecast("check", "spec.yaml", "--strict")
    assert check.exit_code == 0, check.stderr
    assert rnnforecast("train", "spec.yaml", "-o", "run", *SMALL).exit_code == 0
    assert rnnforecast("predict", "run", "-o", "forecast.csv").exit_code == 0
    found = pd.read_csv("forecast.csv")
    assert found["date"].unique().tolist() == DAYS[N - AHEAD :].strftime("%Y-%m-%d").tolist()


def test_a_delay_of_two_days_makes_no_covariate(rnnforecast: Run) -> None:
    write(2, temp=np.arange(N) % 9, load2=1.5 * (np.arange(N) % 5))
    assert rnnforecast("init", "data.csv").exit_code == 0
    assert "future" not in drafted().get("features", {})


def test_check_names_the_column_that_the_horizon_outruns_and_each_cure_works(
    rnnforecast: Run,
) -> None:
    write(shops="ab")
    assert rnnforecast("init", "data.csv").exit_code == 0
    longer = ["--no-report", "--set", "window.horizon=14"]
    check = rnnforecast("check", "spec.yaml", *longer)
    assert check.exit_code == 4
    assert "series 'a': temp not known at 4 of the steps to forecast" in check.stderr
    assert "known for the first 10 steps, needed for 14" in check.stderr
    assert "set window.horizon to 10 or less" in check.stderr
    told = json.loads(rnnforecast("check", "spec.yaml", "--json", *longer).stdout)
    assert [problem["where"] for problem in told["problems"]] == ["series 'a'", "series 'b'"]
    for cure in (
        ["window.horizon=10"],
        ["features.missing_future=last"],
        ["features.missing_future=seasonal"],
        ["features.past=[temp]", "features.future=[]"],
    ):
        assert cure[0].split("=")[0] in check.stderr
        sets = [part for key in cure for part in ("--set", key)]
        assert rnnforecast("check", "spec.yaml", *longer, *sets).exit_code == 0


def test_train_warns_where_predict_needs_more_and_predict_takes_it(rnnforecast: Run) -> None:
    frame = write(AHEAD)
    assert rnnforecast("init", "data.csv").exit_code == 0
    longer = ["--set", "window.horizon=14"]
    trained = rnnforecast("train", "spec.yaml", "-o", "run", *longer, *SMALL)
    assert trained.exit_code == 0, trained.stderr
    assert "predict needs more than these data" in trained.stderr
    assert rnnforecast("predict", "run", "-o", "forecast.csv").exit_code == 4
    more = pd.DataFrame({"date": pd.date_range("2024-04-30", periods=4), "temp": 5})
    pd.concat([frame, more]).to_csv("more.csv", index=False)
    told = rnnforecast("predict", "run", "--data", "more.csv", "-o", "forecast.csv")
    assert told.exit_code == 0, told.stderr


def test_series_without_the_whole_horizon_are_counted_and_the_draft_still_works(
    rnnforecast: Run,
) -> None:
    frame = write(shops="abc")
    frame[(frame["shop"] != "b") | (frame["date"] < DAYS[N - 8])].to_csv("data.csv", index=False)
    init = rnnforecast("init", "data.csv")
    assert "1 of 3 series lack temp in a part of the horizon" in init.stderr
    assert drafted()["features"]["missing_future"] == "last"
    assert rnnforecast("check", "spec.yaml", "--no-report").exit_code == 0


def test_a_column_with_a_bad_cell_is_named_and_does_not_hide_the_others(rnnforecast: Run) -> None:
    write(plan=np.arange(N) % 7, temp=["5"] * (N - 1) + ["oops"])
    init = rnnforecast("init", "data.csv")
    assert init.exit_code == 0, init.stderr
    assert drafted()["features"]["future"] == ["plan"]
    assert "'oops'" in init.stderr


def test_values_that_the_spec_requests_are_no_warning(rnnforecast: Run) -> None:
    frame = pd.DataFrame({"date": DAYS, "sold": np.arange(N) % 5 + 1})
    frame[np.arange(N) % 3 > 0].to_csv("data.csv", index=False)
    assert rnnforecast("init", "data.csv", "--set", "clean.missing=zero").exit_code == 0
    for command in (["train", "spec.yaml", "-o", "run", *SMALL], ["predict", "run", "-o", "f.csv"]):
        result = rnnforecast(*command)
        assert result.exit_code == 0, result.stderr
        lines = [line for line in result.stderr.splitlines() if "by clean.missing" in line]
        assert lines
        assert not any(line.startswith("warning") for line in lines)


def test_the_first_gap_of_a_plan_ends_the_horizon(rnnforecast: Run) -> None:
    frame = write(temp=np.arange(N) % 9)
    init = rnnforecast("init", "data.csv")
    assert "temp is known 10 steps ahead\n" in init.stderr
    frame.drop(index=N - 5).to_csv("data.csv", index=False)
    init = rnnforecast("init", "data.csv", "--force")
    assert "temp is known 5 steps ahead, up to the first gap" in init.stderr
    assert drafted()["window"]["horizon"] == 5
    assert rnnforecast("check", "spec.yaml", "--no-report").exit_code == 0
