"""The measures of `benchmarks/measures.py`, against numbers worked out by hand."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.scripts import script


@pytest.fixture(scope="module")
def measures() -> ModuleType:
    return script("measures")


def test_smape_by_hand(measures: ModuleType) -> None:
    # 200 * (50 / 150 + 0 / 400) / 2 = 100 / 3
    found = measures.smape(np.array([100.0, 200.0]), np.array([50.0, 200.0]))
    assert found == pytest.approx(100 / 3)


def test_smape_of_a_zero_that_was_forecast_as_zero_is_no_error(measures: ModuleType) -> None:
    # 200 * (0 + 2 / 2) / 2
    assert measures.smape(np.array([0.0, 2.0]), np.array([0.0, 0.0])) == pytest.approx(100.0)


def test_mase_by_hand(measures: ModuleType) -> None:
    # seasonal steps of 2, 4, 2, 4: scale 3; errors 3 and 6
    history = np.array([1.0, 10.0, 3.0, 14.0, 5.0, 18.0])
    found = measures.mase(np.array([7.0, 20.0]), np.array([10.0, 14.0]), history, 2)
    assert found == pytest.approx(1.5)


def test_owa_by_hand(measures: ModuleType) -> None:
    assert measures.owa((10.0, 1.5), (20.0, 1.0)) == pytest.approx(1.0)  # (0.5 + 1.5) / 2


def test_seasonal_factors_of_an_even_season(measures: ModuleType) -> None:
    # the centred mean of 10, 30, 10 is (5 + 30 + 5) / 2 = 20 everywhere
    found = measures.seasonal_factors(np.array([10.0, 30.0] * 4), 2)
    np.testing.assert_allclose(found, [0.5, 1.5])


def test_seasonal_factors_of_an_odd_season(measures: ModuleType) -> None:
    found = measures.seasonal_factors(np.array([1.0, 2.0, 3.0] * 4), 3)
    np.testing.assert_allclose(found, [0.5, 1.0, 1.5])


def test_naive2_repeats_the_season_at_the_last_level(measures: ModuleType) -> None:
    # the last value is at the low phase: level 10 / 0.5 = 20, and the high phase comes next
    history = np.array([10.0, 30.0] * 10 + [10.0])
    found = measures.naive2(history, 2, 3)
    np.testing.assert_allclose(found, [30.0, 10.0, 30.0], rtol=0.01)


def test_naive2_of_values_below_zero_has_an_additive_season(measures: ModuleType) -> None:
    # the centred mean of -10, 30, -10 is 10, the terms -20 and 20; the last level is -10 + 20
    history = np.array([-10.0, 30.0] * 10 + [-10.0])
    np.testing.assert_allclose(measures.seasonal_terms(history, 2), [-20.0, 20.0])
    np.testing.assert_allclose(measures.naive2(history, 2, 3), [30.0, -10.0, 30.0])


def test_naive2_is_the_last_value_where_there_is_no_season(measures: ModuleType) -> None:
    history = np.array([1.0, 2.0, 3.0, 4.0, 5.0])  # shorter than three seasons of 2
    np.testing.assert_array_equal(measures.naive2(history, 2, 3), [5.0, 5.0, 5.0])
    np.testing.assert_array_equal(measures.naive2(np.full(20, 7.0), 2, 2), [7.0, 7.0])


def test_the_test_for_a_season_needs_three_of_them_and_a_clear_one(measures: ModuleType) -> None:
    assert measures.has_season(np.array([10.0, 30.0] * 10), 2)
    assert not measures.has_season(np.array([10.0, 30.0, 10.0, 30.0, 10.0]), 2)
    # r1 = 0 / 8, r2 = -6 / 8 over 8 steps: |r2| = 0.75 is beyond 1.645 / sqrt(8) = 0.58
    assert measures.has_season(np.array([1.0, 1.0, -1.0, -1.0] * 2), 2)
    assert not measures.has_season(np.array([1.0, 1.0, -1.0, -1.0] * 2), 1)


def test_quantile_loss_by_hand(measures: ModuleType) -> None:
    # q0.5: 0.5 * 2; q0.9: missed by -1, 0.1 * 1; 2 * (1.0 + 0.1) / 2 / 10
    found = measures.quantile_loss(np.array([10.0]), np.array([[8.0, 11.0]]), (0.5, 0.9))
    assert found == pytest.approx(0.11)


def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """One series of 10, 30, 10, ... and a forecast of it that is 10 too high at each step."""
    timestamps = pd.date_range("2000-01-01", periods=23, freq="D")
    y = np.resize([10.0, 31.0, 10.0, 30.0], 23)
    table = pd.DataFrame({"unique_id": "a", "ds": timestamps, "y": y})
    train, test = table[:21], table[21:]
    forecast = test[["unique_id", "ds"]].assign(yhat=test["y"] + 10)
    for level, shift in {"0.025": -1, "0.1": 5, "0.5": 10, "0.9": 15, "0.975": 20}.items():
        forecast[f"q{level}"] = test["y"] + shift
    return train, test, forecast


def test_scores_of_a_table(measures: ModuleType) -> None:
    train, test, forecast = tables()
    found = measures.score(train, test, forecast, 2)
    actual = test["y"].to_numpy()
    expected = np.mean(200 * 10 / (2 * actual + 10))
    assert found["smape"] == pytest.approx(expected)
    assert found["cover_95"] == 100.0
    assert found["cover_80"] == 0.0
    # history steps of a season are 0 at the low phase and 1 at the high one, 9 of 19
    assert found["mase"] == pytest.approx(10 / (9 / 19))
    assert found["owa"] > 1


def test_a_forecast_that_misses_steps_is_refused(measures: ModuleType) -> None:
    train, test, forecast = tables()
    with pytest.raises(ValueError, match="1 of 2 forecasts missing"):
        measures.score(train, test, forecast[:1], 2)
