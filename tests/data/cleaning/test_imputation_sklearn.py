"""Imputers of scikit-learn on lagged values: its own estimates, and no look-ahead."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from rnnforecast.data.cleaning import imputation_sklearn
from rnnforecast.data.cleaning.imputation import ImputerOptions, impute
from rnnforecast.data.cleaning.imputation_sklearn import MAX_SAMPLE_ROWS, LagImputer
from rnnforecast.registry import IMPUTERS
from rnnforecast.types import Bools, Floats, Ints

METHODS = IMPUTERS.having("needs_calendar")
SEASON = 12
LAGS = (1, 2, 3, SEASON, SEASON + 1, 2 * SEASON)

Waves = tuple[Floats, Bools, Ints, Floats]


def waves(*, size: int = 150, series: int = 2, hidden: float = 0.3, seed: int = 0) -> Waves:
    """Series of different levels with a trend and a season, some values hidden; and its cycle."""
    rng = np.random.default_rng(seed)
    step = np.tile(np.arange(size), series)
    level = np.repeat(10.0 ** np.arange(series), size)
    angle = 2 * np.pi * step / SEASON
    values = level * (5 + 0.02 * step + np.sin(angle) + 0.1 * rng.normal(size=len(step)))
    observed = rng.random(len(step)) >= hidden
    cycles = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return values[:, None], observed[:, None], np.arange(series + 1) * size, cycles


def fitted(
    method: str, data: Waves, train_mask: Bools | None = None, season: int = SEASON
) -> LagImputer:
    values, observed, offsets, cycles = data
    rows = np.ones(len(values), dtype=np.bool_) if train_mask is None else train_mask
    options = ImputerOptions(season=season, calendar=cycles, seed=3)
    imputer: LagImputer = IMPUTERS.load(method).fit(values, observed, offsets, rows, options)
    return imputer


def estimate(
    imputer: LagImputer, values: Floats, observed: Bools, offsets: Ints, calendar: Floats
) -> Floats:
    options = ImputerOptions(calendar=calendar)
    return imputer.estimate(values, observed, offsets, options).inputs


@pytest.fixture(scope="module", params=METHODS)
def usual(request: pytest.FixtureRequest) -> LagImputer:
    return fitted(request.param, waves())


@pytest.mark.parametrize("method", METHODS)
def test_estimates_are_far_better_than_the_expanding_mean(method: str) -> None:
    data = waves(size=240)
    values, observed, offsets, cycles = data
    late = np.arange(len(values)) % 240 >= 120  # learnt from the first half, asked for the second
    found = estimate(fitted(method, data, ~late), values, observed, offsets, cycles)
    scale = np.repeat([1.0, 10.0], 240)

    def error(filled: Floats) -> float:
        away = np.abs(filled - values)[:, 0] / scale
        return float(away[late & ~observed[:, 0]].mean())

    assert error(found) < 0.25 * error(impute(values, observed, offsets, "mean").inputs)
    assert error(found) < 0.6 * error(impute(values, observed, offsets, "ffill").inputs)


def matrix_by_pandas(data: Waves) -> tuple[Floats, Floats, Floats]:
    """[N, F] of the first series, and level and unit [N] of each row."""
    values, observed, offsets, cycles = data
    size = offsets[1]
    known = pd.Series(np.where(observed, values, np.nan)[:size, 0])
    level = known.shift(1).rolling(SEASON, min_periods=1).mean()
    unit = (known - level).abs().expanding().mean().shift(1)
    columns = [(known.shift(lag) - level) / unit for lag in (0, *LAGS)]
    matrix = np.column_stack([*columns, cycles[:size]])
    return matrix, level.to_numpy(), unit.to_numpy()


@pytest.mark.parametrize("method", ["random_forest", "svr"])
def test_chained_estimates_are_those_of_scikit_learn(method: str) -> None:
    data = waves(series=1)
    values, observed, offsets, cycles = data
    matrix, level, unit = matrix_by_pandas(data)
    rows = np.isfinite(matrix[:, 0]) & (unit > 0)
    # fewer rows than are kept at most: all of them
    model = (
        make_pipeline(StandardScaler(), SVR())
        if method == "svr"
        else RandomForestRegressor(30, min_samples_leaf=5, max_features=0.5, random_state=3)
    )
    # a last row without any value asks for a model of each column but the calendar's
    asking = np.r_[np.full(1 + len(LAGS), np.nan), matrix[rows][0, -2:]]
    imputer = IterativeImputer(model, max_iter=2, tol=0.0, skip_complete=True, random_state=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        imputer.fit(np.vstack([matrix[rows], asking]))
    missing = ~observed[:, 0] & (unit > 0)
    expected = level[missing] + unit[missing] * imputer.transform(matrix[missing])[:, 0]
    imputed = estimate(fitted(method, data), values, observed, offsets, cycles)
    np.testing.assert_allclose(imputed[missing, 0], expected, rtol=1e-9)


def test_nearest_neighbors_are_those_of_scikit_learn() -> None:
    data = waves(series=1)
    values, observed, offsets, cycles = data
    matrix, level, unit = matrix_by_pandas(data)
    rows = matrix[np.isfinite(matrix[:, 0]) & (unit > 0)]
    gaps = np.isnan(rows).sum(axis=1)
    fullest = rows[gaps <= np.sort(gaps)[99]]
    assert 100 <= len(fullest) < len(rows)
    imputer = fitted("knn", data)
    np.testing.assert_array_equal(imputer.sample[:, 0].round(9), fullest[:, 0].round(9))
    np.testing.assert_allclose(imputer.sample, fullest, atol=1e-3)
    missing = ~observed[:, 0] & (unit > 0)
    nearest = KNNImputer(n_neighbors=10).fit(imputer.sample)
    expected = level[missing] + unit[missing] * nearest.transform(matrix[missing])[:, 0]
    imputed = estimate(imputer, values, observed, offsets, cycles)
    np.testing.assert_allclose(imputed[missing, 0], expected, rtol=1e-9)


@settings(max_examples=8, deadline=None)
@given(origin=st.integers(1, 299), seed=st.integers(0, 99))
def test_values_at_or_after_an_origin_change_no_estimate_before_it(
    usual: LagImputer, origin: int, seed: int
) -> None:
    values, observed, offsets, cycles = waves()
    rng = np.random.default_rng(seed)
    other, seen = values.copy(), observed.copy()
    other[origin:] = rng.normal(size=other[origin:].shape) * 100
    seen[origin:] = rng.random(seen[origin:].shape) > rng.random()
    one = estimate(usual, values, observed, offsets, cycles)
    two = estimate(usual, other, seen, offsets, cycles)
    np.testing.assert_allclose(one[:origin], two[:origin], rtol=1e-12)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 99), hidden=st.floats(0.1, 0.95), series=st.integers(1, 4))
def test_observed_values_are_never_touched_and_nothing_stays_missing(
    usual: LagImputer, seed: int, hidden: float, series: int
) -> None:
    values, observed, offsets, cycles = waves(size=30, series=series, hidden=hidden, seed=seed)
    blank = np.where(observed, values, np.nan)
    found = estimate(usual, blank, observed, offsets, cycles)
    np.testing.assert_array_equal(found[observed], values[observed])
    assert np.isfinite(found).all()


@settings(max_examples=6, deadline=None)
@given(order=st.permutations(range(4)), seed=st.integers(0, 99))
def test_the_order_of_the_series_does_not_matter(
    usual: LagImputer, order: list[int], seed: int
) -> None:
    values, observed, offsets, cycles = waves(size=40, series=4, seed=seed)
    rows = np.concatenate([np.arange(s * 40, s * 40 + 40) for s in order])
    one = estimate(usual, values, observed, offsets, cycles)
    two = estimate(usual, values[rows], observed[rows], offsets, cycles[rows])
    np.testing.assert_allclose(one[rows], two, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_an_estimate_does_not_depend_on_its_batch(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many rows little is known, of some nothing at all."""
    values, observed, offsets, cycles = waves(size=50, hidden=0.4)
    observed[20:26] = observed[85:90] = False
    for calendar in (cycles, cycles[:, :0]):  # all rows of one phase are equally near
        data = values, observed, offsets, calendar
        imputer = fitted(method, data, season=1)
        together = estimate(imputer, values, observed, offsets, calendar)
        with monkeypatch.context() as patch:
            patch.setattr(imputation_sklearn, "BATCH_ROWS", 1)
            alone = estimate(imputer, values, observed, offsets, calendar)
        np.testing.assert_allclose(together, alone, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_the_sample_comes_from_training_rows_only(method: str) -> None:
    values, observed, offsets, cycles = waves()
    told = np.arange(len(values)) % 150 < 90
    other = np.where(told[:, None], values, -7.0)
    seen = np.where(told[:, None], observed, True)
    one = fitted(method, (values, observed, offsets, cycles), told)
    two = fitted(method, (other, seen, offsets, cycles), told)
    np.testing.assert_array_equal(one.sample, two.sample)


def test_a_stored_imputer_gives_the_same_estimates(usual: LagImputer) -> None:
    values, observed, offsets, cycles = waves(seed=1)
    again = LagImputer.from_arrays(usual.build, usual.arrays())
    one, two = (estimate(held, values, observed, offsets, cycles) for held in (usual, again))
    np.testing.assert_array_equal(one, two)


def test_a_calendar_of_another_width_is_refused(usual: LagImputer) -> None:
    values, observed, offsets, cycles = waves()
    with pytest.raises(ValueError, match="8 columns for an imputer of 9"):
        estimate(usual, values, observed, offsets, cycles[:, :1])


def test_a_sample_has_a_bound_and_rows_of_every_series_and_phase() -> None:
    data = waves(size=600, series=20, hidden=0.0)
    sample = fitted("svr", data).sample
    assert sample.shape == (MAX_SAMPLE_ROWS, 1 + len(LAGS) + 2)
    turns = np.arctan2(sample[:, -2], sample[:, -1]) / (2 * np.pi)
    counts = np.unique(np.rint(turns * SEASON) % SEASON, return_counts=True)[1]
    assert len(counts) == SEASON
    assert counts.min() > 0.7 * counts.max()


def test_no_two_donors_are_equally_near() -> None:
    data = waves(size=400)
    places = fitted("knn", data).sample[:, -2:]
    away = np.hypot(*(places - data[3][7]).T)
    assert (np.diff(np.sort(away)) > 0).all()
    assert len(np.unique(away.round(2))) < SEASON


def test_donors_are_the_most_complete_rows() -> None:
    data = waves(size=400)
    gaps, fewer = (np.isnan(fitted(m, data).sample).sum(axis=1) for m in ("svr", "knn"))
    assert 100 <= len(fewer) < len(gaps) // 2
    assert fewer.max() < gaps.max()


def test_before_the_first_observation_nothing_is_estimated(usual: LagImputer) -> None:
    values, observed, offsets, cycles = waves()
    observed[:5] = observed[150:160] = False
    found = estimate(usual, values, observed, offsets, cycles)
    assert (found[:5] == 0).all()
    assert (found[150:160] == 0).all()


def test_a_constant_series_stays_constant(usual: LagImputer) -> None:
    _, observed, offsets, cycles = waves()
    same = np.full((300, 1), 4.0)
    found = estimate(usual, same, observed, offsets, cycles)
    begun = impute(found, observed, offsets, "mask").input_mask
    np.testing.assert_array_equal(found[begun], 4.0)


@pytest.mark.parametrize("method", METHODS)
def test_without_training_rows_the_last_value_is_carried_forward(method: str) -> None:
    values, observed, offsets, cycles = waves()
    imputer = fitted(method, waves(), np.zeros(len(values), dtype=np.bool_))
    found = estimate(imputer, values, observed, offsets, cycles)
    np.testing.assert_array_equal(found, impute(values, observed, offsets, "ffill").inputs)


@pytest.mark.parametrize("method", METHODS)
def test_a_season_longer_than_the_training_part_without_a_calendar_is_accepted(
    method: str,
) -> None:
    values, observed, offsets, cycles = waves()
    told = np.arange(len(values)) % 150 < 40
    none = (values, observed, offsets, cycles[:, :0])
    imputer = fitted(method, none, told, season=50)
    assert np.isnan(imputer.sample[:, -1]).all()
    found = estimate(imputer, values, observed, offsets, none[3])
    assert np.isfinite(found).all()


def test_several_targets_are_estimated_like_as_many_series(usual: LagImputer) -> None:
    values, observed, offsets, cycles = waves()
    wide = values.reshape(2, 150).T, observed.reshape(2, 150).T
    found = estimate(usual, *wide, np.array([0, 150]), cycles[:150])
    alone = estimate(usual, values, observed, offsets, cycles)
    np.testing.assert_allclose(found.T.reshape(-1, 1), alone, rtol=1e-9)


def test_an_empty_panel_stays_empty() -> None:
    none, flags = np.empty((0, 2)), np.empty((0, 2), dtype=np.bool_)
    offsets, cycles = np.zeros(1, dtype=np.int64), np.empty((0, 1))
    imputer = fitted("knn", (none, flags, offsets, cycles), season=7)
    assert estimate(imputer, none, flags, offsets, cycles).shape == (0, 2)
