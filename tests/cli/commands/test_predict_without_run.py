"""`rnnforecast predict DATA`: a forecast without a run, from the command line and in Python."""

from __future__ import annotations

import html
import io
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import rnnforecast as rf
from rnnforecast.pipeline import statistical

Run = Callable[..., Any]


def test_data_in_any_place_give_the_same_table(given: Run, rnnforecast: Run) -> None:
    given()
    text = Path("data.csv").read_text(encoding="utf-8")
    Path("many").mkdir()
    Path("many/all.csv").write_text(text, encoding="utf-8")
    tables = []
    for place in ("data.csv", "-", "many", "spec.yaml"):
        done = rnnforecast("predict", place, "--horizon=4", "-o", "-", stdin=text)
        assert done.exit_code == 0, done.stderr
        tables.append(done.stdout)
    assert len(set(tables)) == 1
    command = pd.read_csv(io.StringIO(tables[0]), parse_dates=["ds", "cutoff"])
    frame = pd.read_csv("data.csv", parse_dates=["ds"])
    python = rf.predict(frame, horizon=4)
    pd.testing.assert_frame_equal(command, python, check_dtype=False, rtol=0, atol=0)
    chosen = rf.predict(frame, spec={"forecast": {"quantiles": [0.2]}}, origin="2024-02-20")
    assert {"q0.2", "status"} <= set(chosen)
    assert chosen["ds"].min() == pd.Timestamp("2024-02-20")
    usual = rf.predict(frame, spec={"window": None, "forecast": {"totals": [40]}})
    assert len(usual) == 2 * 15, "a quarter of each series"
    keys = "forecast: {totals: [2, 9]}\n"
    for text in (keys, f"{keys}window: {{horizon: 20}}\n"):
        Path("other.yaml").write_text(text, encoding="utf-8")
        again = rf.predict(frame, spec="other.yaml", horizon=4)
        pd.testing.assert_frame_equal(again, python)
    options = ("--horizon", "4", "--data", "data.csv", "--origin", "2024-02-20")
    done = rnnforecast("predict", "other.yaml", *options, "-o", "few/", "--no-plots")
    assert "totals of 9 steps are left out: 4 steps are forecast" in done.stderr
    assert set(pd.read_csv("few/totals.csv")["steps"]) == {2}
    page = Path("few/report.html").read_text(encoding="utf-8")
    assert f"rnnforecast predict other.yaml {shlex.join(options)}\n" in html.unescape(page)
    for window in ([1], {"horizon": 0}):
        with pytest.raises(rf.SpecError, match="window"):
            rf.predict(frame, spec={"window": window})


def test_a_folder_is_that_of_a_run_and_can_be_reported_again(given: Run, rnnforecast: Run) -> None:
    given()
    options = ("--set", "forecast.quantiles=[0.2, 0.8]")
    done = rnnforecast("predict", "data.csv", "--total=7", "--json", "--ledger", "ledger", *options)
    assert done.exit_code == 0, done.stderr
    assert "rnnforecast init data.csv" in done.stderr
    assert json.loads(done.stdout)["trained_at"] == ""
    folder = Path("forecasts/data")
    names = {file.name for file in folder.iterdir()}
    assert {"forecast.csv", "totals.csv", "run.json", "report.html", "plots"} <= names
    stored = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert (stored["run"], stored["subject"], stored["horizon"]) == (None, "data.csv", 15)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "No network was trained on these data" in page
    command = html.unescape(page)
    assert f"rnnforecast predict data.csv --horizon 15 {shlex.join(options)}" in command
    Path("other").mkdir()
    Path("other/data.csv").write_bytes(Path("data.csv").read_bytes())
    other = rnnforecast("predict", "other/data.csv")
    assert other.exit_code == 2, "it has the name of the first"
    assert "forecast of data.csv" in other.stderr
    (folder / "report.html").unlink()
    assert rnnforecast("report", folder).exit_code == 0
    assert (folder / "report.html").read_text(encoding="utf-8") == page
    assert Path("ledger").is_dir()
    given("ds,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,4\n")
    assert "another forecast" in rnnforecast("report", folder).stderr


