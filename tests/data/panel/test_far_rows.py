"""Rows whose date is far from all others: refused by name, kept by rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.data.panel.regularize import preview_changes, regularize
from rnnforecast.errors import DataError
from rnnforecast.spec.data import CleanSpec
from tests.data.tables import table

DAYS = pd.date_range("2022-01-01", "2023-12-31").strftime("%Y-%m-%d").tolist()
MONTHS = pd.date_range("2015-01-01", periods=60, freq="MS").strftime("%Y-%m-%d").tolist()


def with_row(dates: list[str], row: int, date: str) -> list[str]:
    return [date if number == row else each for number, each in enumerate(dates)]


@pytest.mark.parametrize(
    ("dates", "row", "date"),
    [
        (DAYS, 729, "2033-12-31"),
        (DAYS, 400, "2025-02-05"),
        (DAYS, 400, "2203-02-05"),
        (DAYS, 0, "1922-01-01"),
        (DAYS, 10, "2002-01-11"),
        (MONTHS, 59, "2020-12-01"),
        (MONTHS, 30, "1917-07-01"),
    ],
)
def test_a_slip_in_a_year_is_named_with_its_line(dates: list[str], row: int, date: str) -> None:
    rows = table(with_row(dates, row, date), range(len(dates)))
    with pytest.raises(DataError) as raised:
        regularize(rows)
    (problem,) = raised.value.problems
    assert problem.where == f"sales.csv, line {row + 2}, column 'ds'"
    assert date in problem.found
    assert "clean.far_rows to keep" in problem.cure


def test_the_named_key_keeps_the_row_and_the_steps_between() -> None:
    rows = table(with_row(DAYS, 729, "2025-12-31"), range(730))
    panel, changes = regularize(rows, CleanSpec(far_rows="keep"))
    assert panel.lengths.tolist() == [len(pd.date_range("2022-01-01", "2025-12-31"))]
    assert changes.counts["gaps"] == panel.lengths[0] - 730


def test_only_the_series_of_the_row_is_left_out_if_others_can_be_used() -> None:
    dates = [*DAYS, *with_row(DAYS, 5, "2032-01-06")]
    rows = table(dates, range(1460), np.repeat(["a", "b"], 730))
    panel, changes = regularize(rows, skip_invalid_series=True)
    assert panel.labels().tolist() == ["a"]
    assert changes.skipped == {"b": "a date far from all others: 2032-01-06 in sales.csv, line 737"}


@pytest.mark.parametrize(
    "dates",
    [
        DAYS[:300] + DAYS[660:],  # closed for a year
        DAYS[:530] + DAYS[729:],  # open again for one day
        [*DAYS[:500:3], *DAYS[500:]],
        [*DAYS[:8], "2033-01-01"],  # too few rows to judge
    ],
)
def test_a_long_gap_that_no_year_explains_is_a_gap(dates: list[str]) -> None:
    assert not preview_changes(table(dates, range(len(dates))), CleanSpec(frequency="D")).problems


def test_whole_numbers_are_far_beyond_a_gap_longer_than_the_series() -> None:
    time = [*range(100), 150]
    assert not preview_changes(table(time, range(101))).problems
    (problem,) = preview_changes(table([*range(100), 1999], range(101))).problems
    assert problem.where == "sales.csv, line 102, column 'ds'"


@given(st.lists(st.integers(0, 20), min_size=12, max_size=60))
def test_rows_with_gaps_of_any_length_up_to_the_usual_are_never_far(gaps: list[int]) -> None:
    """Where gaps inside are as long as at the ends, no row is far."""
    widest = [max(gaps)] * 4
    steps = np.cumsum([1, *(gap + 1 for gap in gaps + widest + gaps[::-1])])
    time = np.datetime64("2020-01-01") + steps
    changes = preview_changes(table(time.astype(str), steps), CleanSpec(frequency="D"))
    assert not any("far from" in problem.found for problem in changes.problems)
