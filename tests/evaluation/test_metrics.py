"""Metrics against calculations by hand, pandas and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, root_mean_squared_error

from rnnforecast.evaluation import metrics

NAN = math.nan
RNG = np.random.default_rng(0)
ACTUAL = RNG.gamma(2.0, 10.0, size=(5, 4, 2))
FORECAST = ACTUAL + RNG.normal(size=ACTUAL.shape)
MISSING = RNG.random(ACTUAL.shape) < 0.2
GAPPY = np.where(MISSING, NAN, ACTUAL)


def cube(*series: list[float]) -> metrics.Floats:
    """Series by horizon, of one target: `[S, H, 1]`."""
    return np.array(series, dtype=np.float64)[..., None]


def test_smape_is_a_mean_over_series_of_means_over_steps() -> None:
    actual, forecast = cube([1, 3], [10, NAN]), cube([3, 1], [10, 5])
    # 200 * (2/4 + 2/4) / 2 = 100 for the first series, 0 for the second
    assert metrics.smape(actual, forecast) == pytest.approx(50.0)


def test_smape_of_two_zeros_is_zero() -> None:
    assert metrics.smape(cube([0, 0]), cube([0, 1])) == pytest.approx(100.0)


def test_mase_leaves_out_series_without_a_scale() -> None:
    actual, forecast = cube([1, 3], [10, 12]), cube([2, 5], [0, 0])
    assert metrics.mase(actual, forecast, np.array([[0.5], [NAN]])) == pytest.approx(3.0)
    assert math.isnan(metrics.mase(actual, forecast, np.full((2, 1), NAN)))


def test_mae_and_rmse_agree_with_scikit_learn_target_by_target() -> None:
    observed = [~MISSING[..., c] for c in range(2)]
    pairs = [(ACTUAL[..., c][observed[c]], FORECAST[..., c][observed[c]]) for c in range(2)]
    mae = np.mean([mean_absolute_error(a, f) for a, f in pairs])
    rmse = np.mean([root_mean_squared_error(a, f) for a, f in pairs])
    assert metrics.mae(GAPPY, FORECAST) == pytest.approx(mae)
    assert metrics.rmse(GAPPY, FORECAST) == pytest.approx(rmse)


def test_weighted_quantile_loss_agrees_with_scikit_learn() -> None:
    levels = (0.1, 0.5, 0.975)
    quantiles = FORECAST[..., None] + np.array([-1.0, 0.0, 2.0])
    expected = np.mean(
        [
            2 * mean_pinball_loss(a, q[..., i][observed], alpha=level) / np.abs(a).mean()
            for i, level in enumerate(levels)
            for c in range(2)
            for observed in [~MISSING[..., c]]
            for a, q in [(ACTUAL[..., c][observed], quantiles[:, :, c])]
        ]
    )
    assert metrics.weighted_quantile_loss(GAPPY, quantiles, levels) == pytest.approx(expected)


def test_weighted_quantile_loss_of_zeros_is_not_defined() -> None:
    zeros = cube([0, 0])
    assert math.isnan(metrics.weighted_quantile_loss(zeros, zeros[..., None] + 1, (0.5,)))


def test_coverage_includes_both_ends_and_ignores_unobserved_values() -> None:
    actual = cube([1, 2, 3, NAN, 4])
    assert metrics.coverage(actual, np.full_like(actual, 2), np.full_like(actual, 3)) == 0.5


def test_a_missing_forecast_of_an_observed_value_makes_metrics_undefined() -> None:
    incomplete = FORECAST.copy()
    incomplete[2, 1, 0] = NAN
    scale = np.ones((5, 2))
    quantiles = incomplete[..., None].repeat(3, axis=-1)
    found = metrics.compute_metrics(
        ACTUAL, incomplete, scale=scale, quantiles=quantiles, levels=(0.1, 0.5, 0.9)
    )
    assert all(math.isnan(value) for value in found.values())
    unobserved = np.where(np.isnan(incomplete), NAN, ACTUAL)
    assert not any(
        math.isnan(v) for v in metrics.compute_metrics(unobserved, incomplete, scale=scale).values()
    )


def test_a_missing_forecast_of_an_unobserved_value_is_ignored() -> None:
    actual, forecast = cube([1.0, NAN], [2.0, 3.0]), cube([2.0, NAN], [2.0, 5.0])
    quantiles = forecast[..., None] + np.array([-0.5, 0.0, 0.5])
    found = metrics.compute_metrics(
        actual, forecast, scale=np.ones((2, 1)), quantiles=quantiles, levels=(0.1, 0.5, 0.9)
    )
    assert found["mae"] == 1.0
    assert found["coverage_80"] == pytest.approx(1 / 3)
    # twice the pinball losses of errors -1, 0, -2 from the three quantiles
    pinball = [0.9 * 0.5 + 0.5 * 1 + 0.1 * 1.5, 0.1 * 0.5 + 0.1 * 0.5, 0.9 * 1.5 + 1 + 0.1 * 2.5]
    assert found["wql"] == pytest.approx(2 * sum(pinball) / 3 / 6)


def test_without_observations_metrics_are_undefined() -> None:
    unobserved = np.full_like(ACTUAL, NAN)
    found = metrics.compute_metrics(unobserved, FORECAST, scale=np.ones((5, 2)))
    assert all(math.isnan(value) for value in found.values())


def test_each_coverage_is_named_by_its_nominal_value() -> None:
    levels = (0.025, 0.1, 0.5, 0.9, 0.975)
    quantiles = np.zeros((1, 2, 1, 5)) + np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    found = metrics.compute_metrics(
        cube([3.5, 2]), cube([2, 2]), scale=np.ones((1, 1)), quantiles=quantiles, levels=levels
    )
    assert list(found) == ["smape", "mase", "mae", "rmse", "wql", "coverage_95", "coverage_80"]
    assert (found["coverage_95"], found["coverage_80"]) == (1.0, 0.5)
    asymmetric = metrics.compute_metrics(
        cube([3.5, 2]),
        cube([2, 2]),
        scale=np.ones((1, 1)),
        quantiles=quantiles[..., :2],
        levels=(0.2, 0.6),
    )
    assert list(asymmetric) == ["smape", "mase", "mae", "rmse", "wql"]


def test_metrics_by_series_average_to_the_metric() -> None:
    scale = np.arange(1.0, 11.0).reshape(5, 2)
    by_series = metrics.mase_by_series(GAPPY, FORECAST, scale)
    assert by_series.shape == (5, 2)
    assert by_series.mean() == pytest.approx(metrics.mase(GAPPY, FORECAST, scale))
    smape = metrics.smape_by_series(GAPPY, FORECAST)
    assert smape.mean() == pytest.approx(metrics.smape(GAPPY, FORECAST))


def test_the_scale_is_the_mean_seasonal_change_before_the_end() -> None:
    values = np.array([1.0, 2, 4, 7, 50, 5, 5, NAN, NAN])[:, None]
    scale = metrics.seasonal_scale(values, np.array([0, 5, 9]), season=2, ends=np.array([4, 9]))
    # |4-1|, |7-2| (the 50 is after the end); then no two values two steps apart
    assert scale[0, 0] == 4.0
    assert math.isnan(scale[1, 0])


def test_series_that_are_constant_short_or_empty_have_no_scale() -> None:
    values = np.array([3.0, 3, 3, 1, 2])[:, None]
    offsets = np.array([0, 3, 3, 4, 5])
    scale = metrics.seasonal_scale(values, offsets, season=1, ends=offsets[1:])
    assert np.isnan(scale).all()


def test_an_end_outside_its_series_is_refused() -> None:
    with pytest.raises(ValueError, match="flat rows"):
        metrics.seasonal_scale(
            np.ones((4, 1)), np.array([0, 2, 4]), season=1, ends=np.array([2, 1])
        )


def test_errors_of_huge_numbers_do_not_overflow() -> None:
    actual, forecast = cube([1e308, 1e308, 1e308]), cube([5e307, 0.0, 5e307])
    assert metrics.mae(actual, forecast) == pytest.approx(2 / 3 * 1e308)
    assert metrics.rmse(actual, forecast) == pytest.approx(1e308 * math.sqrt(0.5))
