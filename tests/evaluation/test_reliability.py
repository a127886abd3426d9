"""Reliability of forecasts whose calibration is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import utilsforecast.losses as reference
from scipy import stats

from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.evaluation.reliability import pit_bounds, pit_histogram, reliability
from rnnforecast.types import Floats

LEVELS = (0.1, 0.5, 0.9)


def evaluated(actual: Floats, quantiles: Floats) -> EvaluatedWindows:
    """Windows of one series each: `actual` is `[M, H]`, `quantiles` `[M, H, Q]`."""
    size = len(actual)
    forecast = WindowForecast(quantiles[..., None, 1], quantiles[:, :, None])
    return EvaluatedWindows(
        series=np.arange(size),
        window=np.zeros(size, dtype=np.int64),
        origin=np.full(size, 10),
        actual=actual[..., None],
        forecast=forecast,
        baselines={},
        levels=LEVELS,
        scale=np.ones((size, 1)),
        squared_scale=np.ones((size, 1)),
    )


def test_observed_frequencies_agree_with_utilsforecast() -> None:
    rng = np.random.default_rng(0)
    actual = np.where(rng.random((30, 4)) < 0.2, np.nan, rng.normal(size=(30, 4)))
    quantiles = np.sort(rng.normal(size=(30, 4, 3)), axis=-1)
    found = reliability(evaluated(actual, quantiles))
    table = pd.DataFrame(quantiles.reshape(-1, 3), columns=["a", "b", "c"])
    table = table.assign(unique_id=0, y=actual.ravel()).dropna()
    for index, name in enumerate("abc"):
        expected = reference.calibration(table, {"m": name})["m"].item()
        assert found.observed[index] == pytest.approx(expected)
    assert found.values == len(table)
    assert (found.low <= found.observed).all()
    assert (found.observed <= found.high).all()


def test_calibrated_forecasts_have_a_flat_histogram_and_the_nominal_frequencies() -> None:
    rng = np.random.default_rng(1)
    center = rng.normal(size=(2000, 3))
    quantiles = center[..., None] + stats.norm.ppf(LEVELS)
    windows = evaluated(center + rng.normal(size=center.shape), quantiles)
    found = reliability(windows)
    np.testing.assert_allclose(found.density, 1.0, atol=0.08)
    assert ((found.low <= LEVELS) & (found.high >= LEVELS)).all()
    low, high = pit_bounds(windows.actual.ravel(), quantiles.reshape(-1, 3), LEVELS)
    values = np.random.default_rng(2).uniform(low, high)
    assert stats.kstest(values, "uniform").pvalue > 0.01


def test_intervals_that_are_too_narrow_have_heavy_outer_bars() -> None:
    rng = np.random.default_rng(3)
    quantiles = np.broadcast_to(0.5 * stats.norm.ppf(LEVELS), (500, 2, 3))
    found = reliability(evaluated(rng.normal(size=(500, 2)), quantiles))
    assert (found.density[[0, 3]] > 2).all()
    assert found.low[0] > 0.1
    assert found.high[2] < 0.9


def test_calibrated_forecasts_of_counts_have_a_flat_histogram() -> None:
    rng = np.random.default_rng(4)
    mean = rng.uniform(0.5, 6, (4000, 2))
    levels = np.array(LEVELS)
    quantiles = stats.poisson.ppf(levels, mean[..., None])
    found = reliability(evaluated(rng.poisson(mean).astype(float), quantiles))
    np.testing.assert_allclose(found.observed, LEVELS, atol=0.03)
    np.testing.assert_allclose(found.density, 1.0, atol=0.3)


def test_bounds_of_single_values() -> None:
    quantiles = np.array([[0.0, 1.0, 2.0]] * 6)
    actual = np.array([-1.0, 0.5, 1.5, 2.5, 1.0, 2.0])
    low, high = pit_bounds(actual, quantiles, LEVELS)
    np.testing.assert_allclose(low, [0.0, 0.1, 0.5, 0.9, 0.1, 0.5])
    np.testing.assert_allclose(high, [0.1, 0.5, 0.9, 1.0, 0.9, 1.0])


def test_whole_numbers_reach_half_a_step_to_either_side() -> None:
    quantiles = np.array([[0.0, 0.0, 2.0]] * 3)
    low, high = pit_bounds(np.array([0.0, 1.0, 4.0]), quantiles, LEVELS)
    np.testing.assert_allclose(low, [0.0, 0.6, 0.9])
    np.testing.assert_allclose(high, [0.6, 0.8, 1.0])


def test_the_histogram_spreads_values_evenly_between_their_bounds() -> None:
    low, high = np.array([0.0, 0.25]), np.array([0.5, 0.75])
    np.testing.assert_allclose(
        pit_histogram(low, high, np.array([0.0, 0.25, 0.5, 1.0])), [1.0, 2.0, 0.5]
    )


def test_without_values_nothing_is_defined() -> None:
    found = reliability(evaluated(np.full((6, 2), np.nan), np.zeros((6, 2, 3))))
    assert found.values == 0
    assert np.isnan(found.observed).all()
    assert np.isnan(found.density).all()
