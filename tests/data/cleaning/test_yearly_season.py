"""The yearly season: its choice, its fit, its removal, and what is stored of it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.cleaning.harmonic_regression import PENALTIES, fourier_terms
from rnnforecast.data.cleaning.weekly_means import (
    MAX_WEEKS,
    has_enough_years,
    steps_per_week,
    weekly_means,
)
from rnnforecast.data.cleaning.yearly_season import YearlySeason, fit_season
from rnnforecast.data.cleaning.yearly_season_choice import SeasonChoice, choose_season
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.types import Floats
from tests.data.panels import panel

START = "2024-01-01"


def course_of_the_year(days: int, phase: float = 0.0, start: str = START) -> Floats:
    """`[days]` one wave a year."""
    day = pd.date_range(start, periods=days)
    length = np.where(day.is_leap_year, 366, 365)
    return np.sin(2 * np.pi * ((day.day_of_year - 1) / length - phase)).to_numpy(dtype=float)


def noise(seed: int, days: int) -> Floats:
    return np.random.default_rng(seed).normal(size=days)


def chosen(one: Panel, horizon_weeks: int = 13, *, is_multiplicative: bool = True) -> SeasonChoice:
    weeks = weekly_means(
        one,
        one.targets,
        one.observed_mask,
        one.lengths,
        np.arange(one.n_series),
        is_multiplicative=is_multiplicative,
    )
    return choose_season(weeks, horizon_weeks)


def fitted(one: Panel, harmonics: int = 1, *, is_multiplicative: bool = True) -> YearlySeason:
    return fit_season(
        one,
        one.targets,
        one.observed_mask,
        one.lengths,
        SeasonChoice(harmonics, PENALTIES[0], 0.5),
        is_multiplicative=is_multiplicative,
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("horizon_weeks", [1, 4, 13])
def test_noise_and_random_walks_have_no_yearly_season(seed: int, horizon_weeks: int) -> None:
    white = panel(np.exp(0.2 * noise(seed, 1100)))
    walk = panel(np.exp(0.02 * noise(seed, 1100).cumsum()))
    assert not chosen(white, horizon_weeks).is_worthwhile
    assert not chosen(walk, horizon_weeks).is_worthwhile


@pytest.mark.parametrize("days", [750, 1100, 3650])
def test_a_course_of_the_year_in_noise_is_found_for_a_quarter_ahead(days: int) -> None:
    year = 0.3 * course_of_the_year(days) + 0.1 * noise(1, days)
    found = chosen(panel(np.exp(year)))
    assert found.is_worthwhile
    assert found.harmonics <= 2
    assert found.error < 0.5


def test_removing_the_season_leaves_trend_week_and_noise() -> None:
    days, trend = 1461, np.linspace(0, 1, 1461)
    rest = trend + np.tile([0.2, 0, 0, 0, 0, 0, -0.2], 209)[:days] + 0.05 * noise(2, days)
    one = panel(np.exp(rest + 0.4 * course_of_the_year(days)))
    left = np.log(fitted(one).remove(one.targets, one))[:, 0]
    assert np.abs(left - rest).max() < 0.03
    with_negatives = panel(rest + 0.4 * course_of_the_year(days))
    season = fitted(with_negatives, is_multiplicative=False)
    left = season.remove(with_negatives.targets, with_negatives)[:, 0]
    assert np.abs(left - rest).max() < 0.03


def test_zeros_and_missing_values_stay_what_they_are() -> None:
    days = 1100
    values = np.exp(0.5 * course_of_the_year(days)) * (np.arange(days) % 7 > 0)
    values[300:340] = np.nan
    one = panel(values)
    left = fitted(one).remove(one.targets, one)[:, 0]
    np.testing.assert_array_equal(left == 0, values == 0)
    np.testing.assert_array_equal(np.isnan(left), np.isnan(values))
    assert np.nanstd(np.log(left[left > 0])) < 0.1 * np.nanstd(np.log(values[values > 0]))


@settings(max_examples=20, deadline=None)
@given(origin=st.integers(0, 1000), horizon=st.integers(1, 40), seed=st.integers(0, 5))
def test_restoring_undoes_removing_at_any_step(origin: int, horizon: int, seed: int) -> None:
    values = np.exp(0.3 * course_of_the_year(1100) + 0.1 * noise(seed, 1100))
    for one, is_multiplicative in ((panel(values, values[:900]), True), (panel(values - 1), False)):
        season = fitted(one, 2, is_multiplicative=is_multiplicative)
        left = season.remove(one.targets, one)
        window = slice(origin, min(origin + horizon, 1100))
        forecast = left[window][None, :, :, None].repeat(3, axis=-1)  # [1, H, C, Q]
        again = season.restore(forecast, one, np.array([0]), np.array([origin]))
        np.testing.assert_allclose(again[0, :, 0, 1], one.targets[window, 0], rtol=1e-9)


def test_each_series_has_its_own_course_and_short_or_new_ones_the_mean() -> None:
    early, late = (np.exp(0.4 * course_of_the_year(1100, phase)) for phase in (0.0, 0.3))
    one = panel(early, late, early[:200])
    season = fitted(one)
    np.testing.assert_allclose(season.coefficients[2], season.usual)
    np.testing.assert_allclose(season.usual, season.coefficients[:2].mean(0))
    assert np.abs(season.coefficients[0] - season.coefficients[1]).max() > 0.2
    new = panel(early, late, early[:200], late)
    left = season.remove(new.targets, new)
    np.testing.assert_allclose(left[: len(one.targets)], season.remove(one.targets, one))
    assert not np.allclose(left[-1100:], left[1100:2200])


def test_many_series_with_the_same_course_share_it() -> None:
    course = 0.5 * course_of_the_year(800)
    rows = [np.exp(course + 2.0 * noise(seed, 800)) for seed in range(12)]
    found = chosen(panel(*rows))
    assert found.is_worthwhile
    assert found.penalty > PENALTIES[0]


def test_the_last_six_years_count() -> None:
    days = 4000
    one = panel(np.exp(0.3 * course_of_the_year(days)))
    changed = one.targets.copy()
    changed[: days // 7 * 7 - 7 * MAX_WEEKS] *= 7.0
    other = panel(changed[:, 0])
    np.testing.assert_allclose(fitted(other).coefficients, fitted(one).coefficients)


@pytest.mark.parametrize(
    ("alias", "expected"), [("D", 7), ("h", 168), ("30min", 336), ("B", 5), ("W-SUN", 1), ("MS", 0)]
)
def test_steps_of_a_week(alias: str, expected: int) -> None:
    frequency = parse_frequency(alias)
    assert steps_per_week(frequency) == expected
    steps = np.array([round(1.9 * 52.18 * expected), round(2.1 * 52.18 * expected)])
    assert has_enough_years(frequency, steps).tolist() == [False, expected > 0]


def test_hours_business_days_and_weeks_have_the_course_of_days() -> None:
    year = np.exp(0.3 * course_of_the_year(1461))
    days = pd.Series(year, pd.date_range(START, periods=1461))
    expected = fitted(panel(year)).coefficients[0, 0]
    for alias, rule in (("h", "h"), ("B", "B"), ("W-SUN", "W-SUN")):
        finer = days.resample(rule).mean().interpolate() if rule != "B" else days.asfreq("B")
        one = panel(finer.to_numpy(), start=str(finer.index[0]), frequency=alias)
        np.testing.assert_allclose(fitted(one).coefficients[0, 0], expected, atol=0.02)


def test_constant_and_nearly_empty_series_have_no_yearly_season() -> None:
    nearly_empty = np.full(1100, np.nan)
    nearly_empty[[0, 500, -1]] = 1.0, 2.0, 3.0
    for values in (np.full(1100, 5.0), np.zeros(1100), nearly_empty):
        assert not chosen(panel(values)).is_worthwhile


def test_a_stored_season_is_the_same() -> None:
    one = panel(np.exp(0.3 * course_of_the_year(1100)), np.exp(0.1 * course_of_the_year(900)))
    season = fitted(one, 3)
    again = YearlySeason.from_json(json.loads(json.dumps(season.to_json())), season.arrays())
    np.testing.assert_array_equal(again.remove(one.targets, one), season.remove(one.targets, one))
    nothing = YearlySeason.from_json(YearlySeason().to_json(), {})
    assert not nothing
    assert nothing.remove(one.targets, one) is one.targets


def test_fourier_terms_are_waves_of_the_year() -> None:
    terms = fourier_terms(np.array([0.0, 0.25]), 2)
    np.testing.assert_allclose(terms, [[0, 1, 0, 1], [1, 0, 0, -1]], atol=1e-12)
