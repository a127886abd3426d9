"""The series that a data report lists."""

from __future__ import annotations

import pytest

from rnnforecast.data.panel.regularize import regularize
from rnnforecast.data.profiling.cleaning_report import build_cleaning_report
from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.pipeline.data_report import _describe_calendar, repair_table, series_by_repairs
from rnnforecast.spec.data import CleanSpec
from tests.data.tables import table


def test_series_with_most_repairs_come_first_and_leaving_one_out_is_a_repair() -> None:
    # a is whole, b is left out as too short, c has a gap of two days, d is whole
    days = [*(1, 2, 3), 1, *(1, 4, 5), *(1, 2, 3)]
    rows = table([f"2024-01-0{day}" for day in days], range(10), list("aaabcccddd"))
    _, changes = regularize(rows, CleanSpec(frequency="D", min_length=3))
    report = build_cleaning_report(rows, changes)
    assert series_by_repairs(report, 4)["label"].tolist() == ["c", "b", "a", "d"]
    header, lines = repair_table(report, 2)
    assert header[:2] == ["series", "rows"]
    assert [line[:2] for line in lines] == [["c", "3"], ["b", "1"]]
    assert [line[0] for line in repair_table(report, 4)[1]] == ["c", "b"]  # not a, d: are whole


@pytest.mark.parametrize(
    ("alias", "words"),
    [
        ("D", ""),
        ("C:Mon-Sat", "Sundays are closed and left out."),
        ("B", "Saturdays and Sundays are closed and left out."),
        ("h:Mon-Fri:09-17", "Only the open hours are steps: Mon-Fri:09-17."),
    ],
)
def test_closed_days_are_named_as_people_do(alias: str, words: str) -> None:
    assert _describe_calendar(parse_frequency(alias)) == words
