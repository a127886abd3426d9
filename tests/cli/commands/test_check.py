"""`rnnforecast check`: its report and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

Run = Callable[..., Any]
Table = Callable[..., pd.DataFrame]

SMALL = ["--set", "training.max_steps=4", "--set", "model.hidden_size=8"]


def test_check_reports_as_json_and_strict_refuses_repairs(
    given: Run, rnnforecast: Run, table: Table
) -> None:
    frame = table().drop(index=[5, 6, 70])
    given(frame)
    result = rnnforecast("check", "spec.yaml", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["totals"]["gaps"] == 3
    assert [series["gaps"] for series in found["series"]] == [2, 1]
    strict = rnnforecast("check", "spec.yaml", "--strict", "-q")
    assert strict.exit_code == 4
    assert "cleaning would change 3" in strict.stderr
    given()
    assert rnnforecast("check", "spec.yaml", "--strict").exit_code == 0


def test_check_reports_faults_and_ends_with_the_code_of_bad_data(
    given: Run, rnnforecast: Run, table: Table
) -> None:
    frame = table()
    given(pd.concat([frame, frame.tail(2)]))
    result = rnnforecast("check", "spec.yaml", "--json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["totals"]["duplicates"] == 2
    assert "clean.duplicates" in result.stderr
    assert "no report with plots" in result.stderr
    assert not Path("checks").exists()


def test_a_wrong_year_is_refused(given: Run, rnnforecast: Run, table: Table) -> None:
    frame = table(("a",))
    frame["ds"] = frame["ds"].astype(str)
    frame.loc[59, "ds"] = "2924-02-29"
    given(frame)
    result = rnnforecast("check", "spec.yaml", "-q")
    assert result.exit_code == 4
    assert "2924-02-29" in result.stderr
