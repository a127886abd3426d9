"""Imputers of scikit-learn on earlier values: the package's own numbers, and no look-ahead."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import KNNImputer

from rnnforecast.data.impute import fill
from rnnforecast.data.impute_learned import Learned, Method, apply, fitted, learn

METHODS: tuple[Method, ...] = get_args(Method)
SEASON = 12

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def wave(
    *, size: int = 240, series: int = 2, seed: int = 0
) -> tuple[Floats, Bools, npt.NDArray[np.int64], Floats]:
    """Series with a trend and a season, 30 % of the values hidden; cycles of the season."""
    rng = np.random.default_rng(seed)
    step = np.tile(np.arange(size), series)
    level = np.repeat(10.0 ** np.arange(series), size)
    values = level * (5 + 0.02 * step + np.sin(2 * np.pi * step / SEASON))
    values += 0.05 * level * rng.normal(size=len(step))
    observed = rng.random(len(step)) > 0.3
    angle = 2 * np.pi * step / SEASON
    cycles = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return values[:, None], observed[:, None], np.arange(series + 1) * size, cycles


def learned(method: Method, told: Bools | None = None) -> Learned:
    values, observed, offsets, cycles = wave()
    rows = np.ones(len(values), dtype=np.bool_) if told is None else told
    return learn(values, observed, offsets, rows, method, season=SEASON, calendar=cycles, seed=3)


@pytest.mark.parametrize("method", METHODS)
def test_estimates_are_far_better_than_the_mean_so_far(method: Method) -> None:
    values, observed, offsets, cycles = wave()
    found = apply(learned(method), values, observed, offsets, calendar=cycles)
    hidden = ~observed & fill(values, observed, offsets, "mask").present
    scale = np.repeat([1.0, 10.0], 240)[:, None]
    error = np.abs(found - values) / scale
    mean = np.abs(fill(values, observed, offsets, "mean").inputs - values) / scale
    last = np.abs(fill(values, observed, offsets, "ffill").inputs - values) / scale
    assert error[hidden].mean() < 0.2 * mean[hidden].mean()
    assert error[hidden].mean() < 0.6 * last[hidden].mean()
    np.testing.assert_array_equal(found[observed], values[observed])


def test_the_nearest_neighbours_are_those_of_scikit_learn() -> None:
    values, observed, offsets, cycles = wave(series=1)
    imputer = learned("knn")
    found = apply(imputer, values, observed, offsets, calendar=cycles)
    row = int(np.flatnonzero(~observed[:, 0])[60])
    # the row of the matrix by hand
    known = np.flatnonzero(observed[:row, 0])
    last = values[known[-1], 0]
    steps = [abs(values[known[i], 0] - values[known[i - 1], 0]) for i in range(1, len(known))]
    scale = np.mean(steps)
    lags = [1, 2, 3, SEASON, SEASON + 1, 2 * SEASON]
    earlier = [values[row - k, 0] if observed[row - k, 0] else np.nan for k in lags]
    asked = np.r_[np.nan, (np.array(earlier) - last) / scale, cycles[row]]
    theirs = KNNImputer(n_neighbors=10).fit(imputer.sample)
    expected = last + scale * theirs.transform(asked[None])[0, 0]
    assert found[row, 0] == pytest.approx(expected)


@settings(max_examples=10, deadline=None)
@given(method=st.sampled_from(METHODS), origin=st.integers(1, 479), seed=st.integers(0, 99))
def test_nothing_at_or_after_an_origin_changes_an_estimate_before_it(
    method: Method, origin: int, seed: int
) -> None:
    values, observed, offsets, cycles = wave()
    rng = np.random.default_rng(seed)
    other, seen = values.copy(), observed.copy()
    other[origin:] = rng.normal(size=other[origin:].shape) * 100
    seen[origin:] = rng.random(seen[origin:].shape) > 0.5
    imputer = learned(method)
    one = apply(imputer, values, observed, offsets, calendar=cycles)
    two = apply(imputer, other, seen, offsets, calendar=cycles)
    np.testing.assert_array_equal(one[:origin], two[:origin])


@pytest.mark.parametrize("method", METHODS)
def test_only_the_told_rows_are_learnt_from(method: Method) -> None:
    values, observed, offsets, cycles = wave()
    told = np.arange(len(values)) % 240 < 150
    other = np.where(told[:, None], values, -7.0)
    one, two = (
        learn(cells, observed, offsets, told, method, season=SEASON, calendar=cycles, seed=3)
        for cells in (values, other)
    )
    np.testing.assert_array_equal(one.sample, two.sample)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_stored_estimates_the_same(method: Method) -> None:
    values, observed, offsets, cycles = wave()
    imputer = learned(method)
    stored = {name: array.copy() for name, array in imputer.arrays().items()}
    again = Learned.from_arrays(method, stored)
    json.dumps([array.tolist() for array in stored.values()])
    one, two = (
        apply(held, values, observed, offsets, calendar=cycles) for held in (imputer, again)
    )
    np.testing.assert_array_equal(one, two)


def test_a_method_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no imputer 'magic'"):
        Learned.from_arrays("magic", {})


def test_before_the_first_observation_nothing_is_estimated() -> None:
    values, observed, offsets, cycles = wave()
    observed[:5] = observed[240:250] = False
    found = apply(learned("knn"), values, observed, offsets, calendar=cycles)
    assert (found[:5] == 0).all()
    assert (found[240:250] == 0).all()


def test_the_fitted_imputer_is_scikit_learn_s() -> None:
    assert isinstance(fitted(learned("knn")), KNNImputer)
