"""Seasonality detection on seasonal series and on noise."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.data.cleaning.seasonality import (
    MAX_SERIES,
    Seasonality,
    detect_seasonality,
)
from rnnforecast.types import Floats


def season(series: Floats, *candidates: int) -> Seasonality:
    """Of equally long series `[S, n]`."""
    flat = series.reshape(-1, 1)
    offsets = np.arange(0, flat.size + 1, series.shape[1], dtype=np.int64)
    return detect_seasonality(flat, ~np.isnan(flat), offsets, candidates)


def noise(seed: int, series: int, steps: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(series, steps))


def wave(period: int, steps: int) -> Floats:
    return np.sin(2 * np.pi * np.arange(steps) / period)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("series", [1, 20])
@pytest.mark.parametrize("candidates", [(24, 168), (7, 365), (12,), ()])
def test_white_noise_and_random_walks_have_no_season(
    seed: int, series: int, candidates: tuple[int, ...]
) -> None:
    white = noise(seed, series, 600)
    assert season(white, *candidates).length == 1
    assert season(white.cumsum(axis=1), *candidates).length == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_wave_in_noise_on_a_random_walk_is_found_in_one_series(seed: int) -> None:
    level = 0.1 * noise(seed, 1, 480).cumsum(axis=1)
    assert season(level + wave(24, 480) + 0.3 * noise(seed + 99, 1, 480), 24, 168).length == 24


@pytest.mark.parametrize("seed", range(5))
def test_a_slow_wave_in_noise_is_found_from_three_periods_on(seed: int) -> None:
    year = wave(52, 156) + 0.3 * noise(seed, 1, 156)
    assert season(year, 52).length == 52
    assert season(year[:, 1:], 52).length == 1


def test_the_first_significant_candidate_wins_and_all_strengths_are_reported() -> None:
    weekdays = np.repeat([1.0, 1.0, 1.0, 1.0, 1.0, 0.3, 0.2], 24)
    hourly = np.tile(weekdays, 6) * (2 + wave(24, 1008)) + 0.1 * noise(1, 1, 1008)
    found = season(hourly, 24, 168)
    assert found.length == 24
    assert found.candidate_strengths.keys() == {24, 168}
    assert found.strength == found.candidate_strengths[24]


def test_a_longer_season_counts_with_what_a_shorter_one_leaves() -> None:
    day, week = np.tile(wave(24, 24), 70), np.repeat(np.tile([1.0, 1, 1, 1, 1, -2.5, -2.5], 10), 24)
    both = season((day + 0.3 * week)[None] + 0.1 * noise(20, 1, 1680), 24, 168)
    assert both.significant == (24, 168)
    assert both.candidate_strengths[24] > both.candidate_strengths[168] > 0.05
    alone = season(day[None] + 0.3 * noise(21, 1, 1680), 24, 168)
    assert alone.significant == (24,)
    assert alone.candidate_strengths[168] < 0.02


def test_a_season_of_fewer_than_three_cycles_is_unknown_not_absent() -> None:
    found = season(wave(7, 430) + 0.1 * noise(22, 1, 430), 7, 365)
    assert (found.significant, found.unknown) == ((7,), (365,))
    assert found.candidate_strengths.keys() == {7}


def test_the_second_candidate_is_taken_where_the_first_fails() -> None:
    assert season(wave(365, 1200) + 0.3 * noise(2, 1, 1200), 7, 365).length == 365


def test_half_of_a_season_is_not_detected() -> None:
    assert season(wave(24, 960) + 0.1 * noise(3, 4, 960), 12).length == 1


def test_strength_is_the_share_of_variance_around_the_trend() -> None:
    pattern = np.tile([1.0, -1.0, 1.0, 3.0, -2.0, -1.0, -1.0], 300)  # variance 18 / 7
    found = season(pattern + np.arange(2100) + noise(4, 8, 2100), 7)
    assert found.length == 7
    assert found.strength == pytest.approx(18 / 7 / (18 / 7 + 1), abs=0.05)


def test_a_season_that_only_a_few_series_have_is_not_that_of_the_panel() -> None:
    series = noise(5, 40, 240)
    series[:3] += 5 * wave(12, 240)
    assert season(series, 12).length == 1
    series[:20] += 5 * wave(12, 240)
    assert season(series, 12).length == 12


def test_series_without_a_season_do_not_outvote_the_quarter_that_has_one() -> None:
    series = 0.1 * noise(15, 200, 60).cumsum(axis=1).cumsum(axis=1)
    assert season(series, 12).length == 1
    series[:50] += 5 * wave(12, 60)
    assert season(series, 12).length == 12


def test_gaps_neither_hide_nor_create_a_season() -> None:
    gaps = np.random.default_rng(6).random((1, 960)) < 0.3
    seasonal = wave(24, 960) + 0.3 * noise(7, 1, 960)
    assert season(np.where(gaps, np.nan, seasonal), 24).length == 24
    nights = np.tile(np.arange(24) < 8, 40)
    walk = noise(8, 1, 960).cumsum(axis=1)
    assert season(np.where(nights, np.nan, walk), 24).length == 1


@pytest.mark.parametrize("period", [2, 9, 50])
def test_without_candidates_the_season_is_searched(period: int) -> None:
    spikes = (np.arange(600) % period == 0) * 4.0
    assert season(spikes + 0.3 * noise(9, 1, 600)).length == period
    assert season(spikes[None] + 0.0).length == period


def test_series_of_different_lengths_and_targets_are_tested_together() -> None:
    lengths = [30, 100, 57, 200, 36]
    rows = np.concatenate([wave(12, n) for n in lengths])
    values = np.column_stack([rows, 3 * rows]) + 0.2 * noise(10, len(rows), 2)
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    assert detect_seasonality(values, np.ones_like(values, dtype=bool), offsets, (12,)).length == 12


def test_many_series_are_sampled_from_all_of_the_panel() -> None:
    series = noise(11, 3 * MAX_SERIES, 60)
    series[MAX_SERIES:] += 3 * wave(12, 60)  # not in the first ones
    assert season(series, 12).length == 12


@pytest.mark.parametrize("steps", [1, 2, 5, 60])
@pytest.mark.parametrize("candidates", [(12,), ()])
def test_constant_linear_and_missing_series_have_no_season(
    steps: int, candidates: tuple[int, ...]
) -> None:
    constant, line = np.full((2, steps), 0.1), np.arange(2.0 * steps).reshape(2, steps) * 0.1
    for series in (constant, line, np.full((2, steps), np.nan)):
        assert season(series, *candidates) == Seasonality(1, 0.0, {})


def test_an_empty_panel_has_no_season() -> None:
    empty = np.empty((0, 1))
    assert detect_seasonality(empty, empty > 0, np.zeros(1, dtype=np.int64), (12,)) == Seasonality(
        1, 0.0, {}
    )


@pytest.mark.parametrize("unit", [1e-14, 1e160, 1e300])
@pytest.mark.parametrize("candidates", [(12,), ()])
def test_tiny_and_huge_units_do_not_change_the_result(
    unit: float, candidates: tuple[int, ...]
) -> None:
    series = wave(12, 120) + 0.5 * noise(12, 3, 120)
    plain, scaled = season(series, *candidates), season(unit * series, *candidates)
    assert plain.length == scaled.length == 12
    assert scaled.candidate_strengths == pytest.approx(plain.candidate_strengths, rel=1e-9)
    walk = noise(12, 1, 600).cumsum(axis=1)
    assert season(unit * walk, *candidates).length == 1


def test_unit_and_level_do_not_change_the_result() -> None:
    series = wave(12, 120) + 0.5 * noise(12, 3, 120)
    plain, scaled = season(series, 12), season(1e-3 * series + 1e6, 12)
    assert plain.length == scaled.length == 12
    assert plain.strength == pytest.approx(scaled.strength, rel=1e-4)
