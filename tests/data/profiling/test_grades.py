"""Quality grades: their thresholds and messages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.panel.regularize import regularize
from rnnforecast.data.profiling.grades import (
    GRADE_THRESHOLDS,
    QualityGrade,
    grade_data_quality,
    grade_share,
    headline,
)
from rnnforecast.spec.data import CleanSpec
from tests.data.tables import table

NAN = float("nan")
NAMES = ["values", "length", "timestamps", "freshness", "variation"]


def grades(
    *series: list[float], season: int = 1, horizon: int = 2, min_length: int = 1
) -> dict[str, QualityGrade]:
    """Of daily series that begin on the same day."""
    days = pd.date_range("2024-01-01", periods=max(map(len, series))).to_numpy()
    time = np.concatenate([days[: len(one)] for one in series])
    names = np.repeat([f"s{i}" for i in range(len(series))], [len(one) for one in series])
    rows = table(time, np.concatenate(series), names)
    rules = CleanSpec(frequency="D", min_length=min_length)
    panel, changes = regularize(rows, rules)
    return {
        one.aspect: one
        for one in grade_data_quality(panel, changes, season=season, horizon=horizon)
    }


@pytest.mark.parametrize("aspect", GRADE_THRESHOLDS)
def test_a_grade_changes_at_its_threshold(aspect: str) -> None:
    good, look = GRADE_THRESHOLDS[aspect]
    assert grade_share(aspect, good) == "good"
    assert grade_share(aspect, np.nextafter(good, 0)) == "look"
    assert grade_share(aspect, look) == "look"
    assert grade_share(aspect, np.nextafter(look, 0)) == "bad"


def test_clean_series_are_good_in_all() -> None:
    found = grades([1, 2, 3, 4], [4, 3, 2, 1])
    assert {one.grade for one in found.values()} == {"good"}
    assert list(found) == NAMES


def test_missing_values_are_counted_inside_series() -> None:
    found = grades([1.0, NAN] + [3.0] * 8)["values"]
    assert found.grade == "look"
    assert found.message == "90% of the values inside the series are observed; 1 of 10 are missing"


def test_one_missing_value_in_many_is_not_rounded_away() -> None:
    assert grades([1.0] * 5000 + [NAN] + [2.0] * 5000)["values"].message.startswith("99.9%")


def test_a_series_needs_two_seasons_and_a_horizon() -> None:
    assert grades([1.0, 2, 3, 4], horizon=2)["length"].grade == "good"
    assert grades([1.0, 2, 3], horizon=2)["length"].grade == "bad"
    assert grades([1.0, 2] * 8, season=7, horizon=2)["length"].grade == "good"
    assert grades([1.0, 2] * 7, season=7, horizon=2)["length"].grade == "bad"


def test_series_left_out_count_as_too_short() -> None:
    found = grades([1, 2, 3, 4], [1, 2], min_length=3)["length"]
    assert found.grade == "look"
    assert found.message.startswith("50% of the series")
    assert found.message.endswith("1 of 2 series left out")


def test_a_series_ends_early_if_a_horizon_has_passed_since() -> None:
    nearly = grades([1.0] * 9 + [2], [1.0] * 7 + [2], horizon=3)["freshness"]
    assert nearly.grade == "good"
    assert nearly.message == "100% of the series reach the end of the data, 2024-01-10, or nearly"
    late = grades([1.0] * 9 + [2], [1.0] * 6 + [2], horizon=3)["freshness"]
    assert late.grade == "bad"
    assert late.message.endswith("; 1 end 3 steps or more before")


def test_constant_series_are_counted() -> None:
    found = grades([5, 5, 5, 5], [1, 2, 3, 4])["variation"]
    assert (found.grade, found.message) == (
        "look", "50% of the series vary over time; 1 never changes"
    )  # fmt: skip
    assert grades([5, 5, 5, 5])["variation"].message == "the series never changes"


def test_all_faults_of_timestamps_count() -> None:
    minutes = ["00:00", "00:10", "00:20", "00:31", "00:40", "00:40", "00:50"]
    rows = table([f"2024-01-01 {at}" for at in minutes], np.arange(7.0))
    rules = CleanSpec(frequency="10min", irregular="snap", duplicates="last")
    panel, changes = regularize(rows, rules)
    found = {one.aspect: one for one in grade_data_quality(panel, changes, season=1, horizon=1)}[
        "timestamps"
    ]
    assert (changes.counts["duplicates"], changes.counts["snapped"]) == (1, 1)
    assert found.grade == "bad"  # 5 of 7
    assert found.message.startswith("71.4% of the rows")
    assert found.message.endswith("1 repeat a timestamp, 1 were moved to a step")


def test_the_headline_is_the_worst_of_all() -> None:
    def summary(**grades: str) -> tuple[str, str]:
        return headline([QualityGrade(name, grades.get(name, "good"), "") for name in NAMES])  # type: ignore[arg-type]

    assert summary() == ("good", "Fit to use")
    assert summary(variation="look") == ("look", "Usable, but look at: constant series")
    assert summary(variation="look", length="bad") == (
        "bad", "Not fit to use as it is: short series, constant series"
    )  # fmt: skip
