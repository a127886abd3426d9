"""Requested and computed quantile levels, and their indices."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.models.quantile_levels import MEAN_LEVELS, QuantileLevels
from rnnforecast.registry import LOSSES


def test_the_median_is_computed_even_if_it_is_not_requested() -> None:
    levels = QuantileLevels.with_median((0.9, 0.1))
    assert levels.requested == (0.9, 0.1)
    assert levels.computed == (0.1, 0.5, 0.9)
    assert levels.median_index == 1
    assert levels.requested_indices == [2, 0]
    assert QuantileLevels.with_median((0.5,)).computed == (0.5,)


def test_requested_quantiles_are_selected_in_their_order() -> None:
    levels = QuantileLevels.with_median((0.9, 0.1))
    values = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(levels.select(values), [[2, 0], [5, 3]])


def test_mean_levels_are_the_midpoints_of_equal_parts() -> None:
    np.testing.assert_allclose(MEAN_LEVELS, np.arange(1, 42, 2) / 42, rtol=1e-15)
    assert 0.5 in MEAN_LEVELS


@pytest.mark.parametrize("loss", ["mse", "rmse"])
def test_a_mean_needs_the_mean_levels_as_well(loss: str) -> None:
    levels = QuantileLevels.for_loss((0.1, 0.9), loss)
    assert levels.has_mean
    assert set(levels.computed) == {0.1, 0.9, *MEAN_LEVELS}
    assert list(levels.computed) == sorted(levels.computed)
    assert [levels.computed[k] for k in levels.point_indices] == list(MEAN_LEVELS)
    auxiliary = [levels.computed[k] for k in levels.auxiliary_indices]
    assert auxiliary == [level for level in MEAN_LEVELS if level != 0.5]


def test_other_losses_need_no_more_than_the_median() -> None:
    for loss in set(LOSSES.names()) - set(LOSSES.having("mean")):
        levels = QuantileLevels.for_loss((0.1, 0.9), loss)
        assert levels == QuantileLevels.with_median((0.1, 0.9))
        assert levels.point_indices == [1]
        assert levels.auxiliary_indices == []
