"""Forecasts of the pretrained network: of each history alone, whatever the others are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.inference.pretrained import BATCH_SIZE, MAX_CONTEXT, pretrained_quantiles
from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Floats

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
def test_a_forecast_is_the_same_to_the_last_bit_whatever_the_others_are(
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
