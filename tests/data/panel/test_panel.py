"""The panel: its sizes, timestamps and labels."""

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.panel.panel import Panel, series_labels
from rnnforecast.data.time.frequency import parse_frequency


@pytest.fixture
def panel() -> Panel:
    """Three monthly series of 3, 1 and 2 steps with two targets."""
    frequency = parse_frequency("ME")
    first = np.array(["2023-12-31", "2024-01-31", "2024-02-29"], dtype="datetime64[us]")
    start = frequency.ordinals(first)
    targets = np.arange(12.0).reshape(6, 2)
    targets[1, 0] = np.nan
    return Panel(
        keys=pd.DataFrame({"store": ["1", "1", "2"], "item": ["a", "b", "a"]}),
        offsets=np.array([0, 3, 4, 6]),
        start=start,
        phase=frequency.phase(first, start),
        frequency=frequency,
        utc_offset="+02:00",
        target_names=("y", "z"),
        targets=targets,
        observed_mask=~np.isnan(targets),
    )


def test_a_panel_knows_its_size_and_lengths(panel):
    assert panel.n_series == 3
    assert panel.lengths.tolist() == [3, 1, 2]


def test_labels_join_the_values_of_the_keys(panel):
    assert panel.labels().tolist() == ["1/a", "1/b", "2/a"]


def test_the_only_series_is_called_series():
    assert series_labels(pd.DataFrame(index=range(1))).tolist() == ["series"]


def test_timestamps_go_beyond_the_end_as_pandas_does(panel):
    timestamps = panel.window_timestamps(panel.lengths, 4)
    assert timestamps.shape == (3, 4)
    for series, end in enumerate(["2024-02-29", "2024-01-31", "2024-03-31"]):
        expected = pd.date_range(end, periods=5, freq="ME")[1:]
        assert (timestamps[series] == expected.to_numpy().astype("datetime64[us]")).all()


def test_timestamps_may_begin_at_another_step_in_each_series(panel):
    first = panel.window_timestamps(np.array([1, 0, -1]), 1)[:, 0]
    assert first.astype(str).tolist() == [
        "2024-01-31T00:00:00.000000", "2024-01-31T00:00:00.000000", "2024-01-31T00:00:00.000000"
    ]  # fmt: skip


def test_timestamps_go_on_in_steps_beyond_the_end_of_irregular_series():
    time = np.array(["2024-01-01T00:00", "2024-01-01T00:50", "2024-01-03T07:10"])
    one = Panel(
        keys=pd.DataFrame({"store": ["1", "2"]}),
        offsets=np.array([0, 2, 3]),
        start=np.zeros(2, dtype=np.int64),
        phase=np.zeros(2, dtype=np.int64),
        frequency=parse_frequency("h"),
        utc_offset="",
        target_names=("y",),
        targets=np.ones((3, 1)),
        observed_mask=np.ones((3, 1), dtype=bool),
        irregular_timestamps=time.astype("datetime64[us]"),
    )
    expected = [
        ["2024-01-01T00:50", "2024-01-01T01:50", "2024-01-01T02:50"],
        ["2024-01-03T07:10", "2024-01-03T08:10", "2024-01-03T09:10"],
    ]
    found = one.window_timestamps(np.array([1, 0]), 3)
    assert found.astype("datetime64[m]").astype(str).tolist() == expected
    flat = one.flat_timestamps(2).astype("datetime64[m]").astype(str).tolist()
    assert flat == ["2024-01-01T00:00", *expected[0], *expected[1]]


def test_a_selection_keeps_the_rows_of_its_series_only(panel):
    few = panel.filter_series(np.array([True, False, True]))
    assert few.labels().tolist() == ["1/a", "2/a"]
    assert few.offsets.tolist() == [0, 3, 5]
    assert few.start.tolist() == panel.start[[0, 2]].tolist()
    np.testing.assert_array_equal(few.targets, panel.targets[[0, 1, 2, 4, 5]])
    np.testing.assert_array_equal(few.observed_mask, ~np.isnan(few.targets))
    assert few.keys.index.tolist() == [0, 1]


def test_a_selection_of_nothing_is_an_empty_panel(panel):
    none = panel.filter_series(np.zeros(3, dtype=bool))
    assert none.n_series == 0
    assert none.targets.shape == (0, 2)
    assert none.window_timestamps(none.lengths, 2).shape == (0, 2)


def test_a_selection_of_all_changes_nothing(panel):
    same = panel.filter_series(np.ones(3, dtype=bool))
    np.testing.assert_array_equal(same.targets, panel.targets)
    assert same.keys.equals(panel.keys)
