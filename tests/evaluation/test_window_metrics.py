"""Losses of single values against scikit-learn, closed forms and calculations by hand."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss

from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.evaluation.window_metrics import (
    crps_from_quantiles,
    interval_score,
    level_weights,
    pinball_loss,
    symmetric_level_pairs,
    window_metrics,
)

NORMAL = NormalDist()
RNG = np.random.default_rng(0)
ACTUAL = RNG.normal(5, 3, (6, 4, 2))
NAN = float("nan")


@pytest.mark.parametrize("level", [0.1, 0.5, 0.975])
def test_the_pinball_loss_agrees_with_scikit_learn(level: float) -> None:
    quantile = ACTUAL + RNG.normal(size=ACTUAL.shape)
    expected = mean_pinball_loss(ACTUAL.ravel(), quantile.ravel(), alpha=level)
    assert pinball_loss(ACTUAL, quantile, level).mean() == pytest.approx(expected)


def test_crps_of_many_quantiles_agrees_with_that_of_the_normal_distribution() -> None:
    levels = (np.arange(2000) + 0.5) / 2000
    quantiles = np.array([NORMAL.inv_cdf(level) for level in levels])
    for actual in (-1.7, 0.0, 0.4, 3.0):
        # Gneiting and Raftery 2007, equation 21
        expected = (
            actual * (2 * NORMAL.cdf(actual) - 1) + 2 * NORMAL.pdf(actual) - 1 / np.sqrt(np.pi)
        )
        found = crps_from_quantiles(np.array([actual]), quantiles[None], list(levels))
        assert found[0] == pytest.approx(expected, abs=1e-3)


def test_crps_of_a_forecast_without_width_is_the_absolute_error() -> None:
    levels = (0.025, 0.1, 0.5, 0.9, 0.975)
    quantiles = np.repeat(ACTUAL[..., None] + 2.0, 5, axis=-1)
    np.testing.assert_allclose(crps_from_quantiles(ACTUAL, quantiles, levels), 2.0)
    np.testing.assert_allclose(crps_from_quantiles(ACTUAL, quantiles[..., :1], (0.5,)), 2.0)


def test_each_level_stands_for_the_probabilities_nearest_to_it() -> None:
    np.testing.assert_allclose(level_weights((0.1, 0.5, 0.9)), (0.3, 0.4, 0.3))
    np.testing.assert_allclose(level_weights((0.125, 0.375, 0.625, 0.875)), 0.25)
    np.testing.assert_allclose(level_weights((0.2, 0.4)), (0.3, 0.7))
    # 2 * (0.3 * 0.1 * 2 + 0.4 * 0.5 * 1 + 0.3 * 0.1 * 1)
    found = crps_from_quantiles(np.array([3.0]), np.array([[1.0, 2.0, 4.0]]), (0.1, 0.5, 0.9))
    assert found[0] == pytest.approx(2 * (0.3 * 0.2 + 0.4 * 0.5 + 0.3 * 0.1))


def test_the_interval_score_adds_the_distance_of_values_outside() -> None:
    actual = np.array([5.0, 1.0, 9.0, 2.0])
    found = interval_score(actual, np.full(4, 2.0), np.full(4, 8.0), 0.8)
    np.testing.assert_allclose(found, [6, 6 + 10 * 1, 6 + 10 * 1, 6])


def test_pairs_of_levels_are_found_widest_first() -> None:
    assert symmetric_level_pairs((0.025, 0.1, 0.3, 0.5, 0.9, 0.975)) == [(0, 5), (1, 4)]


@pytest.mark.parametrize("unit", [1e307, 1e-150])
def test_extreme_windows_have_the_same_metrics_in_their_units(unit: float) -> None:
    levels = (0.1, 0.5, 0.9)
    actual = np.where(RNG.random(ACTUAL.shape) < 0.2, NAN, np.abs(ACTUAL))
    yhat = np.abs(ACTUAL + RNG.normal(size=ACTUAL.shape))
    quantiles = yhat[..., None] * np.array([0.5, 1.0, 1.5])
    scale = RNG.uniform(1, 2, (6, 2))
    factor = np.ones((6, 1, 1))
    factor[2:4] = unit / 100
    plain = window_metrics(
        actual, WindowForecast(yhat, quantiles), levels, scale=scale, squared_scale=scale
    )
    extreme = window_metrics(
        actual * factor,
        WindowForecast(yhat * factor, quantiles * factor[..., None]),
        levels,
        scale=scale * factor[:, 0],
        squared_scale=scale,
    )
    for name, expected in plain.window_means.items():
        if name != "rmsse":
            np.testing.assert_allclose(extreme.window_means[name], expected, err_msg=name)
    for name, expected in plain.cell_means.items():
        in_units = expected if name.startswith("coverage") else expected * factor[:, 0]
        np.testing.assert_allclose(extreme.cell_means[name], in_units, err_msg=name)
    np.testing.assert_allclose(extreme.rmse, plain.rmse * factor[:, 0])
