"""Timestamps that a user gives: read in the time of a panel, and turned into steps."""

from dataclasses import replace

import numpy as np
import pytest

from rnnforecast.data.panel.last_steps import keep_last
from rnnforecast.data.panel.timestamps import end_of_timestamp, parse_timestamp, steps_before
from tests.data.panels import panel


def test_steps_before_a_timestamp_are_counted_on_beyond_both_ends():
    data = panel(np.arange(5.0), np.arange(3.0), start=["2024-01-01", "2024-01-03"])
    for text, expected in {
        "2024-01-01": [0, -2],
        "2024-01-03": [2, 0],
        "2024-01-03 12:00": [3, 1],
        "2024-01-20": [19, 17],
    }.items():
        assert steps_before(data, parse_timestamp(text, data)).tolist() == expected


def test_a_timestamp_within_a_month_comes_before_its_end():
    data = panel(np.arange(5.0), start="2024-01-31", frequency="ME")
    assert steps_before(data, np.datetime64("2024-02-29")).tolist() == [1]
    assert steps_before(data, np.datetime64("2024-03-01")).tolist() == [2]


def test_a_timestamp_is_local_unless_it_has_an_offset():
    data = replace(panel(np.arange(5.0), frequency="h"), display_timezone="Europe/Berlin")
    assert parse_timestamp("2024-01-01 02:00", data) == np.datetime64("2024-01-01T01:00")
    assert parse_timestamp("2024-01-01 02:00+00:00", data) == np.datetime64("2024-01-01T02:00")
    with pytest.raises(ValueError, match="soon"):
        parse_timestamp("soon", data)


def test_the_last_steps_keep_their_timestamps_and_covariates():
    data = replace(
        panel(np.arange(5.0), np.arange(2.0), start=["2024-01-01", "2024-01-03"]),
        future_steps=np.array([1, 0]),
        covariates=np.arange(8.0)[:, None],
        covariate_names=("price",),
    )
    found = keep_last(data, 3)
    assert found.targets[:, 0].tolist() == [2, 3, 4, 0, 1]
    assert found.covariates[:, 0].tolist() == [2, 3, 4, 5, 6, 7]
    assert found.start_timestamps().astype("datetime64[D]").tolist() == [
        np.datetime64("2024-01-03"),
        np.datetime64("2024-01-03"),
    ]
    assert keep_last(data, 5) is data


@pytest.mark.parametrize(
    "text",
    ["01.02.2024", "2/1/2024", "now", "today", "1704067200", "2024W07", "20240201"],
)
def test_times_that_can_be_read_in_two_ways_are_refused(text):
    with pytest.raises(ValueError, match=text):
        parse_timestamp(text, panel(np.arange(5.0)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024", "2025-01-01"),
        ("2024-02", "2024-03-01"),
        ("2024-02-28", "2024-02-29"),
        ("2024-02-28T12:00", "2024-02-28T12:00:00.000001"),
    ],
)
def test_a_year_a_month_or_a_day_ends_before_the_next_one(text, expected):
    assert end_of_timestamp(text, panel(np.arange(5.0))) == np.datetime64(expected)
