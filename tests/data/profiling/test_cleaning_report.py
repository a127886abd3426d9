"""The cleaning report, by hand calculation."""

import json

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.panel.regularize import preview_changes, regularize
from rnnforecast.data.profiling.cleaning_report import build_cleaning_report, format_share
from rnnforecast.spec.data import CleanSpec
from tests.data.tables import table

NAN = float("nan")


@pytest.fixture
def rows():
    """Series a: 5 rows, one gap, one blank, one out of order; b constant; c a single row."""
    time = ["2024-01-01", "2024-01-03", "2024-01-02", "2024-01-05", "2024-01-06",
            "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]  # fmt: skip
    return table(time, [1, 3, NAN, 5, 6, 7, 7, 7, 9], list("aaaaabbbc"))


def test_each_series_has_its_row_of_findings(rows):
    report = build_cleaning_report(rows, preview_changes(rows, CleanSpec(min_length=2)))
    table_of = report.per_series.set_index("label")
    assert table_of["rows"].tolist() == [5, 3, 1]
    assert table_of["gaps"].tolist() == [1, 0, 0]
    assert table_of["missing"].tolist() == [1, 0, 0]
    assert table_of["out_of_order"].tolist() == [1, 0, 0]
    assert table_of["constant"].tolist() == [0, 1, 1]
    assert table_of["too_short"].tolist() == [False, False, True]
    assert table_of["steps"].tolist() == [6, 3, 0]
    np.testing.assert_array_equal(table_of["agreement"], [0.75, 1.0, NAN])
    assert table_of.loc["a", "start"] == pd.Timestamp("2024-01-01")
    assert table_of.loc["a", "end"] == pd.Timestamp("2024-01-06")


def test_the_sums_agree_with_the_series(rows):
    report = build_cleaning_report(rows, preview_changes(rows, CleanSpec(min_length=2)))
    for name in ("rows", "steps", "gaps", "duplicates", "out_of_order", "missing"):
        assert report.totals[name] == report.per_series[name].sum()
    series = {"series": 3, "kept": 2, "constant": 2, "too_short": 1}
    assert {name: report.totals[name] for name in series} == series
    assert report.totals["agreement"] == 5 / 6
    assert (report.totals["start"], report.totals["end"]) == ("2024-01-01", "2024-01-06")


def test_the_report_is_strict_json_with_nothing_lost(rows):
    found = json.loads(
        build_cleaning_report(rows, preview_changes(rows, CleanSpec(min_length=2))).to_json()
    )
    assert [entry["label"] for entry in found["series"]] == ["a", "b", "c"]
    assert found["series"][0]["end"] == "2024-01-06"
    assert found["series"][2]["agreement"] is None
    assert found["series"][2]["skipped"] == "fewer than 2 observed values"
    assert found["totals"]["skipped"] == {"c": "fewer than 2 observed values"}
    assert found["totals"]["votes"] == {"D": 2}
    assert found["problems"] == []


def test_problems_are_part_of_the_report():
    rows = table(["2024-01-01", "2024-01-02", "2024-01-02"], [1, 2, 3])
    found = json.loads(build_cleaning_report(rows, preview_changes(rows)).to_json())
    assert found["totals"]["duplicates"] == 1
    assert found["problems"][0]["where"] == "sales.csv, line 4"


def test_the_sentences_say_what_cleaning_changes_and_leave_out_zeros(rows):
    report = build_cleaning_report(rows, preview_changes(rows, CleanSpec(min_length=2)))
    (note,) = report.notes  # counts with gaps may be zero there
    assert report.summary_lines() == [
        "3 series, 9 rows from 2024-01-01 to 2024-01-06",
        "frequency D, 83.3% of the steps agree",
        str(note),
        "1 row out of order: sorted",
        "1 step without a row: added as missing",
        "1 value blank",
        "2 series with a constant target",
        "1 series left out: fewer than 2 observed values",
        "after cleaning: 2 series, 9 steps",
    ]


def test_one_step_in_many_that_disagrees_is_not_rounded_away():
    time = np.delete(np.arange(5000), 2500)
    rows = table(time, np.ones(4999))
    assert (
        "99.9% of the steps agree"
        in build_cleaning_report(rows, preview_changes(rows)).summary_lines()[1]
    )


def test_an_integer_index_is_reported_in_whole_numbers():
    rows = table([1, 2, 3], [1, 2, 3])
    found = json.loads(build_cleaning_report(rows, regularize(rows)[1]).to_json())
    assert found["totals"]["start"] == 1
    assert found["series"][0]["end"] == 3


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100%"), (0.9999, "99.9%"), (0.5, "50%"), (0.0001, "0.1%"), (0.0, "0%")],
)
def test_a_share_reads_as_all_or_none_only_where_it_is(share, text):
    assert format_share(share) == text
