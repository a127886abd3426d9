"""Totals and sample paths on the command line: their files and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Given = Callable[..., None]
Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]


def files() -> set[str]:
    return {path.name for path in Path().iterdir() if path.name.startswith("f")}


def test_a_folder_has_them_beside_the_forecast(given: Given, train: Run, rnnforecast: Run) -> None:
    given(more="forecast: {totals: [7], sample_paths: 2}\n")
    assert train("forecast.plots=0").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "folder").exit_code == 0
    found = {path.name for path in Path("folder").iterdir()}
    assert {"forecast.csv", "totals.csv", "paths.csv"} <= found
    assert rnnforecast("predict", "run", "-o", "f.parquet").exit_code == 0
    assert files() == {"folder", "f.parquet", "f-totals.parquet", "f-paths.parquet"}
    totals = pd.read_parquet("f-totals.parquet")
    assert totals["steps"].tolist() == [7, 7]
    assert str(totals["from"].dtype).startswith("datetime64")
    written = pd.read_csv("folder/totals.csv", parse_dates=["from", "to"])
    assert written["to"].tolist() == totals["to"].tolist()


def test_what_is_asked_for_at_predict_stands_instead_of_the_spec_s(
    given: Given, train: Run, rnnforecast: Run
) -> None:
    given(more="forecast: {totals: [7], sample_paths: 2}\n")
    assert train("forecast.plots=0").exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv", "--total", "2").exit_code == 0
    assert files() == {"f.csv", "f-totals.csv", "f-paths.csv"}
    assert set(pd.read_csv("f-totals.csv")["steps"]) == {2}
    for path in files():
        Path(path).unlink()
    assert rnnforecast("predict", "run", "-o", "f.csv", "--paths", "0").exit_code == 0
    assert files() == {"f.csv", "f-totals.csv"}
    assert set(pd.read_csv("f-totals.csv")["steps"]) == {7}


def test_totals_beyond_the_horizon_and_on_stdout_are_refused_and_nothing_is_written(
    given: Given, train: Run, rnnforecast: Run
) -> None:
    given()
    assert train("forecast.plots=0").exit_code == 0
    result = rnnforecast("predict", "run", "-o", "f.csv", "--total", "8")
    assert result.exit_code == 2
    assert "a total of 8 steps: 7 steps are forecast" in " ".join(result.stderr.split())
    for asked in (("--total", "3"), ("--paths", "1")):
        result = rnnforecast("predict", "run", "-o", "-", *asked)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "-o: totals and paths are files beside the forecast" in " ".join(
            result.stderr.split()
        )
    assert files() == set()
    assert rnnforecast("predict", "run", "-o", "-", "--paths", "0").exit_code == 0
    longer = ("--total", "8", "--horizon", "8")
    assert rnnforecast("predict", "run", "-o", "f.csv", *longer).exit_code == 0


def test_a_spec_with_a_total_beyond_the_horizon_is_refused(given: Given, rnnforecast: Run) -> None:
    given(more="forecast: {totals: [3, 8]}\n")
    result = rnnforecast("check", "spec.yaml")
    assert result.exit_code == 3
    said = " ".join(result.stderr.split())
    assert "forecast.totals: a total of 8 steps is asked for and 7 are forecast" in said


@pytest.mark.parametrize(
    ("renamed", "asked"),
    [
        ({"unique_id": "from"}, ("--total", "3")),
        ({"unique_id": "steps"}, ("--total", "3")),
        ({"unique_id": "path"}, ("--paths", "1")),
        ({"ds": "path"}, ("--paths", "1")),
    ],
)
def test_columns_whose_names_are_taken_are_refused_and_nothing_is_written(
    given: Given, train: Run, rnnforecast: Run, table: Table,
    renamed: dict[str, str], asked: tuple[str, ...],
) -> None:  # fmt: skip
    given(table().rename(columns=renamed))
    ((old, name),) = renamed.items()
    role = {"unique_id": f"data.series=[{name}]", "ds": f"data.time={name}"}[old]
    assert train("forecast.plots=0", role).exit_code == 0
    result = rnnforecast("predict", "run", "-o", "f.csv", *asked)
    assert result.exit_code == 4
    said = " ".join(result.stderr.split())
    assert f"column '{name}': is also the name of another column of the table of" in said
    assert "rename the column in the input" in said
    assert files() == set()
    assert rnnforecast("predict", "run", "-o", "f.csv").exit_code == 0
    wanted = {"--total": "forecast.totals=3", "--paths": "forecast.sample_paths=1"}[asked[0]]
    result = rnnforecast("check", "spec.yaml", "--no-report", "--set", role, "--set", wanted)
    assert result.exit_code == 4  # known before a training, where the spec asks for them
    assert "is also the name of another column" in " ".join(result.stderr.split())
