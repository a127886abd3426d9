"""Counts of changes, and the totals and columns that follow from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.panel.changes import CHANGE_COUNTS, REPAIR_COUNTS, ChangeCount
from rnnforecast.data.panel.regularize import preview_changes, regularize
from rnnforecast.spec.data import CleanSpec
from tests.data.tables import table

NAN = float("nan")
HOURS = pd.date_range("2024-10-26 22:00", periods=8, freq="h")


@pytest.mark.parametrize(
    ("clean", "timezone"),
    [
        (CleanSpec(frequency="h"), None),
        (CleanSpec(frequency="h", duplicates="mean", max_length=3), None),
        (CleanSpec(frequency="h", irregular="snap", duplicates="last"), None),
        (CleanSpec(frequency="h", irregular="interpolate", duplicates="last"), None),
        (CleanSpec(frequency="2h", resample="sum", duplicates="first"), None),
        (CleanSpec(frequency="h", ambiguous_hour="earlier", duplicates="sum"), "Europe/Berlin"),
    ],
)
def test_every_count_is_an_integer_for_each_series_and_in_total(
    clean: CleanSpec, timezone: str | None
) -> None:
    time = [*HOURS, *HOURS[:3], HOURS[2]]
    values = [NAN, 1, 2, NAN, 4, 5, 6, NAN, 1, 2, 3, 4]
    changes = preview_changes(
        table(time, values, list("a" * 8 + "b" * 4)), clean, timezone=timezone
    )
    assert list(changes.counts) == [count.name for count in CHANGE_COUNTS]
    for name, total in changes.counts.items():
        assert type(total) is int
        if name != "infinite":
            assert changes.series[name].dtype == np.int64
            assert changes.series[name].sum() == total
    for name in ("rows", "steps", "observed", "constant"):
        assert changes.series[name].dtype == np.int64
    assert changes.series["too_short"].dtype == np.bool_
    assert changes.series["agreement"].dtype == np.float64


def test_a_blank_row_before_and_after_the_values_and_one_among_them_are_counted_apart() -> None:
    _, changes = regularize(table(HOURS, [NAN, NAN, 1, NAN, 4, 5, 6, NAN]))
    assert {name: number for name, number in changes.counts.items() if number} == {
        "missing": 1, "leading": 2, "trailing": 1
    }  # fmt: skip


def test_infinite_values_are_counted_for_the_table_only() -> None:
    rows = table(HOURS[:3], [1, NAN, 3])
    changes = preview_changes(type(rows)(**{**vars(rows), "infinite_count": 1}))
    assert changes.counts["infinite"] == 1
    assert "infinite" not in changes.series


def test_one_row_is_singular_and_thousands_are_grouped() -> None:
    count = ChangeCount("late", "row", "too late: dropped")
    assert count.describe(1) == "1 row too late: dropped"
    assert count.describe(1234) == "1,234 rows too late: dropped"


def test_what_the_spec_orders_for_all_rows_is_no_repair() -> None:
    names = {count.name for count in CHANGE_COUNTS}
    assert names - set(REPAIR_COUNTS) == {
        "resampled", "partial_periods", "incomplete_periods", "off_grid", "truncated", "closed",
        "set_steps", "set_values", "before_start", "ended_early",
    }  # fmt: skip
