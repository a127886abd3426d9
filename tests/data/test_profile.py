"""Data at a glance: shares, gaps and verdicts, by hand calculation."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.frequency import parse
from rnnforecast.data.impute import fill
from rnnforecast.data.panel import Panel
from rnnforecast.data.profile import Profile, profile
from rnnforecast.data.read import Table
from rnnforecast.data.regularize import Rules, regularize
from rnnforecast.data.roles import Roles
from rnnforecast.data.season import Season

NAN = np.nan


def found(*series: list[float], season: int = 1, horizon: int = 2, method: str = "mask") -> Profile:
    """The profile of daily series that end on the same day."""
    lengths = [len(one) for one in series]
    last = np.datetime64("2024-03-31", "us")
    days = [last - np.arange(size)[::-1] * np.timedelta64(1, "D") for size in lengths]
    values = np.concatenate([np.array(one, dtype=np.float64) for one in series])
    table = Table(
        keys=pd.DataFrame({"id": [f"s{i}" for i in range(len(series))]}),
        codes=np.repeat(np.arange(len(series)), lengths),
        time=np.concatenate(days),
        timezone="",
        values=values[:, None],
        roles=Roles("ds", ("id",), ("y",), (), "long", {}),
        lines=None,  # type: ignore[arg-type]
        infinite=0,
    )
    panel, changes = regularize(table, Rules(frequency="D"))
    filled = fill(panel.targets, panel.observed, panel.offsets, method)  # type: ignore[arg-type]
    tried = Season(season, 0.5 if season > 1 else 0.0, {7: 0.5})
    return profile(panel, filled, changes, tried, horizon=horizon)


def test_coverage_tells_observed_filled_and_missing_apart() -> None:
    one = found([1, NAN, 3, 4], [5, 6])
    assert one.rows == ("s0", "s1")
    np.testing.assert_array_equal(one.observed, [[1, 0, 1, 1], [NAN, NAN, 1, 1]])
    np.testing.assert_array_equal(one.filled[0], [0, 0, 0, 0])
    np.testing.assert_array_equal(found([1, NAN, 3, 4], method="ffill").filled[0], [0, 1, 0, 0])
    assert one.edges == ("2024-03-28", "2024-03-29", "2024-03-30", "2024-03-31", "2024-04-01")


def test_many_series_and_steps_become_groups_and_stretches_whose_shares_are_means() -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random((100, 800)) < 0.3, NAN, 1.0)
    values[:, [0, -1]] = 1.0
    one = found(*values.tolist())
    assert one.observed.shape == (40, 160)
    # all cells hold 5 steps of 2 or 3 series
    known = (~np.isnan(values)).mean()
    assert one.observed.mean() == pytest.approx(known, abs=0.01)


def test_gaps_are_counted_by_doubling_lengths_and_end_with_their_series() -> None:
    one = found([1, NAN, 3, NAN, NAN, NAN, 7], [1, NAN, 3, 4, 5, 6, 7])
    assert one.gaps == {"1 step": 2, "2-3 steps": 1}
    assert found([1, 2, 3]).gaps == {}


def test_levels_are_medians() -> None:
    one = found([1, NAN, 9, 5], [2, 2, 8])
    assert one.levels[:, 0].tolist() == [5, 2]


@pytest.mark.parametrize(
    ("series", "about", "grade"),
    [
        ([[1.0] + [2, 3] * 10], "values", "good"),
        ([[1, NAN, 3, 4, 5, 6, NAN, 8, 9, 1]], "values", "look"),
        ([[1, NAN, NAN, NAN, NAN, 6]], "values", "bad"),
        ([[1, 2, 3, 4]], "length", "good"),
        ([[1, 2, 3]], "length", "bad"),
        ([[5, 5, 5, 5], [1, 2, 3, 4]], "alive", "look"),
        ([[5, 5, 5, 5]], "alive", "bad"),
    ],
)
def test_verdicts_have_stated_limits(series: list[list[float]], about: str, grade: str) -> None:
    verdicts = {verdict.about: verdict for verdict in found(*series).verdicts}
    assert verdicts[about].grade == grade


def test_a_share_that_is_not_all_is_never_called_100_percent() -> None:
    one = found([1.0] * 5000 + [NAN] + [1.0] * 5000)
    assert one.verdicts[0].says.startswith("99.9%")


def test_it_can_be_stored_as_plain_values() -> None:
    stored = json.dumps(found([1, NAN, 3, 4], [5, 6]).to_json(), allow_nan=False)
    assert json.loads(stored)["coverage"]["observed"][1] == [None, None, 1.0, 1.0]


def test_irregular_series_have_steps_for_time() -> None:
    panel = Panel(
        keys=pd.DataFrame(index=range(1)),
        offsets=np.array([0, 3]),
        start=np.array([0]),
        phase=np.array([0]),
        frequency=parse("h"),
        timezone="",
        targets_names=("y",),
        targets=np.array([[1.0], [2.0], [3.0]]),
        observed=np.ones((3, 1), dtype=np.bool_),
        times=np.array(["2024-01-01", "2024-01-02", "2024-01-09"], dtype="datetime64[us]"),
    )
    filled = fill(panel.targets, panel.observed, panel.offsets, "mask")
    _, changes = regularize(
        Table(
            keys=panel.keys,
            codes=np.zeros(3, dtype=np.int64),
            time=panel.times,  # type: ignore[arg-type]
            timezone="",
            values=panel.targets,
            roles=Roles("ds", (), ("y",), (), "single", {}),
            lines=None,  # type: ignore[arg-type]
            infinite=0,
        ),
        Rules(frequency="h", irregular="keep"),
    )
    one = profile(panel, filled, changes, Season(1, 0.0, {}), horizon=1)
    assert one.edges == ("0", "1", "2", "3")
