"""Properties of exponential smoothing, whatever the series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.statistical.exponential_smoothing import forecast
from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Floats
from tests.statistical.series import histories_of


def seasonal_series(seed: int, steps: int, season: int = 4) -> Floats:
    rng = np.random.default_rng(seed)
    time = np.arange(steps)
    level = 50 + 0.5 * time + rng.normal(size=steps).cumsum()
    return level * (1 + 0.2 * np.sin(2 * np.pi * time / season)) + rng.normal(size=steps)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "series",
    [
        [3.0],
        [0.0],
        [3.0, 5.0],
        [1.0, -1.0, 2.0],
        [4.0, 4.0, 4.0, 4.0],
        [1.0, 2.0, 3.0, 4.0, 5.0],
        [0.0] * 30,
        [7.0] * 30,
        [0.0, 0.0, 5.0, 0.0] * 10,
        [-(x**2) for x in range(30)],
        [1e-3 * 1.5**x for x in range(40)],
        [1e12 + x for x in range(20)],
        [1.0] * 20 + [1e6] + [1.0] * 3,
    ],
)
@pytest.mark.parametrize("season", [1, 4, 30])
def test_short_constant_and_odd_histories_give_finite_forecasts(
    series: list[float], season: int
) -> None:
    result = forecast(histories_of(series), season=season, horizon=9)
    assert np.isfinite(result.mean).all()
    assert np.isfinite(result.variance).all()
    assert (result.variance >= 0).all()


def test_a_constant_history_is_continued_without_variance() -> None:
    result = forecast(histories_of([7.0] * 30), season=4, horizon=5)
    np.testing.assert_allclose(result.mean, 7.0, rtol=1e-2)
    np.testing.assert_allclose(result.variance, 0.0, atol=1e-2)


def test_a_line_and_a_season_without_noise_are_continued() -> None:
    values = 100 + 2 * np.arange(56.0) + np.tile([1.0, -2.0, 3.0, -2.0], 14)
    result = forecast(histories_of(values[:48]), season=4, horizon=8)
    np.testing.assert_allclose(result.mean[0], values[48:], rtol=2e-3)


def test_a_history_without_a_value_gives_no_forecast() -> None:
    result = forecast(histories_of([], np.arange(9.0)), season=1, horizon=2)
    assert np.isnan(result.mean[0]).all()
    assert np.isfinite(result.mean[1]).all()


@settings(max_examples=10)
@given(
    drawn=st.lists(st.tuples(st.integers(0, 999), st.integers(1, 40)), min_size=1, max_size=6),
    season=st.sampled_from([1, 4, 26]),
    padding=st.integers(0, 3),
)
def test_a_forecast_does_not_depend_on_other_series_or_padding(
    drawn: list[tuple[int, int]], season: int, padding: int
) -> None:
    series = [seasonal_series(seed, steps) for seed, steps in drawn]
    together = forecast(histories_of(*series, padding=padding), season=season, horizon=6)
    for i, values in enumerate(series):
        alone = forecast(histories_of(values), season=season, horizon=6)
        np.testing.assert_array_equal(alone.mean[0], together.mean[i])
        np.testing.assert_array_equal(alone.variance[0], together.variance[i])


@settings(max_examples=10)
@given(
    seed=st.integers(0, 999), steps=st.integers(5, 40), factor=st.sampled_from([0.25, 8.0, 2**20])
)
def test_forecasts_scale_with_the_values(seed: int, steps: int, factor: float) -> None:
    values = seasonal_series(seed, steps)
    one = forecast(histories_of(values), season=4, horizon=6)
    scaled = forecast(histories_of(values * factor), season=4, horizon=6)
    np.testing.assert_allclose(scaled.mean, one.mean * factor, rtol=1e-12)
    np.testing.assert_allclose(scaled.variance, one.variance * factor**2, rtol=1e-12)


@settings(max_examples=10)
@given(seed=st.integers(0, 999), steps=st.integers(20, 40), after=st.integers(1, 10))
def test_values_after_the_origin_are_not_read(seed: int, steps: int, after: int) -> None:
    values = seasonal_series(seed, steps + after)
    changed = np.where(np.arange(steps + after) < steps, values, -1e9)
    results = [
        forecast(
            Histories.from_flat(
                flat, np.array([0, len(flat)]), np.array([0]), np.array([steps]), max_steps=99
            ),
            season=4,
            horizon=3,
        )
        for flat in (values, changed)
    ]
    np.testing.assert_array_equal(results[0].mean, results[1].mean)


def test_few_values_with_large_relative_errors_have_no_endless_band() -> None:
    # relative errors of a multiplicative season, estimated from 17 values, are far above one
    rng = np.random.default_rng(4)
    series = [np.exp(2 * rng.normal(size=count)) for count in range(13, 30)]
    found = forecast(histories_of(*series), season=12, horizon=18)
    span = np.array([np.ptp(each) for each in series])
    steps = np.sqrt(np.arange(1, 19))
    assert (np.sqrt(found.variance) <= span[:, None] * steps * (1 + 1e-12)).all()
    assert np.isfinite(found.variance).all()
