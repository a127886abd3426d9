"""The training profile: levels, spreads and shares of known data, and its arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.pipeline.fit_profile import fit_profile
from rnnforecast.pipeline.prepare import prepare
from rnnforecast.pipeline.training_profile import TrainingProfile

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture
def profile_of(given: Callable[..., None]) -> Callable[..., TrainingProfile]:
    """Makes the profile of a table."""

    def make(table: pd.DataFrame, more: str = "") -> TrainingProfile:
        given(table, more=more, horizon=7)
        prepared = prepare(Path("spec.yaml"), ["window.season=7"])
        columns = prepared.plan.features.future_columns
        return fit_profile(prepared.cleaned, prepared.spec, columns)

    return make


def test_levels_are_medians_over_a_season(
    profile_of: Callable[..., TrainingProfile], table: Callable[..., pd.DataFrame]
) -> None:
    rows = table(steps=56)
    profile = profile_of(rows)
    weeks = rows["y"].to_numpy().reshape(2, 8, 7)
    medians = np.median(weeks, axis=2)
    np.testing.assert_allclose(profile.level[:, 0], medians[:, -1])
    np.testing.assert_allclose(profile.low[:, 0], medians.min(axis=1))
    np.testing.assert_allclose(profile.high[:, 0], medians.max(axis=1))
    changes = np.median(np.abs(np.diff(weeks, axis=2)), axis=2)
    np.testing.assert_allclose(profile.spread_low[:, 0], changes.min(axis=1))
    np.testing.assert_allclose(profile.spread_high[:, 0], changes.max(axis=1))
    totals = medians.sum(axis=0) / medians[:, -1].sum()
    np.testing.assert_allclose(profile.total_range[:, 0], [totals.min(), totals.max()])
    assert list(profile.labels) == ["a", "b"]
    assert profile.positions(np.array(["b", "c", "a"], dtype=object)).tolist() == [1, -1, 0]


def test_a_closed_day_is_usually_empty(
    profile_of: Callable[..., TrainingProfile], table: Callable[..., pd.DataFrame]
) -> None:
    rows = table(steps=70)
    is_sunday = rows["ds"].dt.day_of_week == 6
    profile = profile_of(rows.assign(y=rows["y"].where(~is_sunday, 0.0)))
    share = profile.empty_share[:, 0]
    assert sorted(share) == [0, 0, 0, 0, 0, 0, 1]
    assert profile.observed_share == 1


def test_covariates_have_usual_shares(
    profile_of: Callable[..., TrainingProfile], table: Callable[..., pd.DataFrame]
) -> None:
    rows = table(steps=70)
    rows["promo"] = (rows["ds"].dt.day_of_week == 4).astype(int)
    rows["price"] = 3.5
    profile = profile_of(rows, more="features: {future: [promo, price]}")
    np.testing.assert_allclose(profile.covariate_share, [1 / 7, 1])
    np.testing.assert_allclose(profile.covariate_constant, [0, 1])


def test_the_arrays_give_the_same_profile_and_forged_ones_none(
    profile_of: Callable[..., TrainingProfile], table: Callable[..., pd.DataFrame]
) -> None:
    rows = table(["ä/b", "ß"], steps=30)
    rows.loc[rows.index < 20, "y"] = 4.0
    profile = profile_of(rows)
    again = TrainingProfile.from_arrays(profile.arrays())
    forged = profile.arrays() | {"profile.width": np.array([1])}
    with pytest.raises(ValueError, match="no training leaves"):
        TrainingProfile.from_arrays(forged)
    for name, array in profile.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    assert set(again.labels) == {"ä/b", "ß"}
