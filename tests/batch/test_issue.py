"""Issues of forecasts: what was published goes into the ledger, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as pads
import pytest

from tests.workflow.runs import shared

Given = Callable[..., None]
Command = Callable[..., Any]


@pytest.fixture
def predict(given: Given, rnnforecast: Command) -> Command:
    """Predicts with a run in the folder ``run`` to ``f.csv``; returns the result."""
    given()
    shared("run")

    def run(*arguments: str, code: int = 0) -> Any:
        result = rnnforecast("predict", "run", "-o", "f.csv", *arguments)
        assert result.exit_code == code, result.stderr
        return result

    return run


def read_ledger(folder: str = "run.ledger") -> pd.DataFrame:
    return pads.dataset(folder, partitioning="hive").to_table().to_pandas()


def test_the_ledger_has_what_was_published(predict: Command) -> None:
    predict()
    found, published = read_ledger(), pd.read_csv("f.csv", parse_dates=["ds"])
    quantiles = [name for name in published if name.startswith("q")]
    assert len(quantiles) == 5
    for name in ("unique_id", "yhat", *quantiles):
        assert found[name].tolist() == published[name].tolist()
    assert (found["ds"] == published["ds"]).all()
    assert found["step"].tolist() == [*range(1, 8)] * 2
    assert (found["ds"] - found["cutoff"] == pd.to_timedelta(found["step"], "D")).all()
    assert set(found["target"]) == {"y"}
    assert set(found["status"]) == {"model"}
    assert set(found["run_name"]) == {"run"}
    assert (found["issued"].astype(str) == found["issued_at"].dt.strftime("%Y-%m-%d")).all()


def test_a_forecast_that_is_repeated_is_one_issue(predict: Command) -> None:
    predict()
    before = {path: path.read_bytes() for path in Path("run.ledger").rglob("*.parquet")}
    predict()
    after = {path: path.read_bytes() for path in Path("run.ledger").rglob("*.parquet")}
    assert before == after
    assert len(after) == 1
    predict("--horizon", "3")
    assert len(list(Path("run.ledger").rglob("*.parquet"))) == 2


def test_a_revised_value_is_another_issue(predict: Command) -> None:
    predict()
    data = pd.read_csv("data.csv")
    data.loc[3, "y"] += 1
    data.to_csv("data.csv", index=False)
    predict()
    assert read_ledger()["issue_id"].nunique() == 2


@pytest.mark.parametrize("option", [("--ledger", "none"), ("--origin", "2024-02-01")])
def test_nothing_is_issued_for_a_past_origin_or_on_request(
    option: tuple[str, str], predict: Command
) -> None:
    predict(*option)
    assert not Path("run.ledger").exists()


def test_a_ledger_that_cannot_be_written_does_not_cost_the_forecast(predict: Command) -> None:
    Path("taken").write_text("a file")
    result = predict("--ledger", "taken")
    assert "ledger_not_written" in result.stderr
    assert len(pd.read_csv("f.csv")) == 14
    assert Path("taken").read_text() == "a file"


def test_times_with_an_offset_are_in_utc(
    given: Given, rnnforecast: Command, train: Command, table: Callable[..., pd.DataFrame]
) -> None:
    frame = table(("a",), freq="h")
    frame["ds"] = frame["ds"].dt.strftime("%Y-%m-%d %H:%M:%S+02:00")
    given(frame)
    assert train().exit_code == 0
    assert rnnforecast("predict", "run", "-o", "f.csv", "--ledger", "book").exit_code == 0
    found, published = read_ledger("book"), pd.read_csv("f.csv", parse_dates=["ds"])
    assert (found["ds"] == published["ds"].dt.tz_convert("UTC")).all()
    assert (found["cutoff"] == found["ds"].min() - np.timedelta64(1, "h")).all()
