"""The forecast in words."""

from __future__ import annotations

import math

import pytest

from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.output.forecast_report.words import (
    ForecastSummary,
    describe_forecast,
    describe_series,
    format_alike,
)

DAILY = parse_frequency("D")
SUMMARY = ForecastSummary(12_412.3, 11_938.0, 13_004.0, 0.8, 0.041, "a year before")


def test_a_total_has_its_range_and_the_change() -> None:
    assert describe_forecast(SUMMARY, DAILY, 28, is_total=True) == (
        "Next 28 days: 12,400 in total, with a probability of 80 % between 11,900 and 13,000; "
        "4.1 % more than a year before."
    )


def test_an_average_names_step_and_series() -> None:
    summary = ForecastSummary(443.0, 425.0, 464.0, 0.8)
    assert describe_forecast(summary, DAILY, 28, is_total=False, n_series=30) == (
        "Next 28 days: 443 on average per day and per series (30 series), with a probability of "
        "80 % between 425 and 464."
    )


def test_a_single_step_of_a_single_series_is_neither() -> None:
    summary = ForecastSummary(5.0, 4.0, 6.0, 0.8)
    for is_total in (True, False):
        text = describe_forecast(summary, parse_frequency("MS"), 1, is_total=is_total)
        assert text == "Next month: 5, with a probability of 80 % between 4 and 6."


def test_a_target_is_named_where_there_are_several() -> None:
    summary = ForecastSummary(5.0, 5.0, 5.0, 0.0)
    text = describe_forecast(summary, DAILY, 7, is_total=True, name="sales", n_series=2)
    assert text == "sales, next 7 days: 5 in total of 2 series."


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (-0.123, "; 12 % less than a year before"),
        (0.001, "; as much as a year before"),
        (1.5, "; 2.5 times as much as a year before"),
        (math.nan, ""),
    ],
)
def test_changes_are_told_as_people_do(change: float, words: str) -> None:
    summary = ForecastSummary(10.0, 9.0, 11.0, 0.8, change, "a year before")
    assert describe_series(summary, is_total=True) == f"Total 10 (80 %: 9 to 11){words}."


@pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        ((12_412.0, 11_938.0, 13_004.0), ("12,400", "11,900", "13,000")),
        ((0.012345, 0.0101, 0.0149), ("0.0123", "0.0101", "0.0149")),
        ((-3.2, -4.0, 1.0), ("−3.2", "−4", "1")),
        ((5.0, -200.0, 900.0), ("5", "−200", "900")),
        ((1_234_567.0, 1_234_567.0, 1_234_567.0), ("1,230,000",) * 3),
        ((0.0, 0.0, 0.0), ("0",) * 3),
        ((math.nan, 1.0, 2.0), ("unknown", "1", "2")),
    ],
)
def test_numbers_are_rounded_to_the_width_of_the_range(
    numbers: tuple[float, float, float], texts: tuple[str, ...]
) -> None:
    assert format_alike(*numbers) == texts
