"""Calibration of a run's intervals: which windows it comes from, and where it is applied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.cleaning_plan import CleanedData, prepare_data
from rnnforecast.pipeline.calibration import (
    NO_CALIBRATION,
    ForecastWindows,
    fit_calibration,
    read_timestamp,
)
from rnnforecast.pipeline.evaluation import observed_values
from rnnforecast.pipeline.forecasting import finish_forecast, forecast, without_finish
from rnnforecast.pipeline.run import Run
from rnnforecast.pipeline.run_folder import load_run
from tests.workflow.runs import shared

pytestmark = pytest.mark.usefixtures("without_pictures")

Given = Callable[..., None]


@pytest.fixture
def run_and_data(given: Given) -> tuple[Run, CleanedData]:
    """A run and its data."""
    given()
    shared("run")
    run = load_run(Path("run"))
    return run, prepare_data(run.plan, run.source, horizon=run.config.horizon)


def test_a_run_has_factors_by_the_validation_windows_and_the_held_out_horizon(
    run_and_data: tuple[Run, CleanedData],
) -> None:
    run, cleaned = run_and_data
    panel, horizon = cleaned.panel, run.config.horizon
    assert read_timestamp(run.calibration.until) == run.trained_until
    assert run.calibration.windows >= 2 * panel.n_series
    held_out = panel.lengths - horizon
    raw = forecast(
        run.members,
        cleaned,
        held_out,
        postprocessing=without_finish(run.postprocessing, run.levels),
    )
    series = np.arange(panel.n_series)
    actual = observed_values(panel, series, held_out, horizon)
    windows = ForecastWindows(series, held_out, raw.quantiles, actual)
    alone = fit_calibration(panel, windows, run.levels.computed, run.plan.bounds)
    assert alone.until == run.calibration.until
    assert alone.windows == panel.n_series
    assert alone.intervals.factors != run.calibration.intervals.factors


def test_without_a_final_fit_the_held_out_horizon_calibrates_nothing(given: Given) -> None:
    given()
    shared("first", "training.final_fit=false")
    run = load_run(Path("first"))
    assert run.calibration.windows
    assert read_timestamp(run.calibration.until) <= run.trained_until


def test_predict_widens_the_quantiles_by_the_stored_factors(
    run_and_data: tuple[Run, CleanedData],
) -> None:
    run, cleaned = run_and_data
    origins = cleaned.panel.lengths
    plain = without_finish(run.postprocessing, run.levels)
    raw = forecast(run.members, cleaned, origins, postprocessing=plain)
    found = forecast(run.members, cleaned, origins, postprocessing=run.postprocessing)
    expected = finish_forecast(raw, run.levels, run.postprocessing)
    np.testing.assert_array_equal(found.quantiles, expected.quantiles)
    np.testing.assert_array_equal(found.yhat, run.plan.bounds.apply(raw.yhat))
    assert (found.quantiles != run.plan.bounds.apply(run.levels.select(raw.quantiles), -2)).any()


@pytest.mark.parametrize(
    "sets", [["forecast.calibrate=false"], ["training.loss=mae", "window.horizon=29"]]
)
def test_intervals_stay_as_they_are_on_request_and_without_windows_of_their_own(
    sets: list[str], given: Given, table: Callable[..., pd.DataFrame]
) -> None:
    given(table())
    shared("plain", *sets)  # 29 steps leave no validation part: the errors set the quantiles
    assert load_run(Path("plain")).calibration == NO_CALIBRATION
