"""Values by rule: sparse and dense tables, common bounds, newer series, late rows."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.regularize import preview_changes, regularize
from rnnforecast.errors import DataError
from rnnforecast.spec.data import CleanSpec
from tests.data.tables import table

NAN = float("nan")


def sales(rates: dict[str, float], days: int = 200, seed: int = 0) -> pd.DataFrame:
    """A dense table of Poisson counts; the last day has a sale of some item."""
    rng = np.random.default_rng(seed)
    time = pd.date_range("2023-01-01", periods=days, freq="D")
    wide = pd.DataFrame({name: rng.poisson(rate, days) for name, rate in rates.items()}, time)
    wide.iloc[-1, 0] = 1
    long = wide.rename_axis("ds").reset_index().melt("ds", var_name="item", value_name="y")
    return long.sort_values(["item", "ds"], ignore_index=True)


def table_of(frame: pd.DataFrame) -> Table:
    return table(frame["ds"].to_numpy(), frame["y"].to_numpy(float), frame["item"].to_numpy())


def regular(frame: pd.DataFrame, **clean: Any) -> Panel:
    return regularize(table_of(frame), CleanSpec(**{"missing": "zero", **clean}))[0]


def assert_equal(one: Panel, two: Panel) -> None:
    for name in ("offsets", "start", "phase", "targets", "observed_mask"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert one.labels().tolist() == two.labels().tolist()
    assert one.frequency == two.frequency


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0.03, 0.2, 1.0, 4.0]), min_size=1, max_size=4),
    st.integers(0, 10_000),
    st.sampled_from(["row", "blank", "both"]),
    st.sampled_from(
        [
            {},
            {"max_length": 60},
            {"min_length": 150},
            {"frequency": "W-SUN", "resample": "sum"},
            {"frequency": "W-SUN", "resample": "mean"},
            {"frequency": "MS", "resample": "max", "partial_periods": "keep"},
        ]
    ),
)
def test_a_table_without_its_zeros_gives_the_same_panel(
    rates: list[float], seed: int, how: str, clean: dict[str, Any]
) -> None:
    dense = sales({f"i{k}": rate for k, rate in enumerate(rates)}, seed=seed)
    has_sale = dense.groupby("item")["y"].transform("sum") > 0
    dense = dense[has_sale].reset_index(drop=True)
    zero = (dense["y"] == 0).to_numpy()
    left_out = zero & (np.random.default_rng(seed).random(len(dense)) < 0.5)
    dropped = {"row": zero, "blank": np.zeros_like(zero), "both": left_out}[how]
    sparse = dense.assign(y=dense["y"].where(~zero))[~dropped]
    try:
        expected = regular(dense, **clean)
    except DataError as error:  # no series is long enough
        with pytest.raises(DataError, match=re.escape(str(error))):
            regular(sparse, **clean)
    else:
        assert_equal(regular(sparse, **clean), expected)


def test_the_values_are_observed_and_counted_apart_from_repairs() -> None:
    frame = sales({"a": 1.0, "b": 0.3})
    sparse = frame[frame["y"] > 0]
    panel, changes = regularize(table_of(sparse), CleanSpec(missing="zero"))
    assert panel.observed_mask.all()
    assert panel.targets[:, 0].tolist() == frame["y"].tolist()
    assert changes.counts["set_steps"] == (frame["y"] == 0).sum()
    assert changes.counts["gaps"] == changes.counts["missing"] == 0
    assert changes.series["observed"].tolist() == [200, 200]
    blank = table_of(frame.assign(y=frame["y"].where(frame["y"] > 0)))
    _, changes = regularize(blank, CleanSpec(missing="zero"))
    assert changes.counts["set_values"] == (frame["y"] == 0).sum()
    assert changes.counts["missing"] == changes.counts["set_steps"] == 0


def test_each_target_has_its_own_rule() -> None:
    time = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-06"])
    values = np.array([[1, 1, 1], [NAN, NAN, NAN], [4, 4, 4], [6, NAN, 6]])
    clean = CleanSpec(missing={"y": "zero", "y1": "constant"}, fill_value={"y1": 9.0})
    panel, changes = regularize(table(time, values), clean)
    expected = [[1, 0, 0, 4, 0, 6], [1, 9, 9, 4, 9, 9], [1, NAN, NAN, 4, NAN, 6]]
    np.testing.assert_array_equal(panel.targets.T, expected)
    assert changes.counts["set_steps"] == 2
    assert changes.counts["set_values"] == 3
    assert changes.counts["gaps"] == 2  # the third target is missing there
    assert changes.counts["missing"] == 1


def test_only_so_many_steps_of_a_gap_have_the_value() -> None:
    time = pd.to_datetime(["2024-01-01", "2024-01-06", "2024-01-08"])
    panel, changes = regularize(table(time, [1, 6, 8]), CleanSpec(missing="zero", max_gap=2))
    np.testing.assert_array_equal(panel.targets[:, 0], [1, 0, 0, NAN, NAN, 6, 0, 8])
    assert changes.counts["set_steps"] == 3
    assert changes.counts["gaps"] == 2


@pytest.mark.parametrize("missing", ["zero", "mask"])
def test_series_end_together_or_each_on_its_own(missing: str) -> None:
    frame = sales({"a": 2.0, "b": 2.0}, 30).query("y > 0 and (item == 'a' or ds < '2023-01-20')")
    own_end = frame.groupby("item")["ds"].max()
    for end, last in (("latest", [frame["ds"].max()] * 2), ("each", own_end.tolist())):
        panel = regular(frame, missing=missing, end=end)
        ends = panel.window_timestamps(panel.lengths - 1, 1)[:, 0]
        assert pd.to_datetime(ends).tolist() == last
        after = panel.observed_mask[panel.offsets[1] :][-5:, 0]
        assert after.all() == (missing == "zero" or end == "each")


def test_a_plan_after_the_last_value_is_no_value() -> None:
    frame = sales({"a": 2.0, "b": 0.4}, 40)
    ahead = pd.date_range("2023-02-10", periods=7)
    plan = pd.DataFrame({"ds": [*ahead, *ahead], "item": ["a"] * 7 + ["b"] * 7, "y": NAN})
    rows = table_of(pd.concat([frame[frame["y"] > 0], plan]))
    panel, _ = regularize(rows, CleanSpec(missing="zero"), keep_future_rows=True)
    assert panel.lengths.tolist() == [40, 40]
    assert panel.future_steps is not None
    assert panel.future_steps.tolist() == [7, 7]
    assert panel.observed_mask.all()
    panel, changes = regularize(rows, CleanSpec(missing="zero"))
    assert panel.lengths.tolist() == [40, 40]
    assert changes.counts["trailing"] == 14


def test_a_newer_series_begins_with_its_first_sale_and_a_rare_one_with_the_files() -> None:
    frame = sales({"a": 2.0, "new": 2.0, "rare": 0.02})
    frame.loc[(frame["item"] == "new") & (frame["ds"] < "2023-05-01"), "y"] = 0
    rare = frame["item"] == "rare"
    days = pd.to_datetime(["2023-02-20", "2023-05-01"])
    frame.loc[rare, "y"] = frame.loc[rare, "ds"].isin(days).astype(int)
    for rows in (frame, frame[frame["y"] > 0]):
        _, changes = regularize(table_of(rows), CleanSpec(missing="zero"))
        first = frame[(frame["item"] == "new") & (frame["y"] > 0)]["ds"].min()
        lengths = [200, (frame["ds"].max() - first).days + 1, 200]
        assert changes.series["steps"].tolist() == lengths
        assert regular(rows, start="earliest").lengths.tolist() == [200, 200, 200]
    dropped = regularize(table_of(frame), CleanSpec(missing="zero"))[1].counts["before_start"]
    assert dropped == 200 - lengths[1]


def test_a_series_without_a_sale_for_longer_than_ever_is_counted() -> None:
    frame = sales({"a": 2.0, "gone": 2.0})
    rows = frame[(frame["y"] > 0) & ((frame["item"] == "a") | (frame["ds"] < "2023-05-01"))]
    _, changes = regularize(table_of(rows), CleanSpec(missing="zero"))
    assert changes.counts["ended_early"] == 1
    _, changes = regularize(table_of(rows), CleanSpec(missing="zero", end="each"))
    assert changes.counts["ended_early"] == 0


def test_a_single_late_row_is_refused_and_its_cures_work() -> None:
    frame = sales({"a": 1.0, "b": 0.3})
    frame = frame[frame["y"] > 0].reset_index(drop=True)
    last = frame[frame["item"] == "b"].index[-1]
    frame.loc[last, "ds"] += pd.Timedelta(days=365)
    changes = preview_changes(table_of(frame), CleanSpec(missing="zero", far_rows="keep"))
    assert len(changes.problems) == 1
    assert f"line {last + 2}" in changes.problems[0].where
    with pytest.raises(DataError, match=r"'b' has a value at 2024-.*clean\.end"):
        regular(frame, far_rows="keep")
    assert regular(frame, end="latest", far_rows="keep").lengths.min() > 365
    assert regular(frame, end="each", far_rows="keep").lengths[0] == 200
    kept, changes = regularize(
        table_of(frame), CleanSpec(missing="zero", far_rows="keep"), skip_invalid_series=True
    )
    assert kept.labels().tolist() == ["a"]
    assert kept.lengths.tolist() == [200]
    assert list(changes.skipped) == ["b"]


def test_rows_of_events_are_summed_by_day_and_a_day_without_one_is_zero() -> None:
    rng = np.random.default_rng(3)
    seconds = np.sort(rng.integers(0, 60 * 86_400, 400))
    time = pd.Timestamp("2024-01-01") + pd.to_timedelta(seconds, unit="s")
    item = np.where(rng.random(400) < 0.8, "a", "b")
    clean = CleanSpec(missing="zero", frequency="D", resample="sum", duplicates="sum")
    panel, _ = regularize(table(time, np.ones(400), item), clean)
    expected = pd.crosstab(time.normalize(), item)
    inner = expected.iloc[1:-1]  # the first and the last day are not complete
    assert panel.lengths.tolist() == [len(inner), len(inner)]
    assert panel.targets[:, 0].tolist() == [*inner["a"], *inner["b"]]


def test_a_frequency_that_no_single_series_shows_is_that_of_all_together() -> None:
    frame = sales({f"i{k}": 0.12 for k in range(40)}, 300, seed=5)
    panel = regular(frame[frame["y"] > 0])
    assert panel.frequency.alias == "D"
    assert panel.observed_mask.all()
    assert (panel.lengths > 250).all()


def test_a_huge_panel_of_few_rows_is_refused() -> None:
    time = pd.to_datetime(["2000-01-01", "2000-01-02", "2000-01-03", "2010-01-01"] * 3)
    item = np.repeat(["a", "b", "c"], 4)
    rows = table(time, np.ones(12), item)
    with pytest.raises(DataError):
        regularize(rows, CleanSpec(missing="zero", frequency="s", end="latest"))


def test_a_value_that_was_taken_out_is_unknown_and_not_the_value_by_rule() -> None:
    frame = sales({"a": 3.0, "b": 1.0}, 60)
    frame.loc[30, "y"] = 99_999_999
    panel, changes = regularize(table_of(frame), CleanSpec(missing="zero"))
    assert changes.counts["implausible"] == 1
    assert np.flatnonzero(~panel.observed_mask[:, 0]).tolist() == [30]
