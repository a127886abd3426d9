"""Quantiles of seasonal naive forecasts against hand calculations and scipy."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from rnnforecast.evaluation.baselines import seasonal_naive_quantiles, simple_forecasts
from rnnforecast.statistical.naive import seasonal_naive


def test_quantiles_widen_with_the_root_of_the_seasons_ahead() -> None:
    values = np.array([1.0, 2, 4, 3, 5, 7])[:, None]
    levels = (0.025, 0.5, 0.9)
    found = seasonal_naive_quantiles(
        values, np.array([0, 6]), season=2, horizon=5, ends=np.array([6]), levels=levels
    )
    deviation = np.sqrt((3**2 + 1**2 + 1**2 + 4**2) / 4)
    seasons_ahead = np.array([1, 1, 2, 2, 3])
    expected = norm.ppf(
        np.array(levels),
        loc=np.array([5, 7, 5, 7, 5])[:, None],
        scale=deviation * np.sqrt(seasons_ahead)[:, None],
    )
    assert found.shape == (1, 5, 1, 3)
    np.testing.assert_allclose(found[0, :, 0], expected, rtol=1e-12)


def test_a_history_shorter_than_a_season_widens_as_a_random_walk() -> None:
    values = np.array([1.0, 4.0, 8.0])[:, None]
    found = seasonal_naive_quantiles(
        values, np.array([0, 3]), season=5, horizon=4, ends=np.array([3]), levels=(0.9,)
    )
    point = seasonal_naive(values, np.array([0, 3]), season=5, horizon=4, ends=np.array([3]))
    deviation = np.sqrt((3**2 + 4**2) / 2 * np.arange(1, 5))
    np.testing.assert_allclose((found[..., 0] - point)[0, :, 0], norm.ppf(0.9) * deviation)


def test_one_value_alone_gives_no_quantiles() -> None:
    found = seasonal_naive_quantiles(
        np.ones((1, 1)), np.array([0, 1]), season=1, horizon=2, ends=np.array([1]), levels=(0.5,)
    )
    assert np.isnan(found).all()


def test_quantiles_with_drift_are_those_of_the_drift_method() -> None:
    """Hyndman and Athanasopoulos, 5.5: sigma * sqrt(h * (1 + h / (T - 1)))."""
    values = np.array([1.0, 4, 5, 9, 8, 12])[:, None]
    point = seasonal_naive(
        values, np.array([0, 6]), season=1, horizon=4, ends=np.array([6]), drift=True
    )
    found = seasonal_naive_quantiles(
        values,
        np.array([0, 6]),
        season=1,
        horizon=4,
        ends=np.array([6]),
        levels=(0.9,),
        drift=True,
    )
    step = np.arange(1, 5)
    deviation = np.std(np.diff(values[:, 0]), ddof=1) * np.sqrt(step * (1 + step / 5))
    np.testing.assert_allclose((found[..., 0] - point)[0, :, 0], norm.ppf(0.9) * deviation)


def test_the_simple_forecasts_of_a_season_begin_with_the_usual_one() -> None:
    assert [each.name for each in simple_forecasts(12)] == [
        "seasonal naive",
        "seasonal naive with drift",
        "naive",
        "drift",
    ]
    assert [each.name for each in simple_forecasts(1)] == ["naive", "drift"]
