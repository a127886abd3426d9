"""Forecasts from an earlier origin: they are those of data that end there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.errors import UsageError
from rnnforecast.pipeline.run_folder import load_run
from rnnforecast.workflow.predict_forecast import forecast_data
from rnnforecast.workflow.predict_request import ForecastRequest
from tests.workflow.runs import shared

pytestmark = pytest.mark.usefixtures("without_pictures")

Given = Callable[..., None]
ORIGIN = "2024-02-10"


def forecast_of(table: pd.DataFrame, name: str = "new.csv", **options: Any) -> pd.DataFrame:
    """The forecast of the run from the table."""
    table.to_csv(name, index=False)
    run, source = load_run(Path("run")), [str(Path(name).resolve())]
    return forecast_data(run, source, ForecastRequest(**options)).tables["forecast"]


def test_an_earlier_origin_gives_the_forecast_of_data_that_end_before_it(given: Given) -> None:
    given()
    shared("run")
    table = pd.read_csv("data.csv")
    ended = forecast_of(table[table["ds"] < ORIGIN])
    assert set(ended["ds"].astype(str)) == {f"2024-02-{day}" for day in range(10, 17)}
    pd.testing.assert_frame_equal(forecast_of(table, origin=ORIGIN), ended)
    noise = np.random.default_rng(1).normal(size=len(table)).round(3)
    changed = table.assign(y=table["y"].where(table["ds"] < ORIGIN, noise))
    pd.testing.assert_frame_equal(forecast_of(changed, origin=ORIGIN), ended)


def test_a_series_that_begins_later_has_no_forecast_and_one_that_ended_has_its_own(
    given: Given,
) -> None:
    given()
    shared("run")
    table = pd.read_csv("data.csv")
    is_b = table["unique_id"] == "b"
    later = forecast_of(table[~is_b | (table["ds"] > ORIGIN)], origin=ORIGIN)
    assert set(later["unique_id"]) == {"a"}
    ended = forecast_of(table[~is_b | (table["ds"] < "2024-02-01")], origin=ORIGIN)
    assert ended.groupby("unique_id")["ds"].min().astype(str).tolist() == [ORIGIN, "2024-02-01"]


def test_an_origin_inside_the_training_data_is_warned_of(given: Given) -> None:
    given()
    shared("run")
    run, source = load_run(Path("run")), [str(Path("data.csv").resolve())]
    inside = forecast_data(run, source, ForecastRequest(origin=ORIGIN)).warnings
    assert [finding.code for finding in inside] == ["in_sample"]
    after = forecast_data(run, source, ForecastRequest(origin="2024-03-01")).warnings
    assert not after


def test_the_step_after_the_data_is_the_latest_origin(given: Given) -> None:
    given()
    shared("run")
    table = pd.read_csv("data.csv")
    pd.testing.assert_frame_equal(forecast_of(table, origin="2024-03-01"), forecast_of(table))
    for origin in ("2024-03-02", "2024-01-01", "soon"):
        with pytest.raises(UsageError, match=f"origin {origin}: "):
            forecast_of(table, origin=origin)


def test_the_command_forecasts_from_an_origin(given: Given, rnnforecast: Any) -> None:
    given()
    shared("run")
    result = rnnforecast("predict", "run", "--origin", ORIGIN, "-o", "-")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[1].startswith(f"a,{ORIGIN},")
