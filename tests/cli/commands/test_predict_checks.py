"""Checks of `predict`: codes in run.json, exit code 7 with nothing written, and stricter limits."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.checks.nights import NIGHT, NIGHTS, rows, train_run

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def trained() -> Path:
    return train_run()


@pytest.fixture
def predict(rnnforecast: Command, trained: Path, tmp_path: Path) -> Command:
    """Forecasts a night into ``out``."""

    def run(name: str, *options: str, now: str = "") -> Any:
        table, night = (rows(), NIGHT) if not name else (NIGHTS[name].make(), NIGHTS[name].now)
        table.to_csv("new.csv", index=False)
        given = ["--now", f"{now or night}+00:00", "--no-plots", "--no-report", "--ledger", "none"]
        return rnnforecast("predict", trained, "--data", "new.csv", "-o", "out", *given, *options)

    return run


@pytest.mark.parametrize(
    "name",
    [
        "stale",
        "fewer series",
        "all new",
        "times 1000",
        "zeros",
        "old model",
        "no plan",
        "blank last day",
        "one typed date a year ahead",
    ],
)
def test_beyond_an_error_limit_nothing_is_published(predict: Command, name: str) -> None:
    code = NIGHTS[name].code
    found = predict(name, "--set", f"checks.{code}.error=0", "--json", "-q")
    assert found.exit_code == 7, found.stderr
    assert not Path("out").exists()
    assert f"error: {code}: " in found.stderr
    assert f"checks.{code}.error" in found.stderr
    told = {each["code"]: each["level"] for each in json.loads(found.stdout)["warnings"]}
    assert told[code] == "error"


def test_the_last_good_forecast_stays(predict: Command) -> None:
    assert predict("").exit_code == 0
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    assert predict("times 1000").exit_code == 7
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before


def test_warnings_are_structured_and_quiet_is_silent(predict: Command) -> None:
    found = predict("fewer series", "-q")
    assert (found.exit_code, found.stderr) == (0, "")
    stored = json.loads(Path("out/run.json").read_text(encoding="utf-8"))
    (warning,) = stored["warnings"]
    assert warning["code"] == "vanished_series"
    assert (warning["level"], warning["count"], warning["threshold"]) == ("warning", 16, 0.1)
    assert warning["series"][0] == "s08"
    assert stored["data_end"] == "2024-04-07"
    assert stored["written_at"] == stored["data_since"] == f"{NIGHT}:00+00:00"
    assert stored["trained_at"] == f"{NIGHT}:00+00:00"
    assert stored["trained_until"].startswith("2024-03-31")


def test_the_console_names_the_code(predict: Command) -> None:
    assert "(vanished_series)" in predict("fewer series").stderr


def test_strict_makes_each_finding_an_error(predict: Command) -> None:
    assert predict("stale", "--strict").exit_code == 7
    assert predict("", "--strict").exit_code == 0


def test_the_file_of_the_day_before_is_recognized(predict: Command) -> None:
    assert predict("").exit_code == 0
    again = predict("", now="2024-04-08T03:15")
    assert "unchanged_data" not in again.stderr
    assert "(unchanged_data)" in predict("", now="2024-04-09T02:15").stderr
    shutil.rmtree("out")
    assert "unchanged_data" not in predict("", now="2024-04-09T02:15").stderr


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("model.layers=2", "can set the sections checks and forecast"),
        ("forecast.quantiles=[0.5]", "trained for"),
        ("checks.data_age=soon", "expected a number, auto, off"),
        ("checks.level_shift=auto", "no automatic limit"),
        ("checks.age=3", "unknown key"),
    ],
)
def test_other_keys_and_values_are_refused(predict: Command, override: str, reason: str) -> None:
    found = predict("", "--set", override)
    assert found.exit_code == 3
    assert reason in found.stderr
    assert not Path("out").exists()


def test_keys_of_the_forecast_can_be_set(predict: Command) -> None:
    assert predict("", "--set", "forecast.totals=[7]").exit_code == 0
    assert Path("out/totals.csv").exists()
