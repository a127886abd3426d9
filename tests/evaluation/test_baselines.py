"""The seasonal naive forecast against hand calculations, pandas and scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from rnnforecast.evaluation.baselines import (
    seasonal_naive,
    seasonal_naive_quantiles,
    simple_forecasts,
)
from rnnforecast.types import Floats, Ints

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


def test_quantiles_widen_with_the_root_of_the_seasons_ahead() -> None:
    values = np.array([1.0, 2, 4, 3, 5, 7])[:, None]
    levels = (0.025, 0.5, 0.9)
    found = seasonal_naive_quantiles(
        values, np.array([0, 6]), season=2, horizon=5, ends=np.array([6]), levels=levels
    )
    deviation = np.sqrt((3**2 + 1**2 + 1**2 + 4**2) / 4)
    seasons_ahead = np.array([1, 1, 2, 2, 3])
    expected = norm.ppf(
        np.array(levels),
        loc=np.array([5, 7, 5, 7, 5])[:, None],
        scale=deviation * np.sqrt(seasons_ahead)[:, None],
    )
    assert found.shape == (1, 5, 1, 3)
    np.testing.assert_allclose(found[0, :, 0], expected, rtol=1e-12)


def test_a_history_shorter_than_a_season_widens_as_a_random_walk() -> None:
    values = np.array([1.0, 4.0, 8.0])[:, None]
    found = seasonal_naive_quantiles(
        values, np.array([0, 3]), season=5, horizon=4, ends=np.array([3]), levels=(0.9,)
    )
    point = seasonal_naive(values, np.array([0, 3]), season=5, horizon=4, ends=np.array([3]))
    deviation = np.sqrt((3**2 + 4**2) / 2 * np.arange(1, 5))
    np.testing.assert_allclose((found[..., 0] - point)[0, :, 0], norm.ppf(0.9) * deviation)


def test_one_value_alone_gives_no_quantiles() -> None:
    found = seasonal_naive_quantiles(
        np.ones((1, 1)), np.array([0, 1]), season=1, horizon=2, ends=np.array([1]), levels=(0.5,)
    )
    assert np.isnan(found).all()


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


def test_quantiles_with_drift_are_those_of_the_drift_method() -> None:
    """Hyndman and Athanasopoulos, 5.5: sigma * sqrt(h * (1 + h / (T - 1)))."""
    values = np.array([1.0, 4, 5, 9, 8, 12])[:, None]
    point = seasonal_naive(
        values, np.array([0, 6]), season=1, horizon=4, ends=np.array([6]), drift=True
    )
    found = seasonal_naive_quantiles(
        values,
        np.array([0, 6]),
        season=1,
        horizon=4,
        ends=np.array([6]),
        levels=(0.9,),
        drift=True,
    )
    step = np.arange(1, 5)
    deviation = np.std(np.diff(values[:, 0]), ddof=1) * np.sqrt(step * (1 + step / 5))
    np.testing.assert_allclose((found[..., 0] - point)[0, :, 0], norm.ppf(0.9) * deviation)


def test_the_simple_forecasts_of_a_season_begin_with_the_usual_one() -> None:
    assert [each.name for each in simple_forecasts(12)] == [
        "seasonal naive",
        "seasonal naive with drift",
        "naive",
        "drift",
    ]
    assert [each.name for each in simple_forecasts(1)] == ["naive", "drift"]
