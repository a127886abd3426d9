"""The theta methods against statsforecast, the paper's recursion and itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from rnnforecast.statistical import theta
from rnnforecast.statistical.histories import StatisticalForecast
from rnnforecast.types import Floats
from tests.statistical.series import histories_of, noise

T = np.arange(72)

# DynamicOptimizedTheta(season_length=...).forecast(y, h=6)["mean"] of statsforecast 2.1.1
REFERENCES = {
    "multiplicative season": (
        12,
        (100 + 1.5 * T) * (1 + 0.3 * np.sin(2 * np.pi * T / 12)) * (1 + 0.1 * noise(72, 1)),
        [204.18, 241.7394, 266.7131, 270.5393, 268.5578, 248.238],
    ),
    "additive season with negative values": (
        4,
        5 * np.cos(np.pi * T[:36] / 2) + 0.2 * T[:36] - 4 + 3 * noise(36, 3),
        [8.1936, 3.6136, -1.1603, 3.6122, 8.9151, 4.3335],
    ),
    "no significant season": (
        4,
        20 + 0.3 * T[:30] + 6 * noise(30, 4),
        [28.8457, 29.1397, 29.4324, 29.724, 30.0145, 30.3038],
    ),
    "random walk": (1, 50 + np.cumsum(4 * noise(40, 2)), [49.8798] * 6),
    "trend": (
        1,
        200 + 12 * T[:20] + 20 * noise(20, 5),
        [440.2184, 451.4411, 462.6261, 473.7753, 484.8906, 495.9737],
    ),
    "noise around a level": (1, 10 + 2 * noise(60, 6), [10.0089] * 6),
}

# Theta(season_length=...) of the same
STANDARD_REFERENCES = {
    "multiplicative season": [206.314, 243.4875, 267.7958, 270.7923, 267.9824, 246.9535],
    "additive season with negative values": [8.2624, 3.6054, -1.2451, 3.4513, 8.6784, 4.0215],
    "no significant season": [28.4161, 28.5874, 28.7587, 28.93, 29.1013, 29.2726],
    "random walk": [49.8897, 49.8995, 49.9093, 49.9192, 49.929, 49.9388],
    "trend": [438.6541, 444.7141, 450.7742, 456.8342, 462.8942, 468.9542],
    "noise around a level": [10.0037, 10.0032, 10.0026, 10.0021, 10.0016, 10.0011],
}


def theta_of(
    *series: Floats,
    season: int = 1,
    horizon: int = 6,
    seasonal_test: bool = False,
    dynamic: bool = True,
) -> StatisticalForecast:
    return theta.forecast(
        histories_of(*series),
        season=season,
        horizon=horizon,
        seasonal_test=seasonal_test,
        dynamic=dynamic,
    )


@pytest.mark.parametrize("name", REFERENCES)
def test_forecasts_are_those_of_statsforecast(name: str) -> None:
    """Up to its search, which stops early, and the weight of the initial level."""
    season, values, expected = REFERENCES[name]
    found = theta_of(np.round(values, 2), season=season, seasonal_test=True).mean[0]
    np.testing.assert_allclose(found, expected, atol=0.01 * np.ptp(values))


@pytest.mark.parametrize("name", REFERENCES)
def test_standard_theta_forecasts_are_those_of_statsforecast(name: str) -> None:
    season, values, _ = REFERENCES[name]
    found = theta_of(np.round(values, 2), season=season, seasonal_test=True, dynamic=False).mean[0]
    np.testing.assert_allclose(found, STANDARD_REFERENCES[name], atol=0.005 * np.ptp(values))


def test_the_standard_theta_forecast_is_smoothing_with_half_the_slope_as_drift() -> None:
    """Hyndman and Billah (2003), "Unmasking the theta method", equation 13."""
    values = REFERENCES["trend"][1]
    found = theta_of(values, dynamic=False, horizon=5)
    slope = np.polyfit(np.arange(len(values)), values, 1)[0]
    np.testing.assert_allclose(np.diff(found.mean[0]), slope / 2, rtol=1e-9)
    assert np.all(np.diff(found.variance[0]) > 0)


def recursion(parameters: Floats, values: Floats, horizon: int) -> tuple[Floats, Floats]:
    """Errors and forecasts of Fiorucci et al. (2016), equation 15, value by value."""
    level_0, alpha, trend_share = parameters
    level = alpha * values[0] + (1 - alpha) * level_0
    errors, known = [0.0], [values[0]]
    for i in range(1, len(values) + horizon):
        time, mean = np.arange(1, i + 1), sum(known) / i
        slope = 12 * float((time - (i + 1) / 2) @ known) / (i**3 - i) if i > 1 else 0.0
        intercept = mean - slope * (i + 1) / 2
        expected = level + trend_share * (
            intercept * (1 - alpha) ** i + slope * (1 - (1 - alpha) ** (i + 1)) / alpha
        )
        known.append(values[i] if i < len(values) else expected)
        errors.append(known[-1] - expected)
        level = alpha * known[-1] + (1 - alpha) * level
    return np.array(errors[: len(values)]), np.array(known[len(values) :])


def least_squares(values: Floats) -> Floats:
    """Initial level, alpha and share of the trend by a general minimizer."""

    def loss(parameters: Floats) -> float:
        errors = recursion(parameters, values, 0)[0][theta.BURN_IN :]
        distance = parameters[0] - (1 - parameters[2]) * values[0]  # of the level alone
        return float(errors @ errors + theta.LEVEL_WEIGHT * distance**2)

    bounds = [(None, None), (0.1, 0.99), (0, 1)]
    starts = [(values[0] * (1 - w), a, w) for a in (0.15, 0.5, 0.9) for w in (0.2, 0.7)]
    found = [minimize(loss, start, bounds=bounds) for start in starts]
    return np.asarray(min(found, key=lambda each: float(each.fun)).x)


@pytest.mark.parametrize("name", ["random walk", "trend", "noise around a level"])
def test_forecasts_and_variances_are_those_of_the_recursion(name: str) -> None:
    values, horizon = REFERENCES[name][1], 6
    parameters = least_squares(values)
    errors, expected = recursion(parameters, values, horizon)
    found = theta_of(values, horizon=horizon)
    np.testing.assert_allclose(found.mean[0], expected, atol=0.01 * np.std(values))

    counted = errors[theta.BURN_IN :]
    variance = np.full(horizon, counted @ counted / (len(counted) - theta.PARAMETERS))
    for step in range(horizon - 1):  # an error of one changes what follows
        path = np.append(values, expected[: step + 1] + (np.arange(step + 1) == step))
        change = recursion(parameters, path, horizon - step - 1)[1] - expected[step + 1 :]
        variance[step + 1 :] += variance[0] * change**2
    np.testing.assert_allclose(found.variance[0], variance, rtol=0.01)


@pytest.mark.parametrize("length", range(1, 10))
def test_short_histories_have_forecasts_near_their_values(length: int) -> None:
    values = 10 + noise(9, 7)[:length]
    found = theta_of(values, season=4, horizon=3)
    assert np.all(np.abs(found.mean - 10) < 1)
    assert np.all(found.variance > 0)


def test_a_constant_is_continued_without_a_spread() -> None:
    for length in (1, 2, 5, 30):
        found = theta_of(np.full(length, 7.0), season=4)
        assert np.all(found.mean == 7)
    assert np.all(theta_of(np.full(30, 7.0), season=4).variance == 0)


def test_a_history_without_values_has_no_forecast() -> None:
    found = theta_of(np.zeros(0), np.arange(8.0), season=4)
    assert np.isnan(found.mean[0]).all()
    assert np.isnan(found.variance[0]).all()
    assert np.isfinite(found.mean[1]).all()


SERIES = st.lists(
    st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=40), min_size=1, max_size=4
)


@given(SERIES, st.integers(0, 3), st.sampled_from([1, 4]), st.booleans())
def test_a_forecast_depends_neither_on_other_series_nor_on_padding(
    series: list[list[float]], padding: int, season: int, dynamic: bool
) -> None:
    together = theta.forecast(
        histories_of(*series, padding=padding), season=season, horizon=5, dynamic=dynamic
    )
    for row, each in enumerate(series):
        alone = theta.forecast(histories_of(each), season=season, horizon=5, dynamic=dynamic)
        np.testing.assert_array_equal(together.mean[row], alone.mean[0])
        np.testing.assert_array_equal(together.variance[row], alone.variance[0])


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=40),
    st.sampled_from([1, 4]),
    st.sampled_from([-6, 1, 9]),
)
def test_a_multiple_of_the_series_has_the_multiple_forecast(
    series: list[int], season: int, exponent: int
) -> None:
    factor = 2.0**exponent
    values = np.array(series, dtype=np.float64)
    found, scaled = theta_of(values, season=season), theta_of(values * factor, season=season)
    np.testing.assert_array_equal(scaled.mean, factor * found.mean)
    np.testing.assert_array_equal(scaled.variance, factor**2 * found.variance)


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=40), st.integers(-500, 500))
def test_a_shift_of_the_series_shifts_the_forecast(series: list[int], shift: int) -> None:
    values = np.array(series, dtype=np.float64)
    found, moved = theta_of(values), theta_of(values + shift)
    np.testing.assert_allclose(moved.mean, found.mean + shift, rtol=1e-12, atol=1e-9)
    np.testing.assert_array_equal(moved.variance, found.variance)
