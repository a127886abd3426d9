"""Totals over steps and series."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from rnnforecast.evaluation.aggregation import (
    error_correlation_between_series,
    quantile_mean_and_variance,
    sample_totals,
    sum_over_series,
    total_variance,
)
from rnnforecast.evaluation.sample_paths import build_sample_paths

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
SCORES = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def test_mean_and_variance_of_normal_quantiles_are_those_of_the_distribution() -> None:
    mean, variance = quantile_mean_and_variance(3 + 2 * SCORES, LEVELS)
    assert (float(mean), float(variance)) == pytest.approx((3, 4), rel=1e-4)


def test_mean_and_variance_of_skewed_quantiles_are_those_of_sample_paths() -> None:
    quantiles = np.array([[[0.0, 0.0, 1.0, 5.0, 9.0]], [[-1.0, 0.0, 0.5, 1.0, 20.0]]])
    normals = np.random.default_rng(0).standard_normal((200_000, 1))
    samples = build_sample_paths(normals, quantiles, LEVELS)[..., 0]  # [2, 200000]
    mean, variance = quantile_mean_and_variance(quantiles[:, 0], LEVELS)
    np.testing.assert_allclose(mean, samples.mean(1), rtol=0.02)
    np.testing.assert_allclose(variance, samples.var(1), rtol=0.03)


def test_a_single_quantile_has_no_variance() -> None:
    mean, variance = quantile_mean_and_variance(np.array([[7.0]]), (0.5,))
    assert mean == pytest.approx(7)
    assert variance == pytest.approx(0)


def test_the_variance_of_a_total_follows_the_correlation_of_its_steps() -> None:
    variance = np.array([1.0, 4.0])
    correlation = np.array([[1.0, 0.5], [0.5, 1.0]])
    assert total_variance(variance, correlation) == pytest.approx(1 + 4 + 2 * 0.5 * 1 * 2)
    assert total_variance(variance, np.eye(2)) == pytest.approx(5)


def test_sampled_totals_have_the_variance_of_their_steps() -> None:
    quantiles = np.stack([10 + SCORES, 10 + 2 * SCORES])[None]  # [1, 2, Q]
    correlation = np.array([[1.0, 0.5], [0.5, 1.0]])
    totals = sample_totals(quantiles, LEVELS, correlation, n_samples=20_000, seed=1)
    assert totals.shape == (1, 20_000)
    assert float(totals.mean()) == pytest.approx(20)
    assert float(totals.var()) == pytest.approx(7, rel=0.05)


def test_a_sum_of_series_is_between_independent_and_equal_errors() -> None:
    variance = np.array([1.0, 4.0, 9.0])
    assert sum_over_series(variance, 0.0) == pytest.approx(14)
    assert sum_over_series(variance, 1.0) == pytest.approx(36)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 1.0])
def test_the_correlation_between_series_is_found_in_their_errors(correlation: float) -> None:
    random = np.random.default_rng(0)
    common, own = random.standard_normal((400, 1)), random.standard_normal((400, 20))
    errors = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
    times = np.repeat(np.arange(400), 20)
    found = error_correlation_between_series(errors.reshape(-1), np.ones(8000), times)
    assert found == pytest.approx(correlation, abs=0.08)


def test_a_series_alone_has_no_correlation_with_others() -> None:
    assert np.isnan(error_correlation_between_series(np.ones(3), np.ones(3), np.arange(3)))
