"""Issued forecasts are joined with the right values: time zones, calendars, gaps, revisions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.api.inputs import read_data
from rnnforecast.batch.ledger.ledger import ledger_timestamps, panel_timestamps
from rnnforecast.batch.score.windows import IssuedWindows
from rnnforecast.data.cleaning_plan import CleaningPlan, align_table, read_table
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.panel.panel import Panel
from rnnforecast.spec.data import CleanSpec, DataSpec

HORIZON = 4


def panel_of(frame: pd.DataFrame, **keys: str) -> Panel:
    """The panel of a frame with the columns ``ds``, ``y`` and maybe ``unique_id``."""
    plan = CleaningPlan(
        ReadOptions(DataSpec.model_validate({"path": "x.csv", **keys})),
        CleanSpec.model_validate({"missing": "mask"}),
    )
    return align_table(plan, read_table(plan, read_data(frame))).panel


def rows_of(panel: Panel, origins: list[int], value: float = 0.0) -> pd.DataFrame:
    """Rows of the ledger that forecast `value` from these origins, of all series."""
    parts = []
    for origin in origins:
        for series, label in enumerate(panel.labels()):
            number = np.array([series])
            times = panel.window_timestamps(np.array([origin - 1]), HORIZON + 1, number)[0]
            stored = ledger_timestamps(times, panel)
            parts.append(
                pd.DataFrame(
                    {
                        "unique_id": label,
                        "target": panel.target_names[0],
                        "ds": stored[1:],
                        "cutoff": stored[0],
                        "step": np.arange(1, HORIZON + 1),
                        "yhat": value,
                        "q0.1": value - 1,
                        "q0.9": value + 1,
                        "status": "model",
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def counting(
    times: pd.DatetimeIndex | np.ndarray, series: tuple[str, ...] = ("a",)
) -> pd.DataFrame:
    """Series that count upwards from 0."""
    parts = [
        pd.DataFrame({"unique_id": name, "ds": times, "y": np.arange(len(times), dtype=float)})
        for name in series
    ]
    return pd.concat(parts, ignore_index=True)


FRAMES = {
    "days": (pd.date_range("2024-01-01", periods=30), {}),
    "hours of local time over a change of the clock": (
        pd.date_range("2024-03-30 12:00", periods=30, freq="h", tz="Europe/Berlin"),
        {"timezone": "Europe/Berlin"},
    ),
    "business days": (pd.bdate_range("2024-01-01", periods=30), {}),
    "month ends": (pd.date_range("2024-01-31", periods=30, freq="ME"), {}),
    "counted steps": (np.arange(5, 155, 5), {}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_values_stand_beside_their_forecasts(name: str) -> None:
    times, keys = FRAMES[name]
    panel = panel_of(counting(times, ("a", "b")), **keys)
    joined = IssuedWindows(panel, season=1).join(rows_of(panel, [20]))
    assert joined is not None
    windows, fresh = joined
    assert windows.origin.tolist() == [20, 20]
    assert windows.actual[..., 0].tolist() == [[20.0, 21.0, 22.0, 23.0]] * 2
    assert windows.baselines["naive"].yhat[..., 0].tolist() == [[19.0] * HORIZON] * 2
    assert fresh.tolist() == [10, 10]


def test_an_offset_of_the_data_is_taken_off_and_put_back() -> None:
    times = pd.Series(pd.date_range("2024-01-01", periods=30, freq="h")).dt.strftime(
        "%Y-%m-%d %H:%M:%S+05:30"
    )
    panel = panel_of(counting(times.to_numpy()))
    own = panel.start_timestamps()
    stored = ledger_timestamps(own, panel)
    assert str(stored[0]).startswith("2023-12-31T18:30")
    assert (panel_timestamps(stored, panel) == own).all()
    joined = IssuedWindows(panel, season=1).join(rows_of(panel, [20]))
    assert joined is not None
    assert joined[0].actual[0, :, 0].tolist() == [20.0, 21.0, 22.0, 23.0]


def test_windows_that_reach_beyond_the_data_are_scored_as_far_as_these_go() -> None:
    panel = panel_of(counting(pd.date_range("2024-01-01", periods=30)))
    found = IssuedWindows(panel, season=1)
    joined = found.join(rows_of(panel, [28, 30]))
    assert joined is not None
    assert joined[0].actual[0, :, 0].tolist() == [28.0, 29.0]
    assert (found.awaiting, found.unknown) == (1, 0)
    late = rows_of(panel, [29])
    assert found.join(late[late["step"] > 2]) is None
    assert found.awaiting == 2


def test_what_is_not_observed_is_not_scored() -> None:
    frame = counting(pd.date_range("2024-01-01", periods=30))
    frame.loc[21, "y"] = np.nan
    panel = panel_of(frame)
    joined = IssuedWindows(panel, season=1).join(rows_of(panel, [20]))
    assert joined is not None
    np.testing.assert_array_equal(joined[0].actual[0, :, 0], [20.0, np.nan, 22.0, 23.0])


def test_each_value_is_fresh_once() -> None:
    panel = panel_of(counting(pd.date_range("2024-01-01", periods=30)))
    found = IssuedWindows(panel, season=1)
    fresh = []
    for origins in ([26], [24], [23, 20]):
        joined = found.join(rows_of(panel, origins))
        assert joined is not None
        fresh.append(dict(zip(joined[0].origin.tolist(), joined[1].tolist(), strict=True)))
    assert fresh == [{26: 4}, {24: 2}, {23: 1, 20: 3}]


def test_a_window_counts_once_and_strangers_are_counted_apart() -> None:
    panel = panel_of(counting(pd.date_range("2024-01-01", periods=30)))
    found = IssuedWindows(panel, season=1)
    assert found.join(rows_of(panel, [20], value=1.0)) is not None
    assert found.join(rows_of(panel, [20], value=2.0)) is None
    assert found.repeated == 1
    strangers = rows_of(panel, [21])
    assert found.join(strangers.assign(unique_id="other")) is None
    assert found.join(strangers.assign(target="other")) is None
    assert found.join(strangers.assign(cutoff=strangers["cutoff"] + pd.Timedelta("1h"))) is None
    assert found.unknown == 3
    assert found.join(strangers.assign(cutoff=pd.Timestamp("9999-12-31"))) is None
    assert found.join(strangers.assign(step=[0, -1, 2**40, 2**62])) is None
    assert found.join(strangers.assign(yhat=np.nan)) is None
    assert found.join(strangers.assign(cutoff=np.arange(4), ds=np.arange(4))) is None
