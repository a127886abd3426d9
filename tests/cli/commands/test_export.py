"""`rnnforecast export`: its files, refusals, and interrupted exports."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.inference.onnx import export as exporting
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.workflow import export as workflow

Run = Callable[..., Any]

MORE = """
features: {future: [price], static: [kind], calendar: [day_of_week], age: true}
clean: {transform: log}
training: {loss: mse}
ensemble: {members: 2}
"""

EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Writes no graph and finds it exact; the list gets the windows that it was tried on."""
    tried: list[Any] = []
    ports = [{"name": "values", "shape": ["B", 7, 1], "dtype": "float64"}]

    def write(answer: Any, history: Any, path: Path) -> dict[str, Any]:
        path.write_bytes(b"a graph")
        return {"opset": 20, "inputs": ports, "outputs": []}

    def difference(*arguments: Any) -> float:
        tried.append(arguments[-1])
        return 1e-7

    monkeypatch.setattr(exporting, "write_onnx", write)
    monkeypatch.setattr(exporting, "max_relative_difference", difference)
    return tried


def with_covariates(table: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    frame = table(steps=40)
    frame["price"] = np.linspace(1, 2, len(frame)).round(3)
    frame["kind"] = np.where(frame["unique_id"] == "a", "near", "far")
    last = frame.groupby("unique_id").tail(1)
    later = pd.concat(
        [last.assign(ds=last["ds"] + pd.Timedelta(days=d), y=np.nan) for d in range(1, 4)]
    )
    return pd.concat([frame, later]).sort_values(["unique_id", "ds"])


def test_a_network_is_written_with_a_page_whose_example_runs(
    given: Run, train: Run, rnnforecast: Run, table: Callable[..., pd.DataFrame]
) -> None:
    given(with_covariates(table), more=MORE, horizon=3)
    assert train().exit_code == 0
    result = rnnforecast("export", "run", "--onnx", "--member", "2", "-o", "out", "--json")
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["files"] == ["model-2.onnx"]
    assert said["from_data"]
    assert said["max_difference"] <= 1e-5
    assert "model-2.onnx written to out; on 64 windows of the data within" in result.stderr
    assert {path.name for path in Path("out").iterdir()} == {
        ".rnnforecast.json", "README.md", "export.json", "model-2.onnx",
    }  # fmt: skip
    facts = json.loads(Path("out/export.json").read_text(encoding="utf-8"))
    (model,) = facts["models"]
    shapes = {port["name"]: port["shape"] for port in [*model["inputs"], *model["outputs"]]}
    for name, told in facts["columns"].items():
        assert shapes[name][-1] == len(told)
    assert [one["name"] for one in facts["columns"]["future"]] == [
        "price", "day_of_week, sine", "day_of_week, cosine", "age",
    ]  # fmt: skip
    assert facts["columns"]["static_codes"][0]["codes"] == {"far": 1, "near": 2}
    assert shapes["quantiles"] == ["B", 3, 1, 5]
    assert shapes["equiprobable_values"] == ["B", 3, 1, 21]
    page = Path("out/README.md").read_text(encoding="utf-8")
    (example,) = EXAMPLE.findall(page)
    asked = subprocess.run(
        [sys.executable, "-c", example], cwd="out", capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert len(re.findall(r"\d\.\d+", asked.stdout)) == 3 * 5
    for phrase in (
        "z = log(y)",
        "the mean of `equiprobable_values`",
        "2 networks",
        "the median of them",
    ):
        assert phrase in page


def test_all_members_are_written_and_tried_on_windows_of_the_data(
    given: Run, train: Run, rnnforecast: Run, quick: list[Any]
) -> None:
    given(more="ensemble: {members: 2}\n")
    train()
    result = rnnforecast("export", "run", "--onnx", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert {path.name for path in Path("exports/run").iterdir()} == {
        ".rnnforecast.json", "README.md", "export.json", "model-1.onnx", "model-2.onnx",
    }  # fmt: skip
    assert [len(history.values) for history in quick] == [64, 64]
    assert 9 < quick[0].values[quick[0].value_mask].mean() < 28
    result = rnnforecast("export", "run", "--onnx", "--member", "3")
    assert result.exit_code == 2
    assert "the run has 2 networks" in result.stderr
    assert "give a number from 1 to 2" in result.stderr


def test_without_the_data_the_windows_are_random(
    given: Run, train: Run, rnnforecast: Run, quick: list[Any]
) -> None:
    given()
    train()
    Path("data.csv").unlink()
    result = rnnforecast("export", "run", "--onnx")
    assert result.exit_code == 0
    assert "the run's data cannot be read" in result.stderr
    assert "64 windows of random numbers" in result.stderr
    assert len(quick[0].values) == 64
    page = Path("exports/run/README.md").read_text(encoding="utf-8")
    assert "64 random windows" in page
    assert Path("exports/run/model.onnx").is_file()


def test_a_file_that_is_not_close_enough_leaves_what_was_there(
    given: Run, train: Run, rnnforecast: Run, quick: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given()
    train()
    assert rnnforecast("export", "run", "--onnx", "-o", "out").exit_code == 0
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    monkeypatch.setattr(exporting, "max_relative_difference", lambda *_: 2e-5)
    for out in ("out", "other"):
        result = rnnforecast("export", "run", "--onnx", "-o", out)
        assert result.exit_code == 2
        assert "differ by 2.0e-05 relative, more than 1e-05" in result.stderr
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before
    assert not any("other" in path.name or "partial" in path.name for path in Path().iterdir())


def test_what_cannot_be_exported_says_why(
    given: Run, train: Run, rnnforecast: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(more="training: {loss: poisson}\n")
    train()
    result = rnnforecast("export", "run", "--onnx")
    assert result.exit_code == 2
    assert "'poisson' are found by a numerical search" in result.stderr
    assert not Path("exports/run").exists()
    result = rnnforecast("export", "run")
    assert result.exit_code == 2
    assert "add --onnx" in result.stderr
    monkeypatch.setattr(workflow, "find_spec", lambda name: None if name == "onnx" else name)
    result = rnnforecast("export", "run", "--onnx")
    assert result.exit_code == 2
    assert "onnx is not installed" in result.stderr
    assert "pip install 'rnnforecast[onnx]'" in result.stderr


def test_the_point_of_a_median_is_the_median_and_of_a_mean_the_mean_of_equiprobable_values(
    given: Run, train: Run
) -> None:
    given()
    train()
    run = load_run(Path("run"))
    wanted = workflow._requested_outputs(run, run.config)
    levels = wanted.levels
    assert [levels.computed[index] for index in levels.requested_indices] == list(run.quantiles)
    assert [levels.computed[index] for index in levels.point_indices] == [0.5]
    assert wanted.output_names == ("quantiles", "point")
