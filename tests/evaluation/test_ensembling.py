"""Combined forecasts and ensemble weights against calculations by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnnforecast.evaluation.ensembling import (
    SELECTION_ROUNDS,
    ForecastCombiner,
    fit_combiner,
    fit_weights,
)

LEVELS = (0.1, 0.5, 0.9)
METHODS = ("median", "mean", "weights")
VALUES = st.floats(-1e9, 1e9, allow_nan=False, width=32)


def truth(windows: int = 40, horizon: int = 3) -> np.ndarray:
    return np.asarray(np.random.default_rng(0).normal(50.0, 10.0, (windows, horizon)))


def around(actual: np.ndarray, error: float | np.ndarray) -> np.ndarray:
    """Quantiles of a forecaster whose median is off by `error`."""
    return np.asarray((actual + error)[..., None] + np.array([-2.0, 0.0, 2.0]))


def pinball(found: np.ndarray, actual: np.ndarray) -> float:
    error = actual[..., None] - found
    level = np.array(LEVELS)
    return float(np.maximum(level * error, (level - 1) * error).mean())


def test_median_mean_and_weighted_mean_agree_with_a_calculation_by_hand() -> None:
    three = np.array([[1.0, 10.0], [2.0, 40.0], [9.0, 100.0]])
    assert ForecastCombiner("median").combine(three).tolist() == [2.0, 40.0]
    assert ForecastCombiner("mean").combine(three).tolist() == [4.0, 50.0]
    weighted = ForecastCombiner("weights", (0.5, 0.5, 0.0)).combine(three)
    np.testing.assert_allclose(weighted, [1.5, 25.0], rtol=1e-15)


def test_the_median_of_an_even_number_lies_between_the_middle_two() -> None:
    four = np.array([[1.0], [2.0], [4.0], [100.0]])
    assert ForecastCombiner("median").combine(four).tolist() == [3.0]


@given(
    arrays(np.float64, (4, 3, 5), elements=VALUES),
    arrays(np.float64, 4, elements=st.floats(0, 1, width=32)),
)
def test_combined_quantiles_do_not_cross_and_lie_between_the_members(
    forecasts: np.ndarray, shares: np.ndarray
) -> None:
    forecasts = np.sort(forecasts, axis=-1)
    shares[0] += 1.0
    weights = tuple(map(float, shares / shares.sum()))
    for method in METHODS:
        found = ForecastCombiner(method, weights).combine(forecasts)
        assert (np.diff(found, axis=-1) >= 0).all()
        slack = 1e-12 * np.abs(forecasts).max()
        assert (found >= forecasts.min(0) - slack).all()
        assert (found <= forecasts.max(0) + slack).all()


@pytest.mark.parametrize("method", METHODS)
def test_equal_quantiles_stay_equal_to_the_last_bit(method: str) -> None:
    random = np.random.default_rng(0)
    for width in range(2, 40):
        equal = np.repeat(random.normal(size=(7, 3, 1)), width, -1)
        weights = random.dirichlet(np.ones(7))
        found = ForecastCombiner(method, tuple(map(float, weights))).combine(equal)
        assert (found == found[..., :1]).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_single_forecast_is_returned_bit_for_bit(method: str) -> None:
    single = np.random.default_rng(0).normal(size=(1, 6, 5)) / 3.0
    single[0, 2] = np.nan
    found = ForecastCombiner(method, (1.0,)).combine(single)
    assert found.tobytes() == single[0].tobytes()


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_forecast_stays_missing_and_leaves_the_others(method: str) -> None:
    two = np.array([[[1.0, 3.0], [np.nan, np.nan]], [[3.0, 5.0], [np.nan, np.nan]]])
    found = ForecastCombiner(method, (0.5, 0.5)).combine(two)
    assert found[0].tolist() == [2.0, 4.0]
    assert np.isnan(found[1]).all()


def test_a_member_that_does_not_help_has_no_weight() -> None:
    actual = truth()
    far = np.stack([around(actual, 30.0), around(actual, 0.0)])
    assert fit_weights(far, actual, np.ones(40), LEVELS).tolist() == [0.0, 1.0]


def test_weights_are_multiples_of_one_round_and_sum_to_one() -> None:
    actual = truth()
    noise = np.random.default_rng(1).normal(0, 3, (4, *actual.shape))
    found = fit_weights(
        np.stack([around(actual, each) for each in noise]), actual, np.ones(40), LEVELS
    )
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    assert (found >= 0).all()
    np.testing.assert_allclose(
        found * SELECTION_ROUNDS, np.round(found * SELECTION_ROUNDS), atol=1e-9
    )


def test_members_with_opposite_errors_have_equal_weights() -> None:
    actual = truth()
    two = np.stack([around(actual, 5.0), around(actual, -5.0)])
    found = fit_weights(two, actual, np.ones(40), LEVELS)
    np.testing.assert_allclose(found, [0.5, 0.5], atol=1e-12)
    combined = pinball(ForecastCombiner("weights", tuple(map(float, found))).combine(two), actual)
    assert combined < 0.5 * min(pinball(each, actual) for each in two)


def test_unobserved_steps_do_not_change_the_weights() -> None:
    actual = truth()
    good, bad = np.full(actual.shape, 1.0), np.full(actual.shape, 8.0)
    good[:, 1] = 1e6
    two = np.stack([around(actual, good), around(actual, bad)])
    actual[:, 1] = np.nan
    assert fit_weights(two, actual, np.ones(40), LEVELS).tolist() == [1.0, 0.0]


def test_errors_are_relative_to_the_scale_of_the_window_and_ignored_without_one() -> None:
    actual = truth(4)
    size = np.array([0.0, 1000.0, 1.0, 1.0])
    one = np.array([0.0, 0.0, 1.0, 1.0])[:, None] * np.ones(3)
    other = np.array([1e9, 100.0, 0.0, 0.0])[:, None] * np.ones(3)
    two = np.stack([around(actual, one), around(actual, other)])
    found = fit_weights(
        two, actual, size, LEVELS
    )  # by their sizes the errors are 2 of 1 and 1 of 0.1
    assert found[1] > found[0]


def test_weights_do_not_depend_on_the_unit() -> None:
    actual = truth()
    noise = np.random.default_rng(2).normal(0, 3, (3, *actual.shape))
    three = np.stack([around(actual, each) for each in noise])
    once = fit_weights(three, actual, np.full(40, 50.0), LEVELS)
    np.testing.assert_array_equal(
        once, fit_weights(1024 * three, 1024 * actual, np.full(40, 51200.0), LEVELS)
    )


def test_weights_are_fitted_only_for_the_method_that_needs_them() -> None:
    actual = truth()
    two = np.stack([around(actual, 30.0), around(actual, 0.0)])
    fitted = [fit_combiner(method, two, actual, np.ones(40), LEVELS) for method in METHODS]
    assert {each.method: each.weights for each in fitted} == {
        "median": (), "mean": (), "weights": (0.0, 1.0),
    }  # fmt: skip
    assert fit_combiner("weights", two[:1], actual, np.ones(40), LEVELS).weights == ()
