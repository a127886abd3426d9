"""Weights of networks beside the statistical forecast."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.evaluation.network_weight import (
    NETWORKS_ONLY,
    NetworkWeight,
    best_weight,
    prior_weight,
    shrunk_weight,
    validation_share,
)

LEVELS = (0.1, 0.5, 0.9)
weights = st.floats(0, 1)


def test_median_and_spread_have_weights_of_their_own() -> None:
    networks, statistical = np.array([8.0, 10.0, 14.0]), np.array([19.0, 20.0, 22.0])
    found = NetworkWeight(median=0.25, spread=0.5).combine(networks, statistical, LEVELS)
    median = 0.25 * 10 + 0.75 * 20
    np.testing.assert_allclose(found, [median - (2 + 1) / 2, median, median + (4 + 2) / 2])


def test_point_forecasts_are_combined_like_medians() -> None:
    networks, statistical = np.array([11.0, 8.0, 10.0, 14.0]), np.array([21.0, 19.0, 20.0, 22.0])
    found = NetworkWeight(0.25, 0.5).combine_forecasts(networks, statistical, LEVELS)
    assert found[0] == pytest.approx(0.25 * 11 + 0.75 * 21)
    np.testing.assert_allclose(
        found[1:], NetworkWeight(0.25, 0.5).combine(networks[1:], statistical[1:], LEVELS)
    )


def test_networks_alone_are_unchanged() -> None:
    networks = np.array([0.1, 0.7, 1.9])
    found = NETWORKS_ONLY.combine(networks, np.zeros(3), LEVELS)
    np.testing.assert_allclose(found, networks)


@given(weights, weights, st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6))
def test_combined_quantiles_do_not_cross(median: float, spread: float, values: list[float]) -> None:
    networks, statistical = np.sort(np.array(values).reshape(2, 3), axis=1)
    found = NetworkWeight(median, spread).combine(networks, statistical, LEVELS)
    assert (np.diff(found) >= -1e-9 * np.abs(found).max()).all()


@given(weights, st.integers(0, 2**32 - 1))
def test_the_best_weight_of_a_true_mixture_is_found(weight: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    networks, statistical = random.normal(size=(2, 50, 6))
    actual = weight * networks + (1 - weight) * statistical
    found = best_weight(networks, statistical, actual, np.ones(50))
    assert found == pytest.approx(weight, abs=0.026)  # half a step of the grid


def test_unknown_values_and_windows_without_scale_do_not_count() -> None:
    networks, statistical = np.ones((3, 2)), np.zeros((3, 2))
    actual = np.array([[1.0, np.nan], [0.0, 0.0], [np.nan, np.nan]])
    assert best_weight(networks, statistical, actual, np.array([1.0, 0.0, 1.0])) == 1.0
    assert math.isnan(best_weight(networks, statistical, np.full((3, 2), np.nan), np.ones(3)))


def test_without_validation_the_weight_is_the_prior() -> None:
    assert shrunk_weight(math.nan, 0, 12.0) == pytest.approx(prior_weight(12.0), abs=1e-3)
    assert shrunk_weight(0.9, 0, 12.0) == pytest.approx(prior_weight(12.0), abs=1e-3)


@given(st.floats(0, 1), st.floats(1, 1e5))
def test_many_validation_windows_decide_alone(best: float, trained: float) -> None:
    found = shrunk_weight(best, 10**7, trained)
    assert found == pytest.approx(1.0 if best > 0.95 else best, abs=2e-3)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_prior_grows_with_the_windows_trained_on(one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert 0 < prior_weight(low) <= prior_weight(high) < 1


def test_validation_counts_more_with_more_windows() -> None:
    shares = [validation_share(count) for count in (0, 1, 20, 2000)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] < 1
