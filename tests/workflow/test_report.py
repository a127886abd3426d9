"""The report of a run, a forecast and a backtest, from the command to the page."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import DataError
from rnnforecast.workflow.report import report

Given = Callable[..., None]
Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]


def page_data(path: str) -> dict[str, Any]:
    """The data of the page's script."""
    page = Path(path).read_text(encoding="utf-8")
    match = re.search(r'id="series-data">(.*?)</script>', page)
    assert match is not None
    found: dict[str, Any] = json.loads(match[1])
    return found


def page_text(path: str) -> str:
    """The page without scripts, styles and tags."""
    page = Path(path).read_text(encoding="utf-8")
    page = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_predict_writes_a_page_and_report_writes_the_same(
    given: Given, train: Run, rnnforecast: Run
) -> None:
    given()
    train()
    result = rnnforecast("predict", "run", "-o", "out/")
    assert result.exit_code == 0, result.stderr
    text = page_text("out/report.html")
    assert "Next 7 days: " in text
    assert "on average per day and per series (2 series)" in text
    data = page_data("out/report.html")
    assert [series["n"] for series in data["series"]] == ["a", "b"]
    forecast = pd.read_csv("out/forecast.csv")
    shown = np.array(data["series"][0]["f"][0]["y"]) * 10.0 ** data["series"][0]["e"]
    np.testing.assert_allclose(shown, forecast["yhat"][:7], atol=0.01)
    written = Path("out/report.html").read_bytes()
    result = rnnforecast("report", "out", "-o", "again.html", "--json")
    assert result.exit_code == 0, result.stderr
    assert Path("again.html").read_bytes() == written
    stored = json.loads(result.stdout)
    assert (stored["kind"], stored["series"]) == ("forecast", 2)


@pytest.mark.parametrize("arguments", [("-o", "out/", "--no-report"), ("-o", "out/f.csv")])
def test_no_page_is_written_beside_a_table_or_if_it_is_not_wanted(
    given: Given, train: Run, rnnforecast: Run, arguments: tuple[str, ...]
) -> None:
    given()
    train()
    assert rnnforecast("predict", "run", *arguments).exit_code == 0
    assert not list(Path("out").glob("*.html"))


def test_amounts_are_added_up_and_requested_totals_too(
    given: Given, train: Run, rnnforecast: Run, table: Table
) -> None:
    frame = table()
    frame.loc[frame.index % 10 == 0, "y"] = 0
    given(frame)
    train()
    rnnforecast("predict", "run", "-o", "out/")
    assert "in total of 2 series" in page_text("out/report.html")
    assert "sometimes zero" in page_text("out/report.html")
    given()
    train(out="level")
    rnnforecast("predict", "level", "-o", "other/", "--total", "7")
    assert "in total of 2 series" in page_text("other/report.html")


def test_a_forecast_of_data_that_have_changed_is_refused(
    given: Given, train: Run, rnnforecast: Run, table: Table
) -> None:
    given()
    train()
    rnnforecast("predict", "run", "-o", "out/")
    table().assign(y=lambda frame: frame["y"] * 2).to_csv("data.csv", index=False)
    result = rnnforecast("report", "out")
    assert result.exit_code == 4
    assert "predict' again" in result.stderr


def test_the_page_of_a_run_has_accuracy_calibration_data_and_spec(
    given: Given, train: Run, rnnforecast: Run
) -> None:
    given()
    train()
    result = rnnforecast("report", "run")
    assert result.exit_code == 0, result.stderr
    text = page_text("run/report.html")
    for part in ("seasonal naive", "Coverage by step", "PIT histogram", "SHA-256", "horizon: 7"):
        assert part in text
    metrics = json.loads(Path("run/metrics.json").read_text(encoding="utf-8"))
    assert f"MASE {metrics['model_metrics']['mase']:.3g}" in text
    series = page_data("run/report.html")["series"][0]
    assert len(series["y"]) == 60
    assert series["f"][0]["b"] == 53


def test_without_its_data_the_page_of_a_run_has_the_tested_steps(
    given: Given, train: Run, rnnforecast: Run
) -> None:
    given()
    train()
    Path("data.csv").unlink()
    result = rnnforecast("report", "run", "-o", "page.html")
    assert result.exit_code == 0, result.stderr
    assert "no histories" in result.stderr
    assert len(page_data("page.html")["series"][0]["y"]) == 7


def test_the_page_of_a_backtest_has_its_origins(given: Given, train: Run, rnnforecast: Run) -> None:
    given()
    train()
    result = rnnforecast("backtest", "run", "--windows", "3", "--step", "7", "-o", "bt")
    assert result.exit_code == 0, result.stderr
    result = rnnforecast("report", "bt")
    assert result.exit_code == 0, result.stderr
    text = page_text("bt/report.html")
    assert "Error by origin" in text
    assert "trained on part of the windows" in text
    assert [len(series["f"]) for series in page_data("bt/report.html")["series"]] == [3, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"windows": "3"},
        {"cutoffs": []},
        {"metrics": None},
        {"verdicts": {"naive": {}}},
        {"gap": -1},
    ],
)
def test_a_forged_summary_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    stored: dict[str, Any] = {
        **dict.fromkeys(("windows", "series", "horizon", "gap", "trainings"), 1),
        **{"cutoffs": ["2024-01-01"], "in_sample_windows": [], "metrics": {}, "baselines": {}},
        **{"verdicts": {}, "metadata": {"versions": {}}},
    }
    (tmp_path / "backtest.json").write_text(json.dumps(stored | change))
    with pytest.raises(DataError, match="damaged"):
        report(tmp_path)
    (tmp_path / "backtest.json").unlink()
    (tmp_path / "run.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="damaged"):
        report(tmp_path)


def test_a_target_without_ids_is_named_and_several_targets_are_told_apart(
    given: Given, train: Run, rnnforecast: Run, table: Table
) -> None:
    frame = table(series=("a",)).drop(columns="unique_id").assign(z=lambda frame: -frame["y"])
    given(frame)
    train("data.targets=[y, z]")
    rnnforecast("predict", "run", "-o", "out/")
    assert [series["n"] for series in page_data("out/report.html")["series"]] == ["y", "z"]
    text = page_text("out/report.html")
    assert "y, next 7 days: " in text
    assert "z, next 7 days: −" in text


def test_another_folder_is_refused(rnnforecast: Run) -> None:
    Path("empty").mkdir()
    for name in ("empty", "missing"):
        result = rnnforecast("report", name)
        assert result.exit_code == 2
        assert "train" in result.stderr
    shutil.rmtree("empty")
