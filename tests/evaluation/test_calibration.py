"""Conformal quantiles and interval scaling: order statistics and their coverage."""

from __future__ import annotations

from fractions import Fraction
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.evaluation.calibration import (
    IDENTITY_SCALING,
    SHRINKAGE_WINDOWS,
    IntervalScaling,
    fit_interval_scaling,
    residual_quantiles,
)

Sample = tuple[np.ndarray, np.ndarray]


def test_the_order_statistics_are_those_of_the_paper() -> None:
    errors = np.arange(1.0, 100.0)[::-1, None]  # 99 errors: (M + 1) q is 100 q
    levels = (0.025, 0.1, 0.29, 0.5, 0.9, 0.975)
    assert residual_quantiles(errors, levels)[0].tolist() == [2, 10, 29, 50, 90, 98]


def test_the_median_of_an_even_number_lies_between_the_two_in_the_middle() -> None:
    assert residual_quantiles(np.array([[1.0], [2], [4], [9]]), (0.5,))[0, 0] == 3.0


def test_levels_beyond_the_errors_get_the_outermost_ones() -> None:
    assert residual_quantiles(np.array([[3.0], [-1.0]]), (0.025, 0.975))[0].tolist() == [-1, 3]


def test_each_step_has_its_own_errors_and_missing_ones_are_ignored() -> None:
    errors = np.array([[1.0, 10, np.nan], [2, np.nan, np.nan], [3, 20, np.nan]])
    found = residual_quantiles(errors, (0.25, 0.5, 0.75))
    assert found[0].tolist() == [1, 2, 3]
    assert found[1].tolist() == [10, 15, 20]
    assert np.isnan(found[2]).all()


def test_further_axes_are_kept() -> None:
    errors = np.random.default_rng(0).normal(size=(20, 3, 2))
    found = residual_quantiles(errors, (0.1, 0.9))
    assert found.shape == (3, 2, 2)
    np.testing.assert_array_equal(found[:, 1], residual_quantiles(errors[:, :, 1], (0.1, 0.9)))


def test_no_errors_at_all_give_no_quantiles() -> None:
    assert np.isnan(residual_quantiles(np.full((1, 2), np.nan), (0.5,))).all()


@given(
    st.lists(st.integers(-1000, 1000), min_size=10, max_size=40, unique=True),
    st.sampled_from([Fraction(6, 10), Fraction(3, 4), Fraction(8, 10), Fraction(9, 10)]),
)
def test_an_error_left_out_is_covered_with_at_least_the_nominal_probability(
    numbers: list[int], level: Fraction
) -> None:
    # Exchangeable errors: each one is the next one with equal probability.
    errors = np.array(numbers, dtype=np.float64)
    above = below = 0
    for i in range(len(errors)):
        low, high = residual_quantiles(
            np.delete(errors, i)[:, None], (float(1 - level), float(level))
        )[0]
        above += bool(errors[i] <= high)
        below += bool(errors[i] >= low)
    nominal = level * len(errors)
    assert min(above, below) >= nominal


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    st.lists(st.floats(0.001, 0.999), min_size=2, max_size=6),
)
def test_quantiles_never_cross(errors: list[float], levels: list[float]) -> None:
    found = residual_quantiles(np.array(errors)[:, None], sorted(levels))[0]
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_many_errors_give_the_quantile_of_numpy(level: float) -> None:
    errors = np.random.default_rng(1).normal(size=(5000, 1))
    expected = np.quantile(errors, level)
    assert residual_quantiles(errors, (level,))[0, 0] == pytest.approx(expected, abs=0.01)


LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
MANY = 10**9
"""Independent windows, so many that nothing is shrunk."""
NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])


def scaled_normals(below: float, above: float, *, shape: tuple[int, int], seed: int = 0) -> Sample:
    """Standard normal values, and their quantiles too wide by these factors."""
    actual = np.random.default_rng(seed).normal(size=shape)
    quantiles = NORMAL * np.where(np.array(LEVELS) < 0.5, below, above)
    return actual, np.broadcast_to(quantiles, (*shape, len(LEVELS)))


def factors(*arguments: Any) -> tuple[float, float]:
    found = fit_interval_scaling(*arguments)
    return found.below, found.above


