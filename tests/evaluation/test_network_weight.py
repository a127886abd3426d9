"""Weights of networks beside the statistical forecast."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.evaluation.network_weight import (
    NETWORKS_ONLY,
    NetworkWeight,
    fit_network_weight,
    prior_weight,
    validation_share,
)
from rnnforecast.types import Floats

LEVELS = (0.1, 0.5, 0.9)
weights = st.floats(0, 1)


def fit(
    networks: Floats,
    statistical: Floats,
    actual: Floats,
    *,
    scale: Floats | None = None,
    validation: int,
    trained: float = 30.0,
) -> float:
    """The weight on windows of equal scale, unless another is given."""
    return fit_network_weight(
        networks,
        statistical,
        actual,
        np.ones(len(actual)) if scale is None else scale,
        validation_windows=validation,
        values_per_series=trained,
    )


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


def mixture(weight: float, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Forecasts of networks and of statistical methods, and a mixture of both."""
    networks, statistical = np.random.default_rng(seed).normal(size=(2, 50, 6))
    return networks, statistical, weight * networks + (1 - weight) * statistical


@given(weights, st.integers(0, 2**32 - 1))
def test_the_weight_of_a_true_mixture_is_found_whatever_the_prior(weight: float, seed: int) -> None:
    for trained in (1.0, 1e6):
        found = fit(*mixture(weight, seed), validation=10, trained=trained)
        assert found == pytest.approx(1.0 if weight > 0.95 else weight, abs=0.0101)


def test_unknown_values_and_windows_without_scale_do_not_count() -> None:
    networks, statistical = np.ones((3, 2)), np.zeros((3, 2))
    actual = np.array([[1.0, np.nan], [0.0, 0.0], [np.nan, np.nan]])
    scale = np.array([1.0, 0.0, 1.0])
    assert fit(networks, statistical, actual, scale=scale, validation=1) == 1.0
    nothing = np.full((3, 2), np.nan)
    assert fit(networks, statistical, nothing, validation=5) == round(prior_weight(30.0), 3)


def test_without_validation_the_weight_is_the_prior() -> None:
    for trained in (0.5, 12.0, 1e5):
        found = fit(*mixture(0.9), validation=0, trained=trained)
        assert found == round(prior_weight(trained), 3)


def test_more_validation_windows_take_the_weight_further_from_the_prior() -> None:
    noise = np.random.default_rng(1).normal(size=(50, 6))
    networks, statistical, actual = mixture(0.9)
    found = [
        fit(networks, statistical, actual + noise, validation=count, trained=1.0)
        for count in (1, 10, 1000)
    ]
    assert prior_weight(1.0) < found[0] < found[1] < found[2]


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_prior_grows_with_the_values_of_a_series(one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert 0 < prior_weight(low) <= prior_weight(high) < 1


def test_validation_counts_more_with_more_windows() -> None:
    shares = [validation_share(count) for count in (0, 1, 20, 2000)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] < 1


def test_networks_alone_forecast_what_has_no_statistical_forecast() -> None:
    networks, nothing = np.array([[4.0, 3.0, 4.0, 6.0]]), np.full((1, 4), np.nan)
    found = NetworkWeight(0.2, 0.1).combine_forecasts(networks, nothing, (0.1, 0.5, 0.9))
    np.testing.assert_allclose(found, networks)
