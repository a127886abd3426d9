"""Verdicts in words on simulated errors, whose means are known."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.evaluation.verdict import Verdict, compare_forecasts, overlapping_windows
from rnnforecast.types import Floats


def evaluated(
    own: Floats, other: Floats, *, origins: int = 1, scale: float = 2.0, step: int = 2
) -> EvaluatedWindows:
    """Windows of two steps with these absolute errors `[M]` of the model and a baseline."""
    series, window = np.divmod(np.arange(len(own)), origins)
    actual = np.full((len(own), 2, 1), 10.0)

    def forecast(error: Floats) -> WindowForecast:
        return WindowForecast(actual + error[:, None, None], np.empty((len(own), 2, 1, 0)))

    scales = np.full((len(own), 1), scale)
    return EvaluatedWindows(
        series=series,
        window=window,
        origin=30 + step * window,
        actual=actual,
        forecast=forecast(own),
        baselines={"theta": forecast(other)},
        levels=(),
        scale=scales,
        squared_scale=scales,
    )


def verdict(windows: EvaluatedWindows) -> Verdict:
    return compare_forecasts(windows)["theta"]


ERRORS = np.random.default_rng(0).uniform(1, 3, 100)


def test_smaller_errors_are_better_with_scores_and_interval_in_words() -> None:
    found = verdict(evaluated(ERRORS, ERRORS * 1.25))
    assert found.outcome == "better"
    assert found.metric == "mase"
    assert found.score == pytest.approx(ERRORS.mean() / 2)
    assert found.relative_difference == pytest.approx(-0.2)
    assert found.low < found.difference < found.high < 0
    assert found.probability == 1.0
    words = found.words()
    assert words.startswith("better than theta, 95 %: MASE")
    assert "20 % lower" in words
    assert words.endswith("100 series and 1 origin, series resampled")


def test_larger_errors_are_worse() -> None:
    found = verdict(evaluated(ERRORS * 1.25, ERRORS))
    assert found.outcome == "worse"
    assert found.probability == 0.0
    assert "25 % higher" in found.words()


def test_errors_that_differ_by_chance_show_nothing() -> None:
    found = verdict(evaluated(ERRORS, ERRORS[::-1].copy()))
    assert found.outcome == "not shown"
    assert 0 < found.probability < 1
    assert found.words().startswith("not shown against theta: MASE")
    assert "lower to" in found.words()


def test_the_same_forecast_is_not_better() -> None:
    assert verdict(evaluated(ERRORS, ERRORS)).outcome == "not shown"


def test_few_windows_show_nothing_however_large_the_difference() -> None:
    found = verdict(evaluated(np.ones(4), np.full(4, 9.0), origins=2))
    assert found.outcome == "not shown"
    assert "2 series and 2 origins are too few" in found.words()


def test_one_series_with_many_origins_resamples_origins() -> None:
    found = verdict(evaluated(ERRORS, ERRORS + 0.5, origins=100))
    assert found.resampled == ("origins",)
    assert found.outcome == "better"


def test_without_scales_windows_are_compared_by_smape() -> None:
    found = verdict(evaluated(ERRORS, ERRORS * 1.2, scale=np.nan))
    assert found.metric == "smape"
    assert found.score == pytest.approx((200 * ERRORS / (20 + ERRORS)).mean())
    assert "sMAPE" in found.words()


def test_windows_that_one_of_both_does_not_forecast_are_left_out() -> None:
    windows = evaluated(ERRORS, ERRORS * 1.2)
    windows.baselines["theta"].yhat[:30] = np.nan
    windows.actual[30:40] = np.nan
    found = verdict(windows)
    assert found.windows == 60
    assert found.score == pytest.approx(ERRORS[40:].mean() / 2)


def test_no_window_at_all_is_said() -> None:
    windows = evaluated(ERRORS, ERRORS)
    windows.actual[:] = np.nan
    assert "no window" in verdict(windows).words()


@pytest.mark.parametrize(("step", "expected"), [(1, 2), (2, 1), (3, 1)])
def test_overlapping_windows_are_counted_from_the_origins(step: int, expected: int) -> None:
    windows = evaluated(ERRORS, ERRORS, origins=5, step=step)
    shuffled = windows.select(np.random.default_rng(0).permutation(100))
    assert overlapping_windows(shuffled) == expected
    assert overlapping_windows(windows.select(windows.window == 0)) == 1


def test_a_forecast_without_errors_is_compared_without_a_relative_difference() -> None:
    found = verdict(evaluated(ERRORS, np.zeros(100)))
    assert found.outcome == "worse"
    assert found.words().endswith("against 0; 100 series and 1 origin, series resampled")


def test_large_differences_are_whole_percentages() -> None:
    words = verdict(evaluated(ERRORS, ERRORS / 5)).words()
    assert "400 % higher" in words
    assert "e+" not in words
