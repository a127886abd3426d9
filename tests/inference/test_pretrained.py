"""Forecasts of the pretrained network: of each history alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.inference.pretrained import BATCH_SIZE, pretrained_quantiles
from rnnforecast.models.pretrained.context import MAX_CONTEXT, MAX_HORIZON
from rnnforecast.pretraining.synthetic import batches
from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Floats
from tests.models.pretrained.contexts import small_network

LEVELS = (0.01, 0.1, 0.5, 0.9, 0.995)


def forecast(values: Floats, **changes: Any) -> Floats:
    options: dict[str, Any] = {"seasons": (7,), "horizon": 20, "levels": LEVELS, **changes}
    return pretrained_quantiles(Histories.from_values(values), **options)


@pytest.fixture(scope="module")
def values() -> Floats:
    """More histories than are forecast at once, some of them short, one without a value."""
    random = np.random.default_rng(0)
    found = 100 + 10 * np.sin(np.arange(90)[:, None]) + random.normal(size=(90, BATCH_SIZE + 6))
    found[np.arange(90)[:, None] < 90 - random.integers(1, 90, found.shape[1])] = np.nan
    found[:, 3] = np.nan
    return found


@settings(max_examples=5)
@given(seed=st.integers(0, 1000), count=st.integers(1, 20))
def test_a_forecast_does_not_depend_on_the_other_histories_in_its_last_bit(
    values: Floats, seed: int, count: int
) -> None:
    chosen = np.random.default_rng(seed).permutation(values.shape[1])[:count]
    np.testing.assert_array_equal(forecast(values[:, chosen]), forecast(values)[chosen])


def test_missing_steps_before_the_first_value_do_not_matter(values: Floats) -> None:
    first = int(np.isfinite(values[:, 0]).argmax())
    np.testing.assert_array_equal(forecast(values[first:, :1]), forecast(values[:, :1]))


def test_quantiles_increase_and_only_a_history_without_a_value_has_none(values: Floats) -> None:
    found = forecast(values)
    assert found.shape == (values.shape[1], 20, len(LEVELS))
    assert np.isnan(found).all((1, 2)).nonzero()[0].tolist() == [3]
    assert (np.diff(np.delete(found, 3, axis=0), axis=-1) >= 0).all()


def test_units_of_the_values_are_those_of_the_forecast(values: Floats) -> None:
    np.testing.assert_allclose(forecast(values * 8), forecast(values) * 8)
    for unit in (2.0**700, 2.0**-700):
        np.testing.assert_allclose(forecast(values * unit) / unit, forecast(values), rtol=1e-4)


def test_of_a_long_history_the_end_is_read() -> None:
    random = np.random.default_rng(0)
    long = random.normal(size=(MAX_CONTEXT + 50, 1))
    np.testing.assert_array_equal(forecast(long), forecast(long[50:]))


def test_a_shorter_forecast_is_the_beginning_of_a_longer_one(values: Floats) -> None:
    few = values[:, :3]
    np.testing.assert_allclose(
        forecast(few, horizon=5), forecast(few, horizon=40)[:, :5], rtol=1e-4
    )


def test_other_levels_do_not_matter_and_those_between_are_interpolated(values: Floats) -> None:
    few = values[:, :3]
    found = forecast(few, levels=(0.4, 0.46, 0.5))
    np.testing.assert_array_equal(found[..., 2], forecast(few)[..., 2])
    between = 0.4 * found[..., 0] + 0.6 * found[..., 2]
    np.testing.assert_allclose(found[..., 1], between, rtol=1e-6)


def test_two_seasons_above_one_step_are_read(values: Floats) -> None:
    few = values[:, :3]
    np.testing.assert_array_equal(
        forecast(few, seasons=(7, 28)), forecast(few, seasons=(1, 7, 28, 5))
    )


@pytest.mark.parametrize("value", [0.0, 5.0, -3e-200, 4e250])
def test_a_constant_history_goes_on_even_if_it_has_one_value(value: float) -> None:
    found = forecast(np.array([[value] * 2, [value, np.nan], [value] * 2]))
    np.testing.assert_allclose(found[..., 2], value, rtol=0.01, atol=0 if value else 1)
    assert np.isfinite(found).all()


def test_gaps_are_not_read_as_zeros(values: Floats) -> None:
    holes = 100 + np.sin(np.arange(64.0))[:, None]
    holes[np.random.default_rng(0).random(64) < 0.3] = np.nan
    middle = forecast(holes)[..., 2]
    assert (np.abs(middle - 100) < 20).all()


def test_no_history_has_no_forecast() -> None:
    assert forecast(np.zeros((5, 0))).shape == (0, 20, len(LEVELS))


def test_beyond_the_levels_of_the_network_quantiles_go_on(values: Floats) -> None:
    found = forecast(values[:, :2], levels=(0.001, 0.01, 0.5, 0.99, 0.999))
    assert (np.diff(found) > 0).all()
    assert (np.ptp(found, axis=-1) < 3 * (found[..., 3] - found[..., 1])).all()


def test_small_changes_of_large_values_are_seen() -> None:
    values = 10 + np.arange(60) % 7 + np.random.default_rng(0).normal(size=60)
    bands = [
        pretrained_quantiles(
            Histories.from_values((values + offset)[:, None]),
            seasons=(7,), horizon=7, levels=(0.025, 0.5, 0.975), net=small_network(),
        ) - offset
        for offset in (1e6, 1e9)
    ]  # fmt: skip
    np.testing.assert_allclose(bands[0], bands[1], atol=1e-3)
    assert np.ptp(bands[0]) < 20 * np.ptp(values)


def test_context_and_horizon_are_no_longer_than_those_of_the_pretraining() -> None:
    assert (MAX_CONTEXT, MAX_HORIZON) == (batches.LONGEST, batches.MAX_HORIZON)
