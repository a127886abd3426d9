"""Intervals of bootstrap means against the formulas of the standard error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.evaluation import bootstrap
from rnnforecast.evaluation.bootstrap import BootstrapMeans, bootstrap_means
from rnnforecast.types import Floats, Ints


def grid(n_series: int, origins: int) -> tuple[Ints, Ints]:
    """The series and the origin of each window, all of each."""
    series, window = np.divmod(np.arange(n_series * origins), origins)
    return series, window


def means(values: Floats, series: Ints, window: Ints, overlap: int = 1) -> BootstrapMeans:
    return bootstrap_means(
        values[:, None],
        np.ones((len(values), 1)),
        series=series,
        window=window,
        overlap=overlap,
    )


def width(found: BootstrapMeans) -> float:
    return float(found.high[0] - found.low[0])


def test_with_one_origin_series_are_resampled() -> None:
    values = np.random.default_rng(0).normal(size=200)
    found = means(values, *grid(200, 1))
    assert found.resampled == ("series",)
    assert found.mean[0] == pytest.approx(values.mean())
    expected = 2 * 1.972 * values.std(ddof=1) / np.sqrt(200)  # Student's t of 199 degrees
    assert width(found) == pytest.approx(expected, rel=0.1)


def test_with_one_series_blocks_of_origins_are_resampled() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=2003)
    values = noise[3:] + noise[2:-1] + noise[1:-2] + noise[:-3]  # four horizons overlap
    found = means(values, *grid(1, 2000), overlap=4)
    assert found.resampled == ("origins",)
    # the long-run variance of a moving average of four ones is 16
    assert width(found) == pytest.approx(2 * 1.96 * np.sqrt(16 / 2000), rel=0.15)


def test_both_are_resampled_with_the_variance_of_two_way_clusters() -> None:
    rng = np.random.default_rng(2)
    series, window = grid(100, 50)
    values = rng.normal(size=100)[series] + rng.normal(size=50)[window] + rng.normal(size=5000)
    found = means(values, series, window)
    error = values - values.mean()
    by_series, by_origin = (np.bincount(label, error) for label in (series, window))
    variance = (by_series @ by_series + by_origin @ by_origin - error @ error) / 5000**2
    assert found.resampled == ("series", "origins")
    assert width(found) == pytest.approx(2 * 1.98 * np.sqrt(variance), rel=0.15)


def test_too_few_series_and_origins_have_no_interval() -> None:
    found = means(np.arange(16.0), *grid(4, 4))
    assert found.resampled == ()
    assert found.mean[0] == 7.5
    assert np.isnan(found.low[0])
    assert np.isnan(found.probability_below_zero[0])
    overlapping = means(np.arange(8.0), *grid(1, 8), overlap=2)
    assert overlapping.resampled == ()


def test_few_origins_are_not_resampled_beside_many_series() -> None:
    assert means(np.arange(60.0), *grid(20, 3)).resampled == ("series",)


def test_no_windows_have_no_mean() -> None:
    found = means(np.zeros(0), *grid(0, 1))
    assert np.isnan(found.mean[0])
    assert found.resampled == ()


def test_equal_values_have_an_interval_without_width() -> None:
    found = means(np.full(40, -2.0), *grid(8, 5))
    assert (found.low[0], found.high[0]) == (-2.0, -2.0)
    assert found.probability_below_zero[0] == 1.0
    assert means(np.zeros(40), *grid(8, 5)).probability_below_zero[0] == 0.5


def test_few_draws_at_once_are_all_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "MAX_DRAWS", 90)
    values = np.random.default_rng(3).normal(size=60)
    found = means(values, *grid(60, 1))
    assert width(found) == pytest.approx(4 * values.std() / np.sqrt(60), rel=0.15)


def test_windows_without_weight_do_not_count() -> None:
    rng = np.random.default_rng(4)
    values, (series, window) = rng.normal(size=(30, 2)), grid(6, 5)
    weight = rng.uniform(0.5, 2, (30, 2))
    weight[rng.random((30, 2)) < 0.3] = 0.0
    found = bootstrap_means(
        np.where(weight > 0, values * weight, np.nan), weight, series=series, window=window
    )
    expected = [np.average(values[:, k], weights=weight[:, k]) for k in range(2)]
    np.testing.assert_allclose(found.mean, expected)
    assert (found.low < found.mean).all()
    assert (found.mean < found.high).all()


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_neither_the_order_of_windows_nor_the_number_of_a_series_matters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    series, window = grid(7, 6)
    values = rng.normal(size=42).round(1)  # with ties
    order, number = rng.permutation(42), rng.permutation(7)
    first = means(values, series, window)
    second = means(values[order], number[series[order]], window[order])
    for name in ("mean", "low", "high", "probability_below_zero"):
        np.testing.assert_allclose(getattr(second, name), getattr(first, name), atol=1e-12)
