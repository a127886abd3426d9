"""`rnnforecast init`: the drafted spec, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from rnnforecast.data.time.frequency import parse_frequency

Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]

SMALL = ["--set", "training.max_steps=4", "--set", "model.hidden_size=8"]


@pytest.mark.parametrize("layout", ["long", "wide", "single"])
def test_a_first_csv_goes_from_init_to_a_forecast_without_an_edit(
    rnnforecast: Run, table: Table, layout: str
) -> None:
    frame = table()
    if layout == "wide":
        frame = frame.pivot(index="ds", columns="unique_id", values="y").reset_index()
    elif layout == "single":
        frame = frame[frame["unique_id"] == "a"].drop(columns="unique_id")
    frame.to_csv("data.csv", index=False)
    init = rnnforecast("init", "data.csv")
    assert init.exit_code == 0, init.stderr
    assert f"a {layout}" in init.stderr
    assert init.stdout == ""
    last = init.stderr.splitlines()[-2:]
    assert "rnnforecast predict spec.yaml" in last[0]
    assert "rnnforecast check spec.yaml" in last[1]
    assert rnnforecast("check", "spec.yaml").exit_code == 0
    trained = rnnforecast("train", "spec.yaml", *SMALL)
    assert trained.exit_code == 0, trained.stderr
    assert "season     7: found in the data" in init.stderr
    assert "held-out horizon" in trained.stdout
    assert rnnforecast("predict", "runs/spec").exit_code == 0
    found = pd.read_csv("forecasts/spec/forecast.csv")
    names = {"long": ["unique_id"], "wide": ["target"], "single": []}[layout]
    assert found.columns.tolist() == [
        *names, "ds", "cutoff", "yhat", "q0.025", "q0.1", "q0.5", "q0.9", "q0.975", "status",
    ]  # fmt: skip
    horizon = yaml.safe_load(Path("spec.yaml").read_text())["window"]["horizon"]
    assert len(found) == horizon * (1 if layout == "single" else 2)
    assert (Path("forecasts/spec/plots")).is_dir()


def test_init_does_not_write_over_a_spec(given: Run, rnnforecast: Run) -> None:
    given()
    before = Path("spec.yaml").read_text()
    result = rnnforecast("init", "data.csv")
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert Path("spec.yaml").read_text() == before
    assert rnnforecast("init", "data.csv", "--force").exit_code == 0


def test_init_takes_a_key_that_it_cannot_guess(rnnforecast: Run) -> None:
    days = [f"0{day}/0{month}/2024" for month in range(1, 7) for day in range(1, 10)]
    Path("data.csv").write_text("ds,y\n" + "".join(f"{day},5.5\n" for day in days))
    assert "data.time_format" in rnnforecast("init", "data.csv").stderr
    sets = ["--set", "data.time_format=%d/%m/%Y", "--set", "clean.frequency=D"]
    assert rnnforecast("init", "data.csv", *sets).exit_code == 0
    assert yaml.safe_load(Path("spec.yaml").read_text())["data"]["time_format"] == "%d/%m/%Y"


@pytest.mark.parametrize(("names", "told"), [("ab", "2 series"), ("a", "one series")])
def test_a_draft_of_faulty_data_counts_all_series_and_names_the_key_to_set(
    names: str, told: str, rnnforecast: Run, table: Table
) -> None:
    frame = table(tuple(names))
    pd.concat([frame, frame.tail(2)]).to_csv("data.csv", index=False)
    assert rnnforecast("init", "data.csv").exit_code == 0
    text = Path("spec.yaml").read_text()
    assert text.startswith(f"# A spec for {told};")
    assert "timestamps: 2; choose a rule)" in " ".join(text.replace("#", "").split())


def test_a_draft_in_a_missing_folder_is_refused(given: Run, rnnforecast: Run) -> None:
    given()
    result = rnnforecast("init", "data.csv", "-o", "sub/spec.yaml")
    assert result.exit_code == 2
    assert "there is no folder 'sub'" in result.stderr
    assert not Path("sub").exists()


def test_closed_days_go_from_init_to_a_forecast_without_a_row_for_them(rnnforecast: Run) -> None:
    days = pd.date_range("2024-01-01", "2024-07-27", freq="D")
    days = days[days.day_of_week != 6]
    promo = (days.day_of_week == 4).astype(int)
    known = days < "2024-06-30"  # the plan goes on for four weeks
    sales = (10 + 5 * promo + days.day_of_week).to_numpy().astype(object)
    sales[~known] = None
    frames = [
        pd.DataFrame({"shop": shop, "day": days, "sales": sales, "promo": promo}) for shop in "ab"
    ]
    pd.concat(frames).to_csv("data.csv", index=False)
    init = rnnforecast("init", "data.csv")
    assert init.exit_code == 0, init.stderr
    assert "no row on any of 25 Sundays" in init.stderr
    assert "24 open days are 28 days" in init.stderr
    spec = yaml.safe_load(Path("spec.yaml").read_text())
    assert spec["clean"]["frequency"] == "C:Mon-Sat"
    assert spec["window"]["horizon"] == 24
    assert spec["features"]["future"] == ["promo"]
    assert "clean.missing to zero" in Path("spec.yaml").read_text()
    assert rnnforecast("check", "spec.yaml", "--strict").exit_code == 0
    assert rnnforecast("train", "spec.yaml", *SMALL).exit_code == 0
    predicted = rnnforecast("predict", "runs/spec")
    assert predicted.exit_code == 0, predicted.stderr
    found = pd.read_csv("forecasts/spec/forecast.csv", parse_dates=["day"])
    assert found["day"].min() == pd.Timestamp("2024-07-01")
    assert found["day"].max() == pd.Timestamp("2024-07-27")
    assert (found["day"].dt.day_of_week != 6).all()
    sunday = pd.DataFrame({"shop": ["a"], "day": ["2024-06-30"], "sales": [5], "promo": [0]})
    sunday.to_csv("data.csv", mode="a", header=False, index=False)
    predicted = rnnforecast("predict", "runs/spec")
    assert predicted.exit_code == 0
    assert "(closed_time)" in predicted.stderr
    assert "closed in C:Mon-Sat" in predicted.stderr
    refused = rnnforecast("check", "spec.yaml")
    assert refused.exit_code == 4
    assert "clean.frequency to D" in refused.stderr
    every_day = ["--set", "clean.frequency=D"]
    refused = rnnforecast("check", "spec.yaml", *every_day)  # the plan has no Sundays
    assert refused.exit_code == 4
    assert "features.missing_future to last" in refused.stderr
    every_day += ["--set", "features.missing_future=last"]
    assert rnnforecast("check", "spec.yaml", *every_day).exit_code == 0


@pytest.mark.parametrize(
    ("frequency", "horizon", "span"),
    [("C:Tue-Sun", 24, "24 open days are 28 days"), ("B", 20, "20 open days are 28 days"),
     ("C:Mon,Wed,Fri", 12, "12 open days are 28 days"), ("h:08-18", 22, "2 open days"),
     ("30min:Mon-Fri:09:30-16:00", 14, "1 open day")],
)  # fmt: skip
def test_a_usual_horizon_of_open_steps_covers_the_usual_span(
    rnnforecast: Run, frequency: str, horizon: int, span: str
) -> None:
    calendar = parse_frequency(frequency)
    first = calendar.ordinals(np.array(["2023-01-03T10:00"], dtype="datetime64[us]"))
    steps = calendar.timestamps(first + np.arange(600), np.zeros(1, dtype=np.int64))
    pd.DataFrame({"t": steps, "y": range(600)}).to_csv("data.csv", index=False)
    init = rnnforecast("init", "data.csv")
    assert init.exit_code == 0, init.stderr
    section = yaml.safe_load(Path("spec.yaml").read_text())
    assert section["clean"]["frequency"] == frequency
    assert section["window"]["horizon"] == horizon
    assert span in init.stderr


@pytest.mark.parametrize(
    "key",
    [
        "clean.duplicates=first", "model.backbone=gru", "window.season=7", "window.horizon=5",
        "features.calendar=auto", "ensemble.members=2", "forecast.quantiles=[0.1,0.5,0.9]",
        "clean.missing=zero", "data.series=[unique_id]", "clean.far_rows=keep",
    ],
)  # fmt: skip
def test_a_key_that_is_given_stands_in_the_draft_and_the_draft_passes_check(
    key: str, rnnforecast: Run, table: Table
) -> None:
    table().to_csv("data.csv", index=False)
    assert rnnforecast("init", "data.csv", "--set", key).exit_code == 0
    dotted, _, value = key.partition("=")
    section, name = dotted.split(".")
    assert yaml.safe_load(Path("spec.yaml").read_text())[section][name] == yaml.safe_load(value)
    assert rnnforecast("check", "spec.yaml", "--no-report").exit_code == 0


def test_columns_that_could_be_targets_are_named(rnnforecast: Run, table: Table) -> None:
    frame = table()
    frame.insert(0, "id", range(len(frame)))
    frame.assign(price=frame["y"].round(), store=1).to_csv("data.csv", index=False)
    init = rnnforecast("init", "data.csv")
    assert "price (candidates for data.targets or features); id (a row number)" in init.stderr
    check = rnnforecast("check", "spec.yaml", "--no-report", "--strict")
    assert check.exit_code == 0, check.stderr
    assert "numeric columns without a role: price" in check.stdout


def test_a_lookback_longer_than_all_series_is_refused_with_one_that_works(
    given: Run, rnnforecast: Run
) -> None:
    given()
    check = rnnforecast("check", "spec.yaml", "--no-report", "--set", "window.lookback=5000")
    assert check.exit_code == 4
    found = re.search(r"set it to (\d+) or less, or to auto", check.stderr)
    assert found is not None, check.stderr
    for lookback in (found[1], "auto"):
        sets = ["--set", f"window.lookback={lookback}", "--set", "window.patch_length=auto"]
        assert rnnforecast("check", "spec.yaml", "--no-report", *sets).exit_code == 0
