"""Short disturbances of a history, which the statistical methods do not read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.statistical import combination
from rnnforecast.statistical.histories import Histories
from rnnforecast.statistical.transients import without_transients
from rnnforecast.types import Floats

MONTHS = 96


def visitors(seed: int = 0, *, months: int = MONTHS) -> Floats:
    """A trend, a course of the year and noise, by month."""
    month = np.arange(months)
    noise = np.random.default_rng(seed).normal(scale=20.0, size=months)
    return 1000 + 10 * month + 100 * np.sin(month * np.pi / 6) + noise


def replaced(values: Floats, *, season: int = 12) -> list[int]:
    """Steps of a history that are taken as not observed."""
    found = without_transients(Histories.from_values(values[:, None]), season=season)
    return np.flatnonzero(~found.observed[:, 0]).tolist()


def test_a_dip_of_some_months_is_found_and_bridged() -> None:
    values = visitors()
    dip = values.copy()
    dip[40:44] -= 400
    assert replaced(dip) == [40, 41, 42, 43]
    found = without_transients(Histories.from_values(dip[:, None]), season=12)
    np.testing.assert_allclose(found.values[40:44, 0], (dip[28:32] + dip[52:56]) / 2)
    kept = np.setdiff1d(np.arange(MONTHS), [40, 41, 42, 43])
    np.testing.assert_array_equal(found.values[kept, 0], dip[kept])


@pytest.mark.parametrize("first", [0, 5, 90])
def test_the_first_and_the_last_season_are_left_as_they_are(first: int) -> None:
    values = visitors()
    values[first : first + 3] -= 400
    assert replaced(values) == []


def test_a_lasting_change_of_the_level_is_no_transient() -> None:
    values = visitors()
    values[50:] += 500
    assert replaced(values) == []


def test_clean_short_and_constant_histories_are_unchanged() -> None:
    assert replaced(visitors()) == []
    assert replaced(visitors(months=24)) == []
    assert replaced(np.full(60, 7.0)) == []
    assert replaced(np.full(60, np.nan)) == list(range(60))  # nothing is observed
    quarters = visitors()
    quarters[40] -= 400
    assert replaced(quarters, season=4) == []


@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.integers(0, 30))
def test_scale_and_padding_do_not_matter(seed: int, scale: float, padding: int) -> None:
    values = visitors(seed)
    values[30:33] += 300
    padded = np.concatenate([np.full(padding, np.nan), values * scale])
    expected = [step + padding for step in replaced(values)]
    assert [step for step in replaced(padded) if step >= padding] == expected


def test_the_forecast_goes_on_as_if_the_dip_had_not_been() -> None:
    errors = []
    for seed in range(5):
        values = visitors(seed, months=MONTHS + 12)
        dip = values.copy()
        dip[40:44] -= 400
        for each in (values, dip):
            history = Histories.from_values(each[:MONTHS, None])
            found = combination.forecast(history, seasons=(12,), horizon=12, levels=[0.5])[0, :, 0]
            errors.append(np.abs(found - values[MONTHS:]).mean())
    clean, disturbed = np.mean(errors[::2]), np.mean(errors[1::2])
    assert disturbed < 1.2 * clean
