"""Sizes of items and sampling weights, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.data.windows.series_scale import (
    MIN_RELATIVE_SIZE,
    mean_absolute_values,
    relative_sizes,
    sampling_weights,
)

NAN = np.nan
VALUES = np.array([[1.0, -4], [NAN, -8], [3, 100], [10, 0], [30, 0]])
OFFSETS = np.array([0, 3, 5])


def test_sizes_are_mean_absolute_training_values_before_the_end() -> None:
    target_mask = ~np.isnan(VALUES)
    found = mean_absolute_values(VALUES, target_mask, OFFSETS, np.array([2, 2]))
    np.testing.assert_allclose(found, [[1, 6], [20, 0]])
    target_mask[4, 0] = False
    found = mean_absolute_values(VALUES, target_mask, OFFSETS, np.array([3, 2]))
    np.testing.assert_allclose(found, [[2, 112 / 3], [10, 0]])


def test_a_series_without_any_value_before_the_end_has_no_size() -> None:
    found = mean_absolute_values(VALUES, ~np.isnan(VALUES), OFFSETS, np.array([0, 1]))
    np.testing.assert_allclose(found, [[0, 0], [10, 0]])


def test_relative_sizes_have_mean_one_over_all_items_or_over_the_series_of_each_target() -> None:
    sizes = np.array([[1.0, 6], [20, 0]])
    np.testing.assert_allclose(relative_sizes(sizes, joint=False), sizes / 9)
    np.testing.assert_allclose(relative_sizes(sizes, joint=True), sizes / [10.5, 6])


@pytest.mark.parametrize("joint", [True, False])
def test_relative_sizes_of_zeros_are_1(joint: bool) -> None:
    np.testing.assert_allclose(relative_sizes(np.zeros((3, 2)), joint=joint), np.ones((3, 2)))


def test_sampling_weights_by_length_uniform_and_by_the_root_of_the_size() -> None:
    length, sizes = np.array([3.0, 5, 0, 2]), np.array([4.0, 0.25, 9, 0])
    assert sampling_weights("length", length, sizes).tolist() == length.tolist()
    np.testing.assert_allclose(sampling_weights("uniform", length, sizes), [1, 1, 0, 1])
    expected = [2, 0.5, 0, MIN_RELATIVE_SIZE**0.5]
    np.testing.assert_allclose(sampling_weights("scale", length, sizes), expected)
