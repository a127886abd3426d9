"""CUSUM charts: average run lengths as published, alarms on the right day, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.evaluation.cusum import (
    AVERAGE_RUN_LENGTH,
    MIN_REFERENCE,
    average_run_length,
    cusum_chart,
    threshold_for,
)

SHIFTS = (0, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4)
PUBLISHED = {
    4: (168, 74.2, 26.6, 13.3, 8.38, 4.75, 3.34, 2.62, 2.19, 1.71),
    5: (465, 139, 38.0, 17.0, 10.4, 5.75, 4.01, 3.11, 2.57, 2.01),
}
"""Montgomery, Introduction to Statistical Quality Control, table 9.3: k = 1/2, two-sided."""


@pytest.mark.parametrize("threshold", PUBLISHED)
def test_run_lengths_are_those_of_published_tables(threshold: int) -> None:
    found = [average_run_length(threshold, shift) for shift in SHIFTS]
    np.testing.assert_allclose(found, PUBLISHED[threshold], rtol=0.004)


def test_thresholds_are_those_of_published_tables() -> None:
    # Hawkins 1993, "Cumulative sum control charting: an underutilized SPC tool", table 3
    assert threshold_for(370.0) == pytest.approx(4.77, abs=0.005)
    assert average_run_length(threshold_for()) == pytest.approx(AVERAGE_RUN_LENGTH, rel=1e-4)
    one_sided = threshold_for(two_sided=False)
    assert average_run_length(one_sided, two_sided=False) == pytest.approx(1000, rel=1e-4)


def test_false_alarms_are_as_rare_as_chosen() -> None:
    rng = np.random.default_rng(0)
    charts = [cusum_chart(5 + 2 * rng.normal(size=200)) for _ in range(60)]
    days = sum(each.alarms[0].index if each.alarms else 200 for each in charts)
    alarms = sum(len(each.alarms) for each in charts)
    assert 500 < days / alarms < 4000


@pytest.mark.parametrize(("change", "direction"), [(3.0, "up"), (-3.0, "down")])
def test_a_change_raises_an_alarm_within_days_and_tells_when_it_began(
    change: float, direction: str
) -> None:
    values = np.random.default_rng(1).normal(size=60)
    values[40:] += change
    (alarm,) = cusum_chart(values).alarms
    assert 40 <= alarm.index <= 44
    assert abs(alarm.onset - 40) <= 5
    assert alarm.direction == direction
    upwards = cusum_chart(values, two_sided=False).alarms
    assert len(upwards) == (direction == "up")


def test_sums_are_those_of_page_by_hand() -> None:
    values = np.random.default_rng(2).normal(size=50)
    chart = cusum_chart(values)
    upper = lower = 0.0
    for index, z in enumerate(chart.deviations):
        if not np.isnan(z):
            upper, lower = max(0.0, upper + z - 0.5), max(0.0, lower - z - 0.5)
        assert chart.upper[index] == pytest.approx(upper)
        assert chart.lower[index] == pytest.approx(lower)
    assert np.isnan(chart.deviations[:MIN_REFERENCE]).all()
    assert not np.isnan(chart.deviations[MIN_REFERENCE:]).any()


def test_one_bad_day_is_no_alarm_and_does_not_hide_a_change() -> None:
    values = np.random.default_rng(3).normal(size=60)
    values[20] = 1e6
    assert not cusum_chart(values).alarms
    values[40:] += 3
    assert 40 <= cusum_chart(values).alarms[0].index <= 46


def test_an_autocorrelated_statistic_raises_few_alarms() -> None:
    rng = np.random.default_rng(4)
    count = 0
    for _ in range(40):
        noise = rng.normal(size=100)
        for index in range(1, 100):
            noise[index] += 0.5 * noise[index - 1]
        count += len(cusum_chart(noise).alarms)
    assert count <= 12


def test_a_new_model_after_an_alarm_starts_a_new_chart() -> None:
    values = np.random.default_rng(5).normal(size=120)
    values[40:60] += 4  # retrained on day 60
    values[100:] += 4
    model = np.repeat([0, 1], 60)
    first, second = cusum_chart(values, model).alarms
    assert 40 <= first.index <= 44
    assert 100 <= second.index <= 104
    assert len(cusum_chart(values).alarms) == 1  # of one model the alarm stays


@pytest.mark.parametrize("values", [[], [1.0], [np.nan] * 30, [3.0] * 40, [0.0] * 40])
def test_values_without_change_or_without_any_raise_none(values: list[float]) -> None:
    chart = cusum_chart(np.array(values))
    assert not chart.alarms
    assert np.isfinite(chart.upper).all()
