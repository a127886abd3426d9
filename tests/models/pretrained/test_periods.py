"""Periods of series: found in noise, preferred if they are known, and of any unit and trend."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.models.pretrained.periods import autocorrelation
from rnnforecast.types import Floats
from tests.models.pretrained.contexts import context_of, noisy_season


def periods(values: Floats, seasons: tuple[int, int] = (0, 0)) -> list[int]:
    return list(context_of(values, seasons=seasons).periods.lags[0].tolist())


@settings(max_examples=20)
@given(period=st.integers(5, 40), seed=st.integers(0, 100))
def test_the_period_of_a_noisy_sine_is_found(period: int, seed: int) -> None:
    found = periods(noisy_season(6 * period, period, noise=0.25, seed=seed))[0]
    assert abs(found - period) <= max(1, period // 10)


def test_a_day_in_a_week_of_hours_is_found_and_then_the_week() -> None:
    hour = np.arange(24 * 7 * 5)
    weekday = np.array([1.0, 1.1, 1.1, 1.1, 1.0, 0.9, 0.8])[hour // 24 % 7]
    values = weekday * (2 + np.sin(2 * np.pi * hour / 24)) + 0.05 * noisy_season(len(hour), 1e9)
    assert periods(values) == [24, 168]
    assert periods(values, (24, 168)) == [24, 168]


@pytest.mark.parametrize("season", [4, 7, 12])
def test_a_pattern_of_quarters_days_or_months_is_found_beside_a_trend(season: int) -> None:
    random = np.random.default_rng(season)
    step = np.arange(season * 8)
    pattern = random.normal(size=season)
    values = pattern[step % season] + 0.05 * step + 0.1 * random.normal(size=len(step))
    assert periods(values)[0] == season


@pytest.mark.parametrize("steps", [24, 48, 1500])
def test_most_noise_has_no_period(steps: int) -> None:
    noise = np.random.default_rng(0).normal(size=(60, steps))
    lags = context_of(*noise).periods.lags
    assert (lags[:, 0] == 1).float().mean() > 0.5
    assert (lags[:, 1] == 1).float().mean() > 0.9


def test_noise_has_no_strong_period_and_a_known_season_is_preferred_in_it() -> None:
    values = np.random.default_rng(3).normal(size=400)
    assert (context_of(values).periods.strength < 0.25).all()
    assert periods(values, (12, 0))[0] == 12


def test_a_known_season_that_the_series_is_too_short_for_is_not_taken() -> None:
    values = np.random.default_rng(3).normal(size=20)
    assert 24 not in periods(values, (24, 0))
    assert max(periods(values, (500, 0))) < 20


@settings(max_examples=30)
@given(
    st.lists(
        st.one_of(st.just(np.nan), st.floats(-5, 5).filter(lambda x: abs(x) > 1e-3)),
        min_size=16,
        max_size=48,
    )
)
def test_the_autocorrelation_is_that_of_the_definition(values: list[float]) -> None:
    row = np.array(values)
    known = np.isfinite(row)
    x = np.where(known, row, 0.0)
    variance = np.square(x).sum() / max(known.sum(), 1)
    expected = []
    for lag in range(len(x)):
        pairs = [(x[t], x[t - lag]) for t in range(lag, len(x)) if known[t] and known[t - lag]]
        covariance = sum(a * b for a, b in pairs) / (len(pairs) + 2)
        expected.append(np.clip(covariance / max(variance, 1e-8), -1, 1))
    weight = torch.from_numpy(known.astype(float))[None]
    found = autocorrelation(torch.from_numpy(x)[None], weight)[0]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_the_strength_is_the_autocorrelation_at_the_period() -> None:
    context = context_of(noisy_season(160, 8.0), noisy_season(160, 8.0, noise=2.0))
    strong, weak = context.periods.strength[:, 0].tolist()
    assert 0.7 < strong <= 1
    assert weak < 0.5
    assert context_of([1.0] * 32).periods.strength.tolist() == [[0.0, 0.0]]
