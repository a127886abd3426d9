"""Example series and their seasonal patterns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.example_series import (
    MAX_PLOTS,
    MAX_STEPS,
    ExampleSeries,
    format_duration,
    season_phase_names,
    select_examples,
)
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.time.frequency import parse_frequency
from tests.data.panels import panel
from tests.data.profiling.test_coverage import of_targets

NAN = float("nan")


def chosen(given: Panel, season: int = 1) -> tuple[ExampleSeries, ...]:
    parts = np.split(given.targets[:, 0], given.offsets[1:-1])
    levels = np.array([[np.nanmedian(part)] for part in parts])
    alive = np.array([np.nanmin(part) < np.nanmax(part) for part in parts])
    none = np.zeros_like(given.observed_mask)
    return select_examples(given, given.observed_mask, none, levels, alive, season=season)


def test_of_many_series_those_that_differ_are_shown_and_constant_ones_are_not() -> None:
    many = panel([7] * 9, [1, 2, 3, 4, 5], [4, NAN, NAN, 9], [6, 5, 6], [1, 3], [7] * 9)
    assert {one.label: one.reason for one in chosen(many)} == {
        "s1": "the longest", "s2": "most values missing", "s3": "of median level",
        "s4": "the shortest",
    }  # fmt: skip


def test_a_series_can_have_two_reasons() -> None:
    found = chosen(panel([1, NAN, 3, 4, 4, 4], [1, 2], [5, 6], [7, 8], [8, 9]))
    assert found[0].reason == "the longest, most values missing"


def test_few_series_are_all_shown() -> None:
    found = chosen(panel([1, 1], [2, 3]))
    assert [(one.label, one.reason) for one in found] == [("s0", ""), ("s1", "")]


def test_constant_series_are_shown_where_there_is_nothing_else() -> None:
    assert len(chosen(panel(*[[1.0, 1.0]] * 6))) > 0


def test_an_example_has_the_last_steps_with_timestamps_and_masks() -> None:
    values = np.arange(MAX_STEPS + 10.0)
    values[-2] = NAN
    one = panel(values)
    value_mask, outliers = np.ones_like(one.observed_mask), np.zeros_like(one.observed_mask)
    outliers[-1] = True
    (found,) = select_examples(
        one, value_mask, outliers, np.ones((1, 1)), np.array([True]), season=1
    )
    np.testing.assert_array_equal(found.values, values[-MAX_STEPS:])
    assert format_timestamp(found.timestamps[0]) == "2024-01-11"
    assert np.flatnonzero(found.filled_mask).tolist() == [MAX_STEPS - 2]
    assert np.flatnonzero(found.outlier_mask).tolist() == [MAX_STEPS - 1]
    assert len(found.seasonal_pattern) == 0


def test_the_pattern_of_a_week_begins_on_monday_and_has_no_trend() -> None:
    week = np.array([3.0, 1, 0, 0, 0, -1, -3])  # Monday to Sunday
    values = np.tile(np.roll(week, -2), 8) + 10 * np.arange(56.0)  # 2024-01-03 is a Wednesday
    (found,) = chosen(panel(values, start="2024-01-03"), season=7)
    np.testing.assert_allclose(found.seasonal_pattern, week, atol=1e-9)


@pytest.mark.parametrize("years", [2, 5])
def test_the_pattern_of_a_year_begins_in_january(years: int) -> None:
    year = np.arange(12.0) - 5.5
    values = np.tile(np.roll(year, -4), years) - 3 * np.arange(12.0 * years)
    (found,) = chosen(panel(values, start="2024-05-01", frequency="MS"), season=12)
    np.testing.assert_allclose(found.seasonal_pattern, year, atol=1e-9)


def test_gaps_leave_the_pattern_of_a_level_series_nearly_as_it_is() -> None:
    week = np.array([3.0, 1, 0, 0, 0, -1, -3])
    values = np.tile(week, 30)
    values[[20, 21, 90]] = NAN
    (found,) = chosen(panel(values), season=7)
    np.testing.assert_allclose(found.seasonal_pattern, week, atol=0.2)


def test_a_series_shorter_than_two_seasons_and_an_irregular_one_have_no_pattern() -> None:
    assert len(chosen(panel([1, 2, 3]), season=2)[0].seasonal_pattern) == 0
    times = np.array(["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-09"], "datetime64[us]")
    irregular = replace(panel([1, 2, 1, 2]), irregular_timestamps=times)
    assert len(chosen(irregular, season=2)[0].seasonal_pattern) == 0


@pytest.mark.parametrize(
    ("alias", "season", "first", "text"),
    [
        ("D", 7, "Mon", "7 steps (a week)"),
        ("MS", 12, "Jan", "12 steps (a year)"),
        ("B", 5, "Mon", "5 steps (a week)"),
        ("h", 24, "0 h", "24 steps (a day)"),
        ("30min", 48, "0 h", "48 steps (a day)"),
        ("QS", 4, None, "4 steps (a year)"),
        ("h", 168, None, "168 steps (a week)"),
        ("W", 52, None, "52 steps (a year)"),
        ("D", 10, None, "10 steps"),
    ],
)
def test_seasons_have_their_usual_names(
    alias: str, season: int, first: str | None, text: str
) -> None:
    names = season_phase_names(parse_frequency(alias), season, "")
    assert (names[0] if names else None) == first
    assert len(names) in (0, season)
    assert format_duration(parse_frequency(alias), season) == text


def test_hours_have_no_names_in_another_display_time_zone() -> None:
    assert season_phase_names(parse_frequency("h"), 24, "Europe/Berlin") == ()


def test_every_target_of_a_single_series_is_an_example_named_by_it() -> None:
    one = of_targets(revenue=[1.0, 2, 4], orders=[5.0, NAN, 7])
    found = chosen(one)
    assert [example.label for example in found] == ["revenue", "orders"]
    np.testing.assert_array_equal(found[1].values, [5, NAN, 7])
    many = of_targets(**{f"t{k}": [1.0, 2] for k in range(2 * MAX_PLOTS)})
    assert len(chosen(many)) == MAX_PLOTS


def test_every_target_of_a_chosen_series_is_named_with_it() -> None:
    two = panel([1, 2], [3, 4])
    both = replace(
        two, targets=np.tile(two.targets, 2), observed_mask=np.tile(two.observed_mask, 2),
        target_names=("a", "b"),
    )  # fmt: skip
    labels = [example.label for example in chosen(both)]
    assert labels == ["s0 · a", "s0 · b", "s1 · a", "s1 · b"]
