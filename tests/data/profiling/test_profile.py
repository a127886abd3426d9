"""Profiles of small panels, by hand calculation."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from rnnforecast.data.cleaning.imputation import impute
from rnnforecast.data.cleaning.seasonality import Seasonality
from rnnforecast.data.io.column_roles import ColumnRoles
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.regularize import regularize
from rnnforecast.data.profiling.profile import Profile, profile_panel
from rnnforecast.spec.data import CleanSpec

NAN = np.nan


def profiled(
    *series: list[float], season: int = 1, horizon: int = 2, method: str = "mask"
) -> Profile:
    """The profile of daily series that end on the same day."""
    lengths = [len(one) for one in series]
    last = np.datetime64("2024-03-31", "us")
    days = [last - np.arange(size)[::-1] * np.timedelta64(1, "D") for size in lengths]
    values = np.concatenate([np.array(one, dtype=np.float64) for one in series])
    table = Table(
        keys=pd.DataFrame({"id": [f"s{i}" for i in range(len(series))]}),
        codes=np.repeat(np.arange(len(series)), lengths),
        time=np.concatenate(days),
        utc_offset="",
        values=values[:, None],
        roles=ColumnRoles("ds", ("id",), ("y",), (), "long", {}),
        line_index=None,  # type: ignore[arg-type]
        infinite_count=0,
    )
    panel, changes = regularize(table, CleanSpec(frequency="D"))
    filled = impute(panel.targets, panel.observed_mask, panel.offsets, method)
    tried = Seasonality(season, 0.5 if season > 1 else 0.0, {7: 0.5})
    return profile_panel(panel, filled, changes, tried, horizon=horizon)


def test_statistics_are_those_of_pandas() -> None:
    one = profiled([1, NAN, 9, 5], [2, 2, -8])
    assert one.medians[:, 0].tolist() == [5, 2]
    expected = [pd.Series([1, 9, 5]).std(ddof=0) / 5, pd.Series([2, 2, -8]).std(ddof=0) / 4]
    np.testing.assert_allclose(one.relative_stds[:, 0], expected)
    assert one.lengths.tolist() == [4, 3]


def test_zeros_and_negative_values_are_shares_of_the_observed_ones() -> None:
    one = profiled([0, NAN, -1, 2, 3])
    assert (one.zero_share, one.negative_share) == (0.25, 0.25)


def test_a_series_of_zeros_has_no_relative_standard_deviation() -> None:
    assert np.isnan(profiled([0, 0, 0]).relative_stds).all()


def test_seasons_are_named_by_the_calendar() -> None:
    one = profiled([1.0, 2, 3, 4, 5, 6, 7] * 3, season=7)
    assert one.season_strengths == {"7 steps (a week)": 0.5}
    assert one.season_name == "7 steps (a week)"
    assert one.phase_names == ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    assert profiled([1, 2, 3]).season_name == ""


def test_the_json_has_plain_values() -> None:
    stored = json.loads(json.dumps(profiled([1, NAN, 3, 4], [5, 6]).to_json(), allow_nan=False))
    assert stored["coverage"]["missing"] == [[0, 1, 0, 0], [0, 0, 0, 0]]
    assert stored["coverage"]["edges"][0] == "2024-03-28"
    assert stored["longest_gap"] == {"steps": 1, "series": "s0", "start": "2024-03-29"}
    assert profiled([1, 2]).to_json()["longest_gap"] is None
    assert stored["headline"]["grade"] == "bad"


def test_the_json_stays_small_with_many_series() -> None:
    one = profiled(*np.arange(3000.0).reshape(1000, 3).tolist())
    assert len(json.dumps(one.to_json())) < 20_000
    assert len(one.examples) <= 4
