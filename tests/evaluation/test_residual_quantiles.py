"""Conformal quantiles of errors: order statistics and their coverage."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.evaluation.residual_quantiles import residual_quantiles

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