def test_a_series_without_a_forecast_is_exit_code_6(given: Run, rnnforecast: Run) -> None:
    rows = [f"{name},2024-01-{day:02},{day % 7}" for name in "ab" for day in range(1, 29)]
    given("\n".join(["id,ds,y", *rows, "c,2024-01-01,", "c,2024-01-02,"]))
    done = rnnforecast("predict", "data.csv", "--horizon=2", "-o", "f.csv")
    assert done.exit_code == 6
    assert "c" in done.stderr
    found = pd.read_csv("f.csv").groupby("id")["status"].first()
    assert found.to_dict() == {"a": "model", "b": "model", "c": "skipped"}


def test_beyond_an_error_limit_of_the_spec_nothing_is_published(
    given: Run, rnnforecast: Run
) -> None:
    given(more="checks: {data_age: {error: 5}}\n")
    done = rnnforecast("predict", "spec.yaml", "-o", "f.csv", "--now", "2024-04-01")
    assert done.exit_code == 7
    assert "no data" in done.stderr
    assert not Path("f.csv").exists()
    assert rnnforecast("predict", "spec.yaml", "-o", "f.csv", "--now", "2024-03-03").exit_code == 0


def test_options_that_need_a_run_are_refused(given: Run, rnnforecast: Run) -> None:
    given()
    done = rnnforecast("predict", "data.csv", "--partitions", "-o", "out")
    assert done.exit_code == 2
    assert "rnnforecast init data.csv" in done.stderr
    url = "postgresql://me:secret@host/sales?table=x"
    assert "secret" not in rnnforecast("predict", url, "--partitions").stderr
    assert rnnforecast("predict", "data.csv", "--resume").exit_code == 2
    assert rnnforecast("predict", "data.csv", "--data", "data.csv").exit_code == 2
    own = rnnforecast("predict", "data.csv", "-o", "data.csv", "--force", "--horizon=2")
    assert own.exit_code == 2
    assert "would be replaced" in own.stderr


def test_the_number_of_workers_does_not_matter(
    given: Run, rnnforecast: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    given()
    assert rnnforecast("predict", "data.csv", "-o", "one.csv", "--workers=1").exit_code == 0
    monkeypatch.setattr(statistical, "MIN_VALUES_FOR_WORKERS", 1)
    monkeypatch.setattr(statistical, "MAX_VALUES_AT_ONCE", 1)
    assert rnnforecast("predict", "data.csv", "-o", "two.csv", "--workers=2").exit_code == 0
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()


@pytest.mark.parametrize("command", ["predict", "init"])
def test_a_cure_without_a_spec_is_an_option_that_works(
    given: Run, rnnforecast: Run, command: str
) -> None:
    times = [f"2024-03-{30 + hour // 24}T{hour % 24:02}:00:00" for hour in range(48)]
    rows = [f"{time}+0{1 + (hour > 25)}:00,{hour % 24}" for hour, time in enumerate(times)]
    given("\n".join(["ds,y", *(row for hour, row in enumerate(rows) if hour != 26)]))
    arguments = ["-o", "-"] if command == "predict" else ["-o", "new.yaml"]
    done = rnnforecast(command, "data.csv", *arguments)
    assert done.exit_code == 4
    option = "--set data.timezone=Europe/Berlin"
    assert option in " ".join(done.stderr.split())
    done = rnnforecast(command, "data.csv", *arguments, *option.split())
    assert done.exit_code == 0, done.stderr


def test_the_horizon_is_the_second_argument_in_python(given: Run) -> None:
    given()
    assert len(rf.predict("data.csv", 3)) == 2 * 3


def test_the_commands_of_a_training_have_the_options_and_can_be_pasted(
    given: Run, rnnforecast: Run
) -> None:
    given()
    Path("data.csv").rename("my data.csv")
    options = ("-o", "-", "--horizon=3", "--set", "data.missing_values=[n a]")
    done = rnnforecast("predict", "my data.csv", *options)
    (line,) = [line for line in done.stderr.splitlines() if "init" in line]
    command = shlex.split(line.partition("rnnforecast ")[2].partition(", then")[0])
    assert command[:2] == ["init", "my data.csv"]
    assert rnnforecast(*command, "--force").exit_code == 0
    spec = Path("spec.yaml").read_text(encoding="utf-8")
    assert re.search("horizon: 3\\b", spec)
    assert "n a" in spec
    frame = pd.read_csv("my data.csv", dtype=str)
    frame.loc[5, "y"] = "abc"
    frame.to_csv("my data.csv", index=False)
    done = rnnforecast("predict", "my data.csv", *options)
    assert "unreadable_cell" in done.stderr
    assert "rnnforecast init" not in done.stderr, "it fails"
