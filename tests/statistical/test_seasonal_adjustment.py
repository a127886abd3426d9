"""Seasonal components against statsmodels and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.statistical.histories import StatisticalForecast
from rnnforecast.statistical.seasonal_adjustment import (
    PRIOR_NOISE,
    seasonal_averages,
    seasonally_adjust,
    sum_steps,
)
from tests.statistical.series import histories_of, noise

T = np.arange(23)
VALUES = np.round(50 + T + 8 * np.array([1, -2, 0, 3])[T % 4] + 4 * noise(23, 8), 2)


@pytest.mark.parametrize(
    ("multiplicative", "expected"),
    [  # seasonal_decompose(VALUES, model=..., period=4).seasonal of statsmodels 0.15
        (False, [20.339453, 3.532703, -19.479609, -4.392547]),
        (True, [1.316357, 1.055329, 0.698386, 0.929928]),
    ],
)
def test_averages_are_those_of_a_classical_decomposition(
    multiplicative: bool, expected: list[float]
) -> None:
    histories = histories_of(VALUES, padding=2)
    found, _ = seasonal_averages(
        histories.values, histories.start, 4, multiplicative=multiplicative
    )
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-6)


def test_an_exact_season_is_taken_out_but_for_the_prior_noise() -> None:
    pattern = np.array([3.0, -1, -2, 0])
    found = seasonally_adjust(histories_of(10 + np.tile(pattern, 40) - 20), 4)
    assert not found.multiplicative[0]
    np.testing.assert_allclose(found.component[:, 0], pattern, atol=0.05)
    two_seasons = seasonally_adjust(histories_of(np.tile(pattern, 2)), 4)
    np.testing.assert_allclose(two_seasons.component[:, 0], (1 - PRIOR_NOISE) * pattern)


def test_positive_values_have_factors_that_are_put_back() -> None:
    found = seasonally_adjust(histories_of(np.tile([1.0, 2, 3, 2], 10)), 4, tested=True)
    assert found.multiplicative[0]
    np.testing.assert_allclose(found.values, 2)
    forecast = found.restore(StatisticalForecast(np.full((1, 5), 3.0), np.ones((1, 5))))
    np.testing.assert_allclose(forecast.mean, [[1.5, 3, 4.5, 3, 1.5]])
    np.testing.assert_allclose(forecast.variance, [[0.25, 1, 2.25, 1, 0.25]])


def test_noise_has_hardly_a_season() -> None:
    values = noise(120, 3)
    found = seasonally_adjust(histories_of(values), 12)
    plain, _ = seasonal_averages(values[:, None], np.array([0]), 12, multiplicative=False)
    assert np.std(found.component) < 0.5 * np.std(plain)
    assert np.all(seasonally_adjust(histories_of(values), 12, tested=True).component == 0)


def test_late_seasons_weigh_more() -> None:
    early, late = np.tile([1.0, -1], 10), np.tile([-3.0, 3], 10)
    found = seasonally_adjust(histories_of(np.concatenate([early, late])), 2)
    assert np.all(np.abs(found.component[:, 0] - [-3, 3]) < 1)


def test_less_than_two_seasons_are_left_as_they_are() -> None:
    found = seasonally_adjust(histories_of(VALUES[:7]), 4)
    np.testing.assert_array_equal(found.values[:, 0], VALUES[:7])


@given(st.lists(st.floats(-1e6, 1e6), max_size=30))
def test_a_sum_does_not_depend_on_other_columns(values: list[float]) -> None:
    column = np.array(values, dtype=np.float64)[:, None]
    np.testing.assert_array_equal(sum_steps(column)[0], sum_steps(np.tile(column, 7))[3])
