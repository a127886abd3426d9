"""Conformal calibration of intervals, against MAPIE and crepes and by its exact properties."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.evaluation.conformal import (
    LARGEST_FACTOR,
    LARGEST_WEIGHT,
    NOT_CALIBRATED,
    ConformalIntervals,
    Evidence,
    conformal_quantile,
    count_evidence,
    fit_conformal,
)
from rnnforecast.types import Floats

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
NORMAL = np.array([NormalDist().inv_cdf(level) for level in LEVELS])
MUCH = Evidence(1e6, 1e9)


def residuals() -> tuple[Floats, Floats]:
    """200 standard deviations, and errors that are larger by 1.4 and have a bias."""
    rng = np.random.default_rng(5)
    sigma = np.round(rng.uniform(0.5, 2.0, 200), 3)
    return sigma, np.round(rng.normal(size=200) * sigma * 1.4 + 0.2, 3)


def intervals(sigma: Floats) -> Floats:
    """`[M, 1, Q]` quantiles around 0, all at the distance sigma."""
    return np.sign(NORMAL) * sigma[:, None, None]


# crepes 0.9.1: ConformalRegressor().fit(residuals=errors, sigmas=sigma, bins=...), upper ends of
# .predict_int(zeros, sigmas=new, bins=[0, 1, 0, 1, 0, 1], confidence=...); new as below
NEW_SIGMA = np.array([0.959, 1.23, 1.136, 0.823, 1.594, 1.759])
CREPES = {
    0.8: [1.67284211, 2.14556391, 1.98159398, 1.43560902, 2.78051128, 3.06833083],
    0.95: [2.68407617, 3.44255859, 3.17946875, 2.30343555, 4.46133203, 4.92313867],
}
CREPES_MONDRIAN = {
    0.8: [1.77936004, 2.09921857, 2.10777164, 1.4045991, 2.95755986, 3.00205323],
    0.95: [2.68407617, 3.61525231, 3.17946875, 2.41898589, 4.46133203, 5.1701047],
}


@pytest.mark.parametrize(("group", "expected"), [(None, CREPES), ([0, 1], CREPES_MONDRIAN)])
def test_symmetric_intervals_are_those_of_crepes(
    group: list[int] | None, expected: dict[float, list[float]]
) -> None:
    sigma, errors = residuals()
    both = np.concatenate([errors, -errors])[:, None]  # a side then has as much as both had
    own, new = (None, None) if group is None else (np.resize(group, 400), np.resize(group, 6))
    found = fit_conformal(both, intervals(np.concatenate([sigma, sigma])), LEVELS, group=own)
    calibrated = found.apply(intervals(NEW_SIGMA), LEVELS, new)[:, 0]  # [6, Q]
    np.testing.assert_allclose(calibrated[:, 3], expected[0.8], rtol=1e-7)
    np.testing.assert_allclose(calibrated[:, 4], expected[0.95], rtol=1e-7)
    np.testing.assert_allclose(calibrated, -calibrated[:, ::-1])


def test_asymmetric_intervals_are_those_of_mapie() -> None:
    _, errors = residuals()
    found = fit_conformal(errors[:, None], intervals(np.ones(200)), LEVELS)
    calibrated = found.apply(intervals(np.ones(1)), LEVELS)[0, 0]
    # MAPIE 1.6.0: ConformalizedQuantileRegressor(prefit=True) of constants -1, 1 and 0,
    # .predict_interval(..., symmetric_correction=False) at 0.8 and 0.95
    np.testing.assert_allclose(calibrated, [-3.802, -2.079, 0, 2.311, 3.621], rtol=1e-9)


def test_the_factor_of_both_sides_is_that_of_mapie() -> None:
    _, errors = residuals()
    # as above, with symmetric_correction=True
    assert conformal_quantile(np.abs(errors), 0.2) == pytest.approx(2.278)
    assert conformal_quantile(np.abs(errors), 0.05) == pytest.approx(3.621)


@pytest.mark.parametrize(("count", "tail", "rank"), [(9, 0.1, 9), (99, 0.01, 99), (8, 0.1, 8)])
def test_the_rank_counts_the_next_value(count: int, tail: float, rank: int) -> None:
    assert conformal_quantile(np.arange(1.0, count + 1), tail) == rank


def test_exchangeable_values_are_covered_at_least_as_often_as_promised() -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(400):
        scale = rng.lognormal(size=61)
        values = scale[:, None] * rng.standard_t(3, size=(61, 1))
        quantiles = scale[:, None, None] * np.array([-2, -1, 0, 1, 2])
        found = fit_conformal(values[:60], quantiles[:60], LEVELS).apply(quantiles[60:], LEVELS)
        covered.append((values[60] >= found[0, 0]) == (np.arange(5) < 2))
    # at least 0.9 and at most 0.9 + 1 / 61 in theory; four standard errors of the simulation
    share = np.mean(covered, 0)[[1, 3]]
    assert (share > 0.9 - 4 * 0.015).all()
    assert (share < 0.9 + 1 / 61 + 4 * 0.015).all()


@given(st.integers(0, 20), st.floats(0.3, 2), st.floats(0.3, 2))
def test_quantiles_do_not_cross_and_the_median_stays(seed: int, low: float, high: float) -> None:
    rng = np.random.default_rng(seed)
    quantiles = rng.normal(size=(30, 4, 1)) + np.where(NORMAL < 0, low, high) * NORMAL
    actual = rng.normal(size=(30, 4))
    for evidence in (MUCH, Evidence(2, 30)):
        found = fit_conformal(actual, quantiles, LEVELS, evidence=evidence, parts=3)
        values = found.apply(quantiles, LEVELS)
        assert (np.diff(values, axis=-1) >= 0).all()
        np.testing.assert_array_equal(values[..., 2], quantiles[..., 2])
        order = rng.permutation(30)
        again = fit_conformal(actual[order], quantiles[order], LEVELS, evidence=evidence, parts=3)
        np.testing.assert_allclose(again.factors, found.factors, rtol=1e-12)


def test_units_and_missing_values_do_not_change_the_factors() -> None:
    rng = np.random.default_rng(1)
    actual, quantiles = rng.normal(size=(50, 4)), np.broadcast_to(1.5 * NORMAL, (50, 4, 5))
    expected = fit_conformal(actual, quantiles, LEVELS, evidence=MUCH)
    moved = fit_conformal(7 + 1000 * actual, 7 + 1000 * quantiles, LEVELS, evidence=MUCH)
    np.testing.assert_allclose(moved.factors, expected.factors)
    gaps = np.full((9, 4), np.nan)
    more = np.concatenate([actual, gaps, actual])
    unknown = np.concatenate([quantiles, quantiles[:9], np.nan * quantiles])
    assert fit_conformal(more, unknown, LEVELS, evidence=MUCH).factors == expected.factors


@pytest.mark.parametrize("width", [0.6, 1.0, 1.5])
def test_intervals_too_wide_or_too_narrow_are_corrected_as_far_as_the_evidence_goes(
    width: float,
) -> None:
    rng = np.random.default_rng(2)
    actual, quantiles = rng.normal(size=(4000, 2)), np.broadcast_to(width * NORMAL, (4000, 2, 5))
    pairs = ((MUCH, LARGEST_WEIGHT), (Evidence(1, 27), LARGEST_WEIGHT / 2), (Evidence(1, 0.1), 0))
    for evidence, weight in pairs:
        (found,) = fit_conformal(actual, quantiles, LEVELS, evidence=evidence).factors[0]
        np.testing.assert_allclose(np.delete(found, 2), width**-weight, rtol=0.03)


def test_nothing_is_calibrated_without_evidence() -> None:
    quantiles = np.broadcast_to(NORMAL, (3, 2, 5))
    nothing = np.full((3, 2), np.nan)
    assert fit_conformal(nothing, quantiles, LEVELS, evidence=MUCH) == NOT_CALIBRATED
    assert fit_conformal(nothing + 1, quantiles, LEVELS, evidence=Evidence(0, 0)) == NOT_CALIBRATED
    assert NOT_CALIBRATED.apply(quantiles, LEVELS) is quantiles
    flat = fit_conformal(np.ones((3, 2)), 0 * quantiles, LEVELS, evidence=MUCH)
    np.testing.assert_array_equal(flat.apply(quantiles, LEVELS), quantiles)


def test_one_strange_window_does_not_widen_all_without_limit() -> None:
    quantiles = np.broadcast_to(NORMAL, (3, 2, 5))
    found = fit_conformal(np.full((3, 2), 1e300), quantiles, LEVELS, evidence=MUCH)
    assert np.max(found.factors) <= LARGEST_FACTOR


def test_values_that_cannot_lie_below_do_not_narrow_the_upper_side() -> None:
    rng = np.random.default_rng(3)
    quantiles = np.maximum(np.broadcast_to(NORMAL + 1, (20_000, 1, 5)), -1.0)
    actual = np.maximum(rng.normal(size=(20_000, 1)) + 1, 0)
    bound = np.zeros(20_000)
    (found,) = fit_conformal(actual, quantiles, LEVELS, evidence=MUCH, lower=bound).factors[0]
    np.testing.assert_allclose(found[3:], 1, rtol=0.03)


def test_groups_and_parts_of_the_horizon_have_factors_of_their_own() -> None:
    rng = np.random.default_rng(4)
    group = np.arange(4000) % 2
    actual = rng.normal(size=(4000, 6)) * np.where(group, 1.5, 1.0)[:, None]
    actual[:, 4:] *= 1.3
    quantiles = np.broadcast_to(NORMAL, (4000, 6, 5))
    found = np.array(
        fit_conformal(actual, quantiles, LEVELS, evidence=MUCH, group=group, parts=3).factors
    )
    assert found.shape == (2, 3, 5)
    assert (found[1] > 1.2 * found[0])[:, [0, 1, 3, 4]].all()
    assert (found[:, 2] > 1.1 * found[:, 0])[:, [0, 1, 3, 4]].all()


def test_a_longer_horizon_continues_with_the_last_part() -> None:
    calibrated = ConformalIntervals((0.1, 0.5, 0.9), 2, (((2.0, 1, 2), (3.0, 1, 3)),))
    values = calibrated.apply(np.broadcast_to([-1.0, 0, 1], (1, 4, 3)), (0.1, 0.5, 0.9))
    np.testing.assert_allclose(values[0, :, 2], [2, 3, 3, 3])


def test_other_levels_have_factors_in_between() -> None:
    calibrated = ConformalIntervals((0.1, 0.3, 0.5, 0.9), 1, (((2.0, 1.0, 1.0, 3.0),),))
    levels = (0.05, 0.2, 0.5, 0.6, 0.95)
    values = calibrated.apply(np.array([[[-4.0, -2, 0, 1, 2]]]), levels)
    np.testing.assert_allclose(values[0, 0], [-8, -3, 0, 3, 6])


def test_targets_are_groups() -> None:
    calibrated = ConformalIntervals((0.1, 0.5, 0.9), 1, (((2.0, 1, 2),), ((3.0, 1, 3),)))
    quantiles = np.broadcast_to([-1.0, 0, 1], (4, 2, 2, 3))
    values = calibrated.apply_by_target(quantiles, (0.1, 0.5, 0.9))
    np.testing.assert_allclose(values[..., 2], np.broadcast_to([2.0, 3], (4, 2, 2)))


@pytest.mark.parametrize(
    ("origins", "windows"),
    [([[40]], 1), ([[40, 49]], 1), ([[40, 50]], 2), ([[50, 40, 45], [7], [0, 29]], 2 + 1 + 3)],
)
def test_overlapping_windows_count_once(origins: list[list[int]], windows: int) -> None:
    item = np.repeat(np.arange(len(origins)), [len(each) for each in origins])
    found = count_evidence(item, np.concatenate(origins), horizon=10)
    assert found == Evidence(windows / len(origins), windows)
