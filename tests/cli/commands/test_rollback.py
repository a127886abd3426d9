"""`rnnforecast rollback`, and trainings that keep earlier ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import TINY

Run = Callable[..., Any]


def test_versions_are_trained_listed_put_back_and_forgotten(
    given: Run, train: Run, rnnforecast: Run
) -> None:
    given()
    assert rnnforecast("rollback", "run").exit_code == 2
    assert train().exit_code == 0
    result = rnnforecast("rollback", "run")
    assert result.exit_code == 2
    assert "train --versions" in result.stderr
    sets = [part for override in TINY for part in ("--set", override)]
    result = rnnforecast("train", "spec.yaml", "-o", "run", "--keep", "5", *sets)
    assert result.exit_code == 0, result.stderr
    latest = Path("run/latest").resolve().name
    assert f"run written to run/{latest}" in result.stderr

    listed = rnnforecast("rollback", "run", "--list").stdout.splitlines()
    assert len(listed) == 2
    assert listed[1] == f"{latest}  latest"
    result = rnnforecast("rollback", "run", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {
        "version": listed[0],
        "folder": f"run/{listed[0]}",
        "trained_at": json.loads(result.stdout)["trained_at"],
        "latest": True,
        "candidate": False,
    }
    assert rnnforecast("rollback", "run").exit_code == 2, "there is no earlier one"
    assert rnnforecast("rollback", "run", latest).exit_code == 0
    found = json.loads(rnnforecast("rollback", "run", "--list", "--json").stdout)
    assert [each["latest"] for each in found["versions"]] == [False, True]

    result = rnnforecast("predict", "run/latest", "--no-plots", "--no-report")
    assert result.exit_code == 0, result.stderr
    assert Path("forecasts/run/forecast.csv").is_file(), "named by the run, not by its version"
    assert rnnforecast("compare", "run", f"run/{listed[0]}").exit_code == 0
