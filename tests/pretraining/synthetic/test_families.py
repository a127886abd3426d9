"""Families of synthetic series: finite, each series its own, with the seasons of the calendar."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnforecast.pretraining.synthetic import families
from rnnforecast.pretraining.synthetic.families import FAMILIES, Calendar
from rnnforecast.pretraining.synthetic.random import Random

Family = Callable[[Random, Calendar, int], Tensor]
PAIRS = [(1, 1), (12, 1), (7, 28), (24, 168)]


def calendar_of(*numbers: int) -> Calendar:
    return Calendar(torch.tensor(numbers), PAIRS)


def autocorrelation(x: Tensor, lag: int) -> Tensor:
    """Of differences over a step, so that trends do not count; `[B]`."""
    change = x.diff(dim=1)
    change = change - change.mean(1, keepdim=True)
    products = (change[:, lag:] * change[:, : change.shape[1] - lag]).sum(1)
    return products / change.square().sum(1)


@pytest.mark.parametrize("family", [each for each, *_ in FAMILIES], ids=lambda each: each.__name__)
@pytest.mark.parametrize("steps", [24, 400])
def test_series_are_finite_repeatable_and_differ(family: Family, steps: int) -> None:
    calendar = calendar_of(0, 1, 2, 3, 0, 1, 2, 3)
    found, again = (family(Random(4), calendar, steps) for _ in range(2))
    assert found.shape == (8, steps)
    assert found.isfinite().all()
    assert torch.equal(found, again)
    assert (found.std(1) > 0).all()
    correlations = np.abs(np.corrcoef(found.numpy()) - np.eye(8))
    assert correlations.max() < 0.9999


def test_shares_of_families_add_up_for_short_and_for_long_series() -> None:
    for column in (1, 2):
        assert sum(each[column] for each in FAMILIES) == pytest.approx(1)


@pytest.mark.parametrize("family", [families.structural, families.exponential_smoothing])
def test_the_season_of_the_calendar_repeats_and_no_other(family: Family) -> None:
    count = 60
    seasonal = family(Random(1), calendar_of(*[1] * count), 240)
    plain = family(Random(1), calendar_of(*[0] * count), 240)
    at_season = autocorrelation(seasonal, 12).median()
    assert at_season > 0.25
    assert autocorrelation(plain, 12).median().abs() < 0.1
    assert at_season > autocorrelation(seasonal, 7).median() + 0.2


def test_seasons_of_hours_are_strong() -> None:
    hours = families.structural(Random(1), calendar_of(*[3] * 60), 600)
    assert autocorrelation(hours, 24).median() > 0.5


def test_series_of_years_keep_their_level_and_grow() -> None:
    """A year's change lasts and is mostly upwards; that of a day within a week goes mostly back."""
    years, days = (
        families.exponential_smoothing(Random(2), calendar_of(*[number] * 200), 40)
        for number in (0, 2)
    )
    assert (years[:, -1] > years[:, 0]).float().mean() > 0.7
    lasting = autocorrelation(years, 1).median()
    assert lasting > autocorrelation(days, 1).median()


def test_coarse_and_fine_steps_are_told_by_the_seasons() -> None:
    calendar = calendar_of(0, 1, 2, 3)
    assert calendar.seasons.tolist() == [list(pair) for pair in PAIRS]
    assert calendar.is_coarse(40)[:, 0].tolist() == [True, False, False, False]
    assert not calendar.is_coarse(1000).any()
    assert calendar.is_fine()[:, 0].tolist() == [False, False, False, True]
    lasting = calendar.persistence(1000)[:, 0]
    assert calendar.persistence(40)[0, 0] > lasting[3] > lasting[1]
