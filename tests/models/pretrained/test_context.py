"""Contexts: what is normalized, and what does not matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.models.pretrained.context import MAX_NORMALIZED, build_context
from tests.models.pretrained.contexts import context_of, noisy_season

SERIES = noisy_season(50, 7.0)


def test_values_are_standardized_by_the_observed_ones_then_compressed_by_arcsinh() -> None:
    series = [np.nan, 3.0, 5.0, np.nan, 100.0, 4.0]
    known = np.array([3.0, 5.0, 100.0, 4.0])
    context = context_of(series)
    expected = np.arcsinh((known - known.mean()) / known.std())
    np.testing.assert_allclose(context.z[0, [11, 12, 14, 15]], expected, rtol=1e-6)
    assert context.observed.sum() == 4
    assert (context.z[~context.observed] == 0).all()


@settings(max_examples=10)
@given(offset=st.floats(-1e6, 1e6), factor=st.floats(1e-6, 1e6))
def test_offset_and_unit_of_a_series_do_not_matter(offset: float, factor: float) -> None:
    unit = max(factor, 1e-5 * abs(offset))  # less is rounding of the offset
    found, plain = context_of(offset + unit * SERIES), context_of(SERIES)
    torch.testing.assert_close(found.z, plain.z, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.periods.lags, plain.periods.lags)


def test_values_that_are_not_observed_do_not_matter() -> None:
    random = np.random.default_rng(0)
    values = torch.from_numpy(random.normal(size=(3, 64)))
    observed = torch.from_numpy(random.random((3, 64)) < 0.7)
    seasons = torch.zeros(3, 2, dtype=torch.int64)
    first = build_context(values, observed, seasons)
    for other in (1e9, torch.nan, torch.inf):
        found = build_context(torch.where(observed, values, other), observed, seasons)
        for name in ("z", "mean", "scale"):
            assert torch.equal(getattr(found, name), getattr(first, name)), name


def test_unobserved_steps_before_the_series_do_not_matter() -> None:
    plain, padded = (context_of(SERIES, padding=padding) for padding in (0, 3))
    torch.testing.assert_close(padded.z[:, -len(SERIES) :], plain.z[:, -len(SERIES) :])
    torch.testing.assert_close(padded.periods.lags, plain.periods.lags)
    torch.testing.assert_close(padded.periods.strength, plain.periods.strength)


@settings(max_examples=10)
@given(st.lists(st.floats(-20, 20), min_size=1, max_size=20))
def test_original_values_come_back_from_normalized_ones(values: list[float]) -> None:
    context = context_of(SERIES)
    future = torch.tensor([values], dtype=torch.float64)
    found = context.denormalize(context.normalize(future))
    torch.testing.assert_close(found, future, rtol=1e-9, atol=1e-9)
    quantiles = context.denormalize(context.normalize(future)[..., None])
    assert quantiles.shape == (1, len(values), 1)


def test_values_far_from_the_context_are_limited() -> None:
    context = context_of(SERIES)
    far = context.normalize(torch.tensor([[1e30, -1e30]], dtype=torch.float64))
    assert far.tolist() == [[MAX_NORMALIZED, -MAX_NORMALIZED]]


@pytest.mark.parametrize("value", [0.0, 5.0, -1e-300, 1e100])
def test_a_constant_series_is_normalized_to_about_zero_and_comes_back(value: float) -> None:
    context = context_of([value] * 20)
    np.testing.assert_allclose(context.z, 0.0, atol=0.2)  # of rounding errors
    assert 0 < context.scale <= max(1.0 if value == 0 else 0.0, 1e-12 * abs(value))
    found = context.denormalize(torch.zeros(1, 3, dtype=torch.float64))
    np.testing.assert_allclose(found, value, rtol=1e-12)


def test_a_series_without_a_value_and_one_with_one_are_finite() -> None:
    context = context_of([np.nan] * 16, [7.0])
    assert (context.z == 0).all()
    assert context.mean.tolist() == [[0.0], [7.0]]
    assert (context.scale > 0).all()
    assert context.periods.lags.tolist() == [[1, 1], [1, 1]]
