"""Naive and seasonal naive forecasts against hand calculations and pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.statistical.histories import Histories
from rnnforecast.statistical.naive import (
    forecast,
    seasonal_mean,
    seasonal_mean_variance,
    seasonal_naive,
    seasonal_naive_variance,
)
from rnnforecast.types import Floats, Ints
from tests.statistical.series import histories_of

NAN = np.nan


def naive(
    values: list[float], *, season: int, horizon: int, end: int | None = None, drift: bool = False
) -> list[float]:
    flat = np.array(values, dtype=np.float64)[:, None]
    ends = np.array([len(values) if end is None else end])
    bounds = np.array([0, len(values)])
    found = seasonal_naive(flat, bounds, season=season, horizon=horizon, ends=ends, drift=drift)
    return [float(value) for value in found[0, :, 0]]


def test_the_last_season_is_repeated() -> None:
    assert naive([9, 9, 9, 1, 2, 3], season=3, horizon=7) == [1, 2, 3, 1, 2, 3, 1]


def test_without_a_season_the_last_value_is_repeated() -> None:
    assert naive([1, 2, 3], season=1, horizon=3) == [3, 3, 3]


def test_nothing_after_the_end_is_used() -> None:
    assert naive([1, 2, 3, 4, 99, 99], season=2, horizon=3, end=4) == [3, 4, 3]


def test_a_missing_value_comes_from_the_latest_season_that_has_it() -> None:
    assert naive([1, 2, 5, 3, NAN, 6, NAN, 4, 7], season=3, horizon=3) == [3, 4, 7]


def test_a_phase_never_observed_gets_the_last_observed_value() -> None:
    assert naive([NAN, 2, NAN, 4], season=2, horizon=2) == [4, 4]
    assert naive([5, 6], season=4, horizon=4) == [6, 6, 5, 6]
    assert np.isnan(naive([NAN, NAN], season=2, horizon=2)).all()


def test_an_empty_history_has_no_forecast() -> None:
    assert np.isnan(naive([1, 2, 3], season=2, horizon=2, end=0)).all()
    assert np.isnan(naive([], season=2, horizon=2)).all()


def histories(lengths: list[int], seed: int) -> tuple[Floats, Ints, Ints]:
    """Random values of two targets with gaps, where series begin, and where their histories end."""
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths])
    values = np.where(rng.random((offsets[-1], 2)) < 0.3, NAN, rng.normal(size=(offsets[-1], 2)))
    ends = rng.integers(offsets[:-1], offsets[1:] + 1)
    return values, offsets, ends


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(0, 2**31),
)
def test_each_series_and_target_has_the_forecast_of_pandas(
    lengths: list[int], season: int, horizon: int, seed: int
) -> None:
    values, offsets, ends = histories(lengths, seed)
    together = seasonal_naive(values, offsets, season=season, horizon=horizon, ends=ends)
    for s, (start, end) in enumerate(zip(offsets[:-1], ends, strict=True)):
        for c in range(2):
            expected = by_pandas(values[start:end, c], season, horizon)
            np.testing.assert_array_equal(together[s, :, c], expected)


def by_pandas(history: Floats, season: int, horizon: int) -> Floats:
    series = pd.Series(history, index=np.arange(-len(history), 0), dtype=float)
    at_place = series.groupby(series.index % season).last()
    last = series.dropna().iloc[-1] if series.notna().any() else NAN
    places = at_place.reindex(np.arange(horizon) % season).fillna(last)
    return np.asarray(places, dtype=np.float64)


def test_an_end_relative_to_the_start_of_its_series_is_refused() -> None:
    with pytest.raises(ValueError, match="flat rows"):
        seasonal_naive(
            np.ones((8, 1)), np.array([0, 4, 8]), season=1, horizon=1, ends=np.array([3, 3])
        )


def test_drift_continues_the_line_from_the_first_to_the_last_value() -> None:
    assert naive([1, 9, 4, 7], season=1, horizon=3, drift=True) == pytest.approx([9, 11, 13])
    assert naive([5], season=1, horizon=2, drift=True) == [5, 5]
    assert np.isnan(naive([NAN], season=1, horizon=2, drift=True)).all()


def test_drift_counts_the_steps_since_the_last_observed_value() -> None:
    # mean change of 2 per step, two steps since the 7
    assert naive([1, 3, 5, 7, NAN], season=1, horizon=2, drift=True) == pytest.approx([11, 13])


def test_seasonal_drift_adds_the_mean_yearly_change_for_each_year_ahead() -> None:
    values = [10.0, 20, 30, 13, 22, 34]  # changes of 3, 2 and 4 a season
    found = naive(values, season=3, horizon=7, drift=True)
    assert found == pytest.approx([16, 25, 37, 19, 28, 40, 22])


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=4),
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(0, 2**31),
)
def test_drift_of_each_series_and_target_is_that_of_its_own_history(
    lengths: list[int], season: int, horizon: int, seed: int
) -> None:
    values, offsets, ends = histories(lengths, seed)
    together = seasonal_naive(
        values, offsets, season=season, horizon=horizon, ends=ends, drift=True
    )
    for s, (start, end) in enumerate(zip(offsets[:-1], ends, strict=True)):
        for c in range(2):
            history = pd.Series(values[start:end, c])
            change = history.diff(season).mean()
            rows = pd.Series(history.index, index=history.index)[history.notna()]
            for step in range(horizon):
                now = end - start + step
                phase = rows[(rows - now) % season == 0]
                if rows.empty:
                    assert np.isnan(together[s, step, c])
                    continue
                source = phase.iloc[-1] if len(phase) else rows.iloc[-1]
                drift = 0.0 if np.isnan(change) else change * (now - source) / season
                expected = history[source] + drift
                assert together[s, step, c] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_histories_have_the_forecasts_of_their_flat_panel() -> None:
    # mean change of 3 a season, and its variance; two seasons ahead
    found = forecast(histories_of([10.0, 20, 30, 13, 22, 34]), season=3, horizon=4, drift=True)
    np.testing.assert_allclose(found.mean[0], [16, 25, 37, 19])
    spread = np.var([3, 2, 4], ddof=1)
    np.testing.assert_allclose(found.variance[0], spread * np.array([2, 2, 2, 2 * (1 + 2)]))


def test_filled_values_do_not_count() -> None:
    histories = Histories.from_flat(
        np.array([1.0, 5, NAN, NAN]), np.array([0, 4]), np.array([0]), np.array([4]), max_steps=9
    )
    found = forecast(histories, season=2, horizon=2)
    assert found.mean.tolist() == [[1, 5]]
    np.testing.assert_allclose(found.variance, [[16, 32]])  # differences of one step


def test_the_spread_of_a_single_value_is_its_size() -> None:
    found = forecast(histories_of([], [4.0]), season=1, horizon=2)
    np.testing.assert_array_equal(found.mean, [[NAN, NAN], [4, 4]])
    np.testing.assert_array_equal(found.variance, [[NAN, NAN], [16, 16]])


@given(
    st.lists(st.lists(st.floats(-50, 50), min_size=1, max_size=40), min_size=1, max_size=4),
    st.integers(0, 3),
    st.sampled_from([1, 4]),
    st.booleans(),
)
def test_a_forecast_depends_neither_on_other_series_nor_on_padding(
    series: list[list[float]], padding: int, season: int, drift: bool
) -> None:
    together = forecast(
        histories_of(*series, padding=padding), season=season, horizon=5, drift=drift
    )
    for row, each in enumerate(series):
        alone = forecast(histories_of(each), season=season, horizon=5, drift=drift)
        np.testing.assert_array_equal(together.mean[row], alone.mean[0])
        np.testing.assert_array_equal(together.variance[row], alone.variance[0])


def mean_and_variance(
    values: list[float], *, season: int, horizon: int, seasons: int
) -> tuple[list[float], list[float]]:
    flat, bounds = np.array(values, dtype=np.float64)[:, None], np.array([0, len(values)])
    mean, variance = (
        each(flat, bounds, season=season, horizon=horizon, ends=bounds[1:], seasons=seasons)
        for each in (seasonal_mean, seasonal_mean_variance)
    )
    return mean[0, :, 0].tolist(), variance[0, :, 0].tolist()


# SeasonalWindowAverage(season_length=4, window_size=3) of statsforecast 2.1.1
SEASONAL_VALUES = [12.1, 7.4, 9.9, 3.2, 13.0, 8.1, 9.5, 4.4, 12.6, 9.0, 8.7, 5.1, 14.2, 8.8, 10.3]
SEASONAL_MEANS = [4.233333, 13.266667, 8.633333, 9.5, 4.233333, 13.266667]


def test_seasonal_means_are_those_of_statsforecast() -> None:
    found, _ = mean_and_variance(SEASONAL_VALUES, season=4, horizon=6, seasons=3)
    assert found == pytest.approx(SEASONAL_MEANS, rel=1e-6)


def test_a_seasonal_mean_is_of_the_values_that_were_observed() -> None:
    values = [100.0, 1, NAN, 2, 5, NAN]  # phases: 100, NAN, 5 and 1, 2, NAN
    assert mean_and_variance(values, season=2, horizon=3, seasons=2)[0] == [5, 2, 5]
    assert mean_and_variance([4.0, NAN, NAN, NAN], season=2, horizon=2, seasons=1)[0] == [4, 4]
    assert np.isnan(mean_and_variance([NAN], season=2, horizon=2, seasons=1)[0]).all()


def test_the_variance_of_a_seasonal_mean_is_that_of_its_past_errors() -> None:
    values = [1.0, 5, 3, 5, 8, 6]  # errors: 8 - (1 + 3) / 2 and 6 - (5 + 5) / 2
    assert mean_and_variance(values, season=2, horizon=3, seasons=2)[1] == [18.5] * 3


def test_the_variance_of_a_short_history_is_that_of_the_seasonal_naive_forecast() -> None:
    values = [1.0, 5, 3, 8]
    naive = seasonal_naive_variance(
        np.array(values)[:, None],
        np.array([0, 4]),
        season=2,
        horizon=3,
        ends=np.array([4]),
    )
    assert mean_and_variance(values, season=2, horizon=3, seasons=2)[1] == naive[0, :, 0].tolist()
