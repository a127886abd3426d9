"""Outliers: limits by numpy and scipy, and no look-ahead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation

from rnnforecast.data.cleaning.outliers import (
    UPDATES_PER_WINDOW,
    OutlierAction,
    Outliers,
    apply_outlier_action,
    find_outliers,
)
from rnnforecast.registry import OUTLIER_RULES
from rnnforecast.types import Bools, Floats, Ints

NAN = np.nan
METHODS = OUTLIER_RULES.names()
RULES = tuple(name for name in METHODS if "flags_nothing" not in OUTLIER_RULES.traits(name))


def bounds(*offsets: int) -> Ints:
    return np.array(offsets, dtype=np.int64)


def find(
    values: Floats, method: str, *, season: int = 12, threshold: float | None = None
) -> Outliers:
    """One target, all one series; NaN is missing."""
    column = np.asarray(values, dtype=np.float64)[:, None]
    offsets = bounds(0, len(column))
    return find_outliers(
        column, ~np.isnan(column), offsets, method=method, threshold=threshold, season=season
    )


def flagged(values: Floats, method: str, season: int = 12) -> list[int]:
    return np.flatnonzero(find(values, method, season=season).flags).tolist()


def monthly(years: int, seed: int = 0) -> Floats:
    steps = np.arange(12 * years)
    noise = np.random.default_rng(seed).normal(size=steps.size)
    return 50 + 10 * np.sin(steps * np.pi / 6) + noise


def test_hampel_fences_are_median_and_mad_of_the_two_seasons_before() -> None:
    values = np.random.default_rng(1).normal(size=80)
    found = find(values, "hampel", season=14, threshold=3.0)
    for row in range(14, 80):
        past = values[max(0, row - 29) : row]
        reach = 3.0 * 1.4826 * median_abs_deviation(past)
        np.testing.assert_allclose(found.low[row, 0], np.median(past) - reach, rtol=1e-12)
        np.testing.assert_allclose(found.high[row, 0], np.median(past) + reach, rtol=1e-12)


def test_iqr_fences_are_the_quartiles_of_all_values_before() -> None:
    values = np.random.default_rng(2).normal(size=60)
    found = find(values, "iqr", season=1, threshold=1.5)
    for row in range(10, 60):
        q1, q3 = np.quantile(values[:row], [0.25, 0.75])
        np.testing.assert_allclose(found.low[row, 0], q1 - 1.5 * (q3 - q1), rtol=1e-12)
        np.testing.assert_allclose(found.high[row, 0], q3 + 1.5 * (q3 - q1), rtol=1e-12)


def test_seasonal_fences_follow_the_phase_of_the_two_seasons_before() -> None:
    values = np.random.default_rng(3).normal(size=60)
    found = find(values, "seasonal", season=5, threshold=4.0)
    changes = values[5:] - values[:-5]  # changes[i] belongs to row i + 5
    for row in range(15, 60):
        past = changes[max(0, row - 5 - 25) : row - 5]
        centre, reach = np.median(past), 4.0 * 1.4826 * median_abs_deviation(past)
        last = values[[row - 5, row - 10]]
        np.testing.assert_allclose(found.low[row, 0], last.min() + centre - reach, rtol=1e-9)
        np.testing.assert_allclose(found.high[row, 0], last.max() + centre + reach, rtol=1e-9)


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("size", [-200.0, 200.0])
def test_a_spike_is_found_and_its_neighbours_and_the_next_season_are_not(
    method: str, size: float
) -> None:
    values = monthly(10)
    values[60] += size
    assert flagged(values, method) == [60]


def test_a_value_high_for_its_phase_but_not_for_the_series_is_flagged_by_seasonal_only() -> None:
    values = monthly(10)
    values[63] += 19  # a trough as high as a peak
    assert flagged(values, "seasonal") == [63]
    assert flagged(values, "hampel") == flagged(values, "iqr") == []


@pytest.mark.parametrize("method", RULES)
def test_clean_series_have_nearly_no_outliers(method: str) -> None:
    steps = np.arange(240)
    random = np.random.default_rng(4)
    clean = {
        "noise": random.normal(size=240),
        "season": monthly(20),
        "trend": 100 + 2.0 * steps + random.normal(size=240),
        "season and trend": monthly(20) + steps,
        "only a season": 10 + np.sin(steps * np.pi / 6),
        "counts": random.poisson(4.0, size=240).astype(float),
        "sales now and then": random.binomial(1, 0.15, size=240) * random.poisson(5.0, size=240),
        "constant": np.full(240, 7.0),
        "zero": np.zeros(240),
    }
    share = {name: find(values, method).flags.mean() for name, values in clean.items()}
    assert max(share.values()) < 0.005, share


@pytest.mark.parametrize("method", RULES)
def test_a_constant_series_may_vary_a_little_but_not_jump(method: str) -> None:
    values = np.full(60, 20.0)
    values[40:] += 0.02 * np.sin(np.arange(20))
    assert flagged(values, method) == []
    values[50] = 400.0
    assert flagged(values, method) == [50]


def test_where_half_of_the_values_are_the_same_the_mean_deviation_counts() -> None:
    values = np.r_[np.tile([1.0, 1.0, 1.0, 1.0, 3.0], 5), 1.0]
    found = find(values, "hampel", season=1, threshold=5.0)
    # five of the 25 values lie 2 above the median, their MAD is 0
    np.testing.assert_allclose(found.high[25, 0], 1.0 + 5.0 * 1.2533 * (5 * 2 / 25), rtol=1e-12)


@pytest.mark.parametrize("method", RULES)
def test_a_new_level_is_not_flagged_forever(method: str) -> None:
    values = np.random.default_rng(5).normal(size=200)
    values[100:] += 40
    found = flagged(values, method)
    assert found[0] == 100
    assert found[-1] < {"hampel": 114, "seasonal": 124, "iqr": 136}[method]


@pytest.mark.parametrize("method", RULES)
def test_little_history_flags_nothing(method: str) -> None:
    short = np.array([1.0, 2, 3, 2, 1, 2, 3, 2, 1, 1e6])
    assert flagged(short, method, season=1) == []
    first_year = np.r_[np.linspace(1, 2, 11), 1e6]
    assert flagged(first_year, method, season=12) == []
    two_series = np.r_[np.linspace(1, 2, 50), 1e6, np.linspace(1, 2, 9)][:, None]
    flags = find_outliers(
        two_series,
        np.ones_like(two_series, dtype=bool),
        bounds(0, 50, 60),  # the 1e6 is the first value of the second series
        method=method,
        threshold=None,
        season=1,
    ).flags
    assert not flags.any()


def test_missing_values_do_not_count_in_a_window() -> None:
    values = monthly(10)
    gaps = np.full(240, NAN)
    gaps[::2] = values
    for method in ("hampel", "iqr"):
        dense, sparse = find(values, method), find(gaps, method)
        np.testing.assert_array_equal(sparse.low[::2], dense.low)
        assert np.isinf(sparse.low[1::2]).all()


def test_a_missing_season_is_replaced_by_the_one_before() -> None:
    values = monthly(10)
    values[48:60] = NAN  # the fifth year
    values[63] += 60
    assert flagged(values, "seasonal") == [63]


def test_values_of_unobserved_cells_are_ignored() -> None:
    values = monthly(5)[:, None]
    observed = np.ones_like(values, dtype=bool)
    observed[10:30:3] = False
    for method in METHODS:
        one, two = (
            find_outliers(
                np.where(observed, values, junk),
                observed,
                bounds(0, 60),
                method=method,
                threshold=None,
                season=12,
            )
            for junk in (np.inf, NAN)
        )
        np.testing.assert_array_equal(one.low, two.low)
        np.testing.assert_array_equal(one.flags, two.flags)


@pytest.mark.parametrize("method", METHODS)
def test_each_series_and_target_has_its_own_fences(method: str) -> None:
    parts = [np.c_[monthly(5, 1), 1e9 * monthly(5, 2)], np.c_[monthly(3, 3), monthly(3, 4)]]
    whole = np.concatenate(parts)
    whole[30, 0] = whole[80, 1] = 1e12
    together = find_outliers(
        whole, ~np.isnan(whole), bounds(0, 60, 96), method=method, threshold=None, season=12
    )
    for part in (slice(0, 60), slice(60, 96)):
        for c in (0, 1):
            alone = find(whole[part, c], method)
            np.testing.assert_array_equal(together.low[part, c], alone.low[:, 0])
            np.testing.assert_array_equal(together.flags[part, c], alone.flags[:, 0])


@pytest.mark.parametrize("method", RULES)
def test_a_higher_threshold_moves_the_fences_out(method: str) -> None:
    values = monthly(5)
    near, far = (find(values, method, threshold=t) for t in (1.0, 2.0))
    usual = find(values, method, threshold=OUTLIER_RULES.literal(method, "DEFAULT_THRESHOLD"))
    assert (far.low <= near.low).all()
    assert (far.high >= near.high).all()
    np.testing.assert_array_equal(usual.low, find(values, method).low)


def test_statistics_of_a_long_window_are_updated_at_intervals_from_the_past_only() -> None:
    values = np.random.default_rng(6).normal(size=900)
    found = find(values, "hampel", season=100, threshold=3.0)
    pace = 201 // UPDATES_PER_WINDOW
    row = 700 - 700 % pace + pace - 1  # as far as can be from where the window was looked at
    past = values[row - pace + 1 - 201 : row - pace + 1]
    expected = np.median(past) + 3.0 * 1.4826 * median_abs_deviation(past)
    np.testing.assert_allclose(found.high[row, 0], expected, rtol=1e-12)


def test_the_largest_numbers_raise_no_warning() -> None:
    values = np.tile([1e308, -1e308, 3.0], 20)
    for method in METHODS:
        find(values, method, season=3)


def test_an_empty_panel_stays_empty() -> None:
    for method in METHODS:
        found = find_outliers(
            np.empty((0, 2)),
            np.empty((0, 2), dtype=bool),
            bounds(0),
            method=method,
            threshold=None,
            season=7,
        )
        assert found.flags.shape == (0, 2)


def test_without_a_rule_or_an_observation_there_are_flags_nothing() -> None:
    assert not find(np.r_[monthly(5), 1e9], "none").flags.any()
    for method in METHODS:
        found = find(np.full(30, NAN), method)
        assert not found.flags.any()
        assert np.isinf(found.low).all()


def three() -> tuple[Floats, Bools, Outliers]:
    """A value below its limits, one above, one between, one missing."""
    values = np.array([[-9.0], [99.0], [5.0], [NAN]])
    flags = np.array([[True], [True], [False], [False]])
    return values, ~np.isnan(values), Outliers(flags, np.full((4, 1), 0.0), np.full((4, 1), 10.0))


@pytest.mark.parametrize(
    ("action", "expected", "seen"),
    [
        ("missing", [NAN, NAN, 5, NAN], [False, False, True, False]),
        ("clip", [0, 10, 5, NAN], [True, True, True, False]),
        ("flag", [-9, 99, 5, NAN], [True, True, True, False]),
    ],
)
def test_each_action_changes_values_and_mask_as_documented(
    action: OutlierAction, expected: list[float], seen: list[bool]
) -> None:
    values, observed, outliers = three()
    before = values.copy()
    treated, left = apply_outlier_action(values, observed, outliers, action)
    np.testing.assert_array_equal(treated[:, 0], expected)
    assert left[:, 0].tolist() == seen
    np.testing.assert_array_equal(values, before)


cells = st.one_of(st.just(NAN), st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))


@settings(max_examples=50)
@given(
    st.lists(cells, min_size=60, max_size=60),
    st.lists(cells, min_size=60, max_size=60),
    st.integers(0, 60),
    st.integers(1, 59),
    st.integers(1, 8),
    st.sampled_from(METHODS),
)
def test_values_at_or_after_an_origin_change_no_flag_or_fence_before_it(
    one: list[float], other: list[float], origin: int, cut: int, season: int, method: str
) -> None:
    first = np.array(one)[:, None]
    second = np.concatenate([first[:origin], np.array(other)[origin:, None]])
    ours, theirs = (
        find_outliers(
            values,
            ~np.isnan(values),
            bounds(0, cut, 60),
            method=method,
            threshold=1.0,
            season=season,
        )
        for values in (first, second)
    )
    np.testing.assert_array_equal(ours.flags[:origin], theirs.flags[:origin])
    np.testing.assert_array_equal(ours.low[:origin], theirs.low[:origin])
    np.testing.assert_array_equal(ours.high[:origin], theirs.high[:origin])


@settings(max_examples=50)
@given(st.lists(cells, min_size=40, max_size=40), st.sampled_from(METHODS))
def test_clipped_values_lie_within_the_fences_and_others_stay(
    flat: list[float], method: str
) -> None:
    values = np.array(flat)[:, None]
    observed = ~np.isnan(values)
    found = find(np.array(flat), method, season=2, threshold=0.5)
    clipped, seen = apply_outlier_action(values, observed, found, "clip")
    inside = (clipped >= found.low) & (clipped <= found.high)
    assert inside[observed].all()
    np.testing.assert_array_equal(clipped[~found.flags], values[~found.flags])
    np.testing.assert_array_equal(seen, observed)
    assert not (found.flags & ~observed).any()