def test_intervals_too_wide_or_too_narrow_are_corrected_on_each_side() -> None:
    actual, quantiles = scaled_normals(1.8, 0.8, shape=(20_000, 10))
    below, above = factors(actual, quantiles, LEVELS, MANY)
    assert below == pytest.approx(1 / 1.8, rel=0.02)
    assert above == pytest.approx(1 / 0.8, rel=0.02)
    corrected = IntervalScaling(1 / 1.8, 1 / 0.8).apply(quantiles, LEVELS)
    np.testing.assert_allclose(corrected, np.broadcast_to(NORMAL, corrected.shape))


def test_units_and_missing_values_do_not_change_the_factors() -> None:
    actual, quantiles = scaled_normals(1.5, 0.8, shape=(500, 4))
    expected = factors(actual, quantiles, LEVELS, MANY)
    moved = factors(7 + 1000 * actual, 7 + 1000 * quantiles, LEVELS, MANY)
    assert moved == pytest.approx(expected)
    gaps = np.full((500, 3), np.nan)
    more = np.concatenate([actual, gaps], 1), np.concatenate([quantiles, 9 * quantiles[:, :3]], 1)
    assert factors(*more, LEVELS, MANY) == expected
    more = (
        np.concatenate([actual, actual]),
        np.concatenate([quantiles, np.full_like(quantiles, np.nan)]),
    )
    assert factors(*more, LEVELS, MANY) == expected


def test_factors_of_few_independent_windows_are_shrunk_to_one() -> None:
    actual, quantiles = scaled_normals(1.6, 1.6, shape=(1000, 10))
    half, small = (factors(actual, quantiles, LEVELS, n) for n in (SHRINKAGE_WINDOWS, 1))
    assert half == pytest.approx((1.6**-0.5, 1.6**-0.5), rel=0.02)
    assert small == pytest.approx((1, 1), abs=0.01)
    assert fit_interval_scaling(actual, quantiles, LEVELS, 0) == IDENTITY_SCALING
    assert (
        fit_interval_scaling(np.full_like(actual, np.nan), quantiles, LEVELS, MANY)
        == IDENTITY_SCALING
    )


def test_intervals_of_width_zero_are_not_scaled() -> None:
    actual, quantiles = scaled_normals(1.0, 1.0, shape=(1000, 2))
    assert fit_interval_scaling(actual, quantiles[..., [2]], [0.5], MANY) == IDENTITY_SCALING
    assert fit_interval_scaling(actual, 0 * quantiles, LEVELS, MANY) == IDENTITY_SCALING


@pytest.mark.parametrize("share", [0.1, 0.2, 1.0])
def test_tiny_intervals_in_some_windows_do_not_enlarge_all(
    share: float,
) -> None:
    actual, quantiles = scaled_normals(1.0, 1.0, shape=(1000, 2))
    tiny = np.arange(1000)[:, None, None] < 1000 * share
    assert max(factors(actual, np.where(tiny, 1e-300, 1) * quantiles, LEVELS, MANY)) <= 2


@given(st.floats(-5, 5))
def test_a_bias_scales_intervals_by_at_most_two(bias: float) -> None:
    actual, quantiles = scaled_normals(1.0, 1.0, shape=(1000, 2))
    below, above = factors(actual - bias, quantiles, LEVELS, MANY)
    assert 0.5 <= below <= 2
    assert 0.5 <= above <= 2
    if abs(bias) > 0.1:  # the more of the one side, the less of the other
        assert (below > 1 > above) == (bias > 0)


@given(st.integers(0, 50), st.floats(0.6, 1.8), st.floats(0.6, 1.8))
def test_scaled_intervals_have_their_nominal_coverage(
    seed: int, below: float, above: float
) -> None:
    actual, quantiles = scaled_normals(below, above, shape=(1000, 2), seed=seed)
    found = fit_interval_scaling(actual, quantiles, LEVELS, MANY).apply(quantiles, LEVELS)
    outside = [actual < found[..., k] for k in (0, 1)]
    assert np.mean(outside) == pytest.approx((0.025 + 0.1) / 2, abs=2e-3)
    outside = [actual > found[..., k] for k in (3, 4)]
    assert np.mean(outside) == pytest.approx((0.025 + 0.1) / 2, abs=2e-3)
