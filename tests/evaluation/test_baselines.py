"""Baselines of windows against hand calculations, scipy and each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from rnnforecast.evaluation.baselines import (
    BASELINES,
    Baseline,
    BaselineWindows,
    describe_omitted,
    select_baselines,
)
from rnnforecast.evaluation.evaluated_windows import WindowForecast

BY_NAME = {each.name: each for each in BASELINES}
SEASONAL = ["seasonal naive", "seasonal naive with drift", "seasonal mean"]


def of_one(values: list[float], *, season: int, horizon: int) -> BaselineWindows:
    """The window after all values of one series."""
    return BaselineWindows(
        values=np.array(values, dtype=np.float64)[:, None],
        offsets=np.array([0, len(values)]),
        series=np.array([0]),
        origins=np.array([len(values)]),
        horizon=horizon,
        season=season,
        statistical_season=season,
    )


def forecast(name: str, windows: BaselineWindows, *levels: float) -> WindowForecast:
    return BY_NAME[name].forecast(windows, levels)


def test_quantiles_widen_with_the_root_of_the_seasons_ahead() -> None:
    levels = (0.025, 0.5, 0.9)
    found = forecast("seasonal naive", of_one([1, 2, 4, 3, 5, 7], season=2, horizon=5), *levels)
    deviation = np.sqrt((3**2 + 1**2 + 1**2 + 4**2) / 4)
    seasons_ahead = np.array([1, 1, 2, 2, 3])
    expected = norm.ppf(
        np.array(levels),
        loc=np.array([5, 7, 5, 7, 5])[:, None],
        scale=deviation * np.sqrt(seasons_ahead)[:, None],
    )
    assert found.quantiles.shape == (1, 5, 1, 3)
    np.testing.assert_allclose(found.quantiles[0, :, 0], expected, rtol=1e-12)


def test_a_history_shorter_than_a_season_widens_as_a_random_walk() -> None:
    found = forecast("seasonal naive", of_one([1, 4, 8], season=5, horizon=4), 0.9)
    deviation = np.sqrt((3**2 + 4**2) / 2 * np.arange(1, 5))
    np.testing.assert_allclose(
        (found.quantiles[..., 0] - found.yhat)[0, :, 0], norm.ppf(0.9) * deviation
    )


def test_one_value_alone_gives_no_quantiles() -> None:
    found = forecast("naive", of_one([1], season=1, horizon=2), 0.5)
    assert (found.yhat == 1).all()
    assert np.isnan(found.quantiles).all()


def test_quantiles_with_drift_are_those_of_the_drift_method() -> None:
    """Hyndman and Athanasopoulos, 5.5: sigma * sqrt(h * (1 + h / (T - 1)))."""
    values = [1.0, 4, 5, 9, 8, 12]
    found = forecast("drift", of_one(values, season=1, horizon=4), 0.9)
    step = np.arange(1, 5)
    deviation = np.std(np.diff(values), ddof=1) * np.sqrt(step * (1 + step / 5))
    np.testing.assert_allclose(
        (found.quantiles[..., 0] - found.yhat)[0, :, 0], norm.ppf(0.9) * deviation
    )


def several_windows(seed: int, lengths: list[int], horizon: int) -> BaselineWindows:
    """Every origin after the first two steps of series of two targets with gaps, in any order."""
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths])
    values = 10 + rng.normal(size=(offsets[-1], 2))
    values[rng.random(values.shape) < 0.2] = np.nan
    series = np.repeat(np.arange(len(lengths)), np.array(lengths) - 1)
    origins = np.concatenate([np.arange(2, length + 1) for length in lengths])
    order = rng.permutation(len(series))
    return BaselineWindows(values, offsets, series[order], origins[order], horizon, 3, 3)


@given(
    st.sampled_from(BASELINES[:-1]),  # the last one takes long for each shape
    st.integers(0, 2**31),
    st.lists(st.integers(2, 14), min_size=1, max_size=3),
)
def test_the_forecast_of_a_window_reads_its_own_past_only(
    baseline: Baseline, seed: int, lengths: list[int]
) -> None:
    check_windows_are_alone(baseline.name, several_windows(seed, lengths, horizon=4))


def test_exponential_smoothing_of_a_window_reads_its_own_past_only() -> None:
    check_windows_are_alone("exponential smoothing", several_windows(1, [14, 9], horizon=4))


def check_windows_are_alone(name: str, windows: BaselineWindows) -> None:
    together = forecast(name, windows, 0.1, 0.9)
    count = len(windows.series)
    for window in range(0, count, max(1, count // 3)):
        series, origin = windows.series[window], windows.origins[window]
        first = windows.offsets[series]
        alone = replace(
            windows,
            values=windows.values[first : first + origin],
            offsets=np.array([0, origin]),
            series=np.array([0]),
            origins=np.array([origin]),
        )
        found = forecast(name, alone, 0.1, 0.9)
        np.testing.assert_array_equal(together.yhat[window], found.yhat[0])
        np.testing.assert_array_equal(together.quantiles[window], found.quantiles[0])


def test_without_windows_there_are_no_forecasts() -> None:
    none = replace(
        of_one([1, 2, 3], season=2, horizon=4),
        series=np.zeros(0, np.int64),
        origins=np.zeros(0, np.int64),
    )
    for name in BY_NAME:
        assert forecast(name, none, 0.1, 0.5).quantiles.shape == (0, 4, 1, 2)


def names(chosen: list[str], *, season: int = 12, count: int = 1) -> list[str]:
    return [each.name for each in select_baselines(chosen, season=season, count=count)]


def test_the_baselines_of_a_season_begin_with_the_usual_one() -> None:
    assert names([]) == [
        *SEASONAL,
        "naive",
        "drift",
        "theta",
        "DOT",
        "exponential smoothing",
    ]
    assert names([], season=1) == ["naive", "drift", "theta", "DOT", "exponential smoothing"]


def test_columns_are_lower_case_with_underscores() -> None:
    columns = [BY_NAME[name].column for name in ("seasonal naive with drift", "DOT")]
    assert columns == ["seasonal_naive_with_drift", "dot"]


@pytest.mark.parametrize(
    ("count", "left_out"),
    [
        (5_000, []),
        (5_001, ["exponential smoothing"]),
        (20_001, ["theta", "DOT", "exponential smoothing"]),
    ],
)
def test_many_windows_have_quick_baselines_and_a_line_says_so(
    count: int, left_out: list[str]
) -> None:
    assert [each for each in BY_NAME if each not in names([], count=count)] == left_out
    line = describe_omitted(count)
    assert (line is not None) == bool(left_out)
    assert all(each in (line or "") for each in left_out)


def test_named_baselines_are_computed_for_any_number_of_windows() -> None:
    assert names(["seasonal_naive"], season=1, count=10**6) == ["seasonal naive", "naive", "drift"]
    assert names(["exponential_smoothing"], count=10**5)[-1] == "exponential smoothing"
    assert "exponential" not in (describe_omitted(10**6, ["exponential_smoothing"]) or "")
