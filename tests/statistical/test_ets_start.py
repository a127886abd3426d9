"""Tests of the decomposition from which exponential smoothing starts."""

import numpy as np
import pytest

from rnnforecast.statistical.ets_start import remove_long_season, starting_level
from rnnforecast.statistical.seasonal_adjustment import by_step, seasonal_averages


@pytest.mark.parametrize("season", [3, 4])
@pytest.mark.parametrize("multiplicative", [False, True])
def test_the_season_of_a_level_without_noise_is_found(season: int, multiplicative: bool) -> None:
    component = np.array([0.7, 1.0, 1.1, 1.2])[:season]
    component = component / component.mean() if multiplicative else component - component.mean()
    line = 50.0 if multiplicative else 50 + 2 * np.arange(6 * season)
    step = np.tile(component, 6)
    values = (line * step if multiplicative else line + step)[:, None]
    values = np.concatenate([np.zeros((2, 1)), values])  # two steps before the history
    found, noise = seasonal_averages(values, np.array([2]), season, multiplicative=multiplicative)
    np.testing.assert_allclose(found[:, 0], component, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(by_step(found, 6 * season)[:, 0], step, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(noise, 0, atol=1e-20)


def test_less_than_two_seasons_have_no_component() -> None:
    found, noise = seasonal_averages(
        np.arange(7.0)[:, None], np.array([0]), 4, multiplicative=False
    )
    np.testing.assert_array_equal(found, 0)
    np.testing.assert_array_equal(noise, 0)


def test_the_starting_line_is_that_of_the_first_values() -> None:
    values = np.array([0, 0, 5, 7, 9, 11, 90.0])[:, None]
    mean, level, slope = starting_level(values, np.array([2]), 4)
    np.testing.assert_allclose([mean[0], level[0], slope[0]], [8, 3, 2])


def test_a_long_season_is_removed_as_far_as_it_is_not_noise() -> None:
    season = 10 * np.sin(2 * np.pi * np.arange(26) / 26)
    exact = 100 + np.tile(season, 6)[:, None]
    noise = np.random.default_rng(0).normal(size=(156, 1))
    values, component = remove_long_season(exact, np.array([0]), 26)
    np.testing.assert_allclose(values, 100, atol=1e-9)
    np.testing.assert_allclose(component[:, 0], season, atol=1e-9)
    values, component = remove_long_season(noise, np.array([0]), 26)
    raw, _ = seasonal_averages(noise, np.array([0]), 26, multiplicative=False)
    assert np.std(component) < 0.5 * np.std(raw)
    values, component = remove_long_season(exact, np.array([0]), 24)
    np.testing.assert_array_equal(values, exact)
