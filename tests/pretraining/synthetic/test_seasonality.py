"""Seasons: calendars that fit into the context, and patterns that repeat."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.pretraining.synthetic.random import Random
from rnnforecast.pretraining.synthetic.seasonality import (
    CALENDARS,
    draw_calendars,
    evolving_pattern,
    seasonal_pattern,
    seasonal_walk,
)


@settings(max_examples=20)
@given(context=st.integers(1, 96).map(lambda patches: 16 * patches), seed=st.integers(0, 10**6))
def test_calendars_have_seasons_that_fit_into_the_context(context: int, seed: int) -> None:
    for first, second in draw_calendars(Random(seed), context, 10):
        assert 1 <= first <= max(context / 1.8, 4)
        assert second == 1 or first < second <= 0.7 * context


def test_most_calendars_are_those_of_recorded_series() -> None:
    known = {pair[:2] for pair in CALENDARS} | {(first, 1) for first, *_ in CALENDARS}
    drawn = draw_calendars(Random(0), 1536, 300)
    assert 0.6 < sum(pair in known for pair in drawn) / 300 < 0.95
    assert len(set(drawn)) > 30


@pytest.mark.parametrize("season", [2, 7, 12, 24, 168])
def test_patterns_repeat_after_a_season_and_are_standardized(season: int) -> None:
    steps = 3 * season
    pattern = seasonal_pattern(Random(0), torch.full((50,), season), steps, torch.arange(50) * 13)
    torch.testing.assert_close(pattern[:, season:], pattern[:, :-season], atol=2e-3, rtol=0)
    torch.testing.assert_close(pattern.mean(1), torch.zeros(50), atol=1e-4, rtol=0)
    assert (pattern.std(1) > 0.9).float().mean() > 0.9


def test_a_period_of_one_step_has_no_pattern() -> None:
    pattern = seasonal_pattern(Random(0), torch.ones(5, dtype=torch.int64), 30, torch.zeros(5))
    assert (pattern == 0).all()


def test_the_amplitude_of_a_pattern_changes_slowly_or_stays() -> None:
    pattern = torch.sin(torch.arange(240) * 2 * torch.pi / 12).expand(100, -1)
    found = evolving_pattern(Random(0), pattern)
    stays = (found == pattern).all(1)
    assert 0.3 < stays.float().mean() < 0.7
    assert (found.sign() == pattern.sign()).all()


def test_phases_of_a_seasonal_walk_change_from_cycle_to_cycle_by_less_than_they_differ() -> None:
    numbers = torch.tensor([0, 1, 1, 1])
    found = seasonal_walk(Random(0), numbers, [(1, 1), (12, 1)], 12 * 20 + 5)
    assert (found[0] == 0).all()
    cycles = found[1:, :240].view(3, 20, 12)
    change = cycles.diff(dim=1).std((1, 2))
    assert (change > 0).all()
    assert (change < 0.6).all()
    assert (cycles[:, 0].std(1) > 0.5).all()
