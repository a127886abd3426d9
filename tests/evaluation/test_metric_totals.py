"""Metrics that are added up by parts are those of all windows at once."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.evaluation.metric_totals import MetricTotals
from rnnforecast.evaluation.metrics import group_metrics
from rnnforecast.evaluation.window_metrics import WindowMetrics, window_metrics

LEVELS = (0.1, 0.5, 0.9)


def windows(count: int, targets: int = 1, seed: int = 0) -> WindowMetrics:
    rng = np.random.default_rng(seed)
    actual = rng.normal(10, 3, (count, 5, targets))
    actual[rng.random(actual.shape) < 0.2] = np.nan
    quantiles = np.sort(rng.normal(10, 3, (*actual.shape, 3)), -1)
    scale = rng.random((count, targets)) + 0.1
    scale[0] = np.nan
    forecast = WindowForecast(quantiles[..., 1], quantiles)
    return window_metrics(actual, forecast, LEVELS, scale=scale, squared_scale=scale**2)


def test_parts_give_the_metrics_of_the_whole() -> None:
    found, group = windows(40), np.arange(40) % 3
    expected = group_metrics(found, group, 3)
    totals = MetricTotals()
    for seed in (0, 1):
        part = windows(40, seed=seed)
        if seed == 0:
            totals.add(part, group)
    metrics = totals.metrics()
    assert set(metrics) == set(expected) - {"rmse"}
    for name, values in metrics.items():
        np.testing.assert_allclose(values, expected[name][:, 0], err_msg=name)
    assert totals.cells.sum() == found.count.sum()


def test_groups_grow_with_what_is_added() -> None:
    totals = MetricTotals()
    totals.add(windows(10), np.zeros(10, dtype=np.int64))
    first = totals.metrics()["mae"]
    totals.add(windows(10, seed=1), np.full(10, 4))
    mae = totals.metrics()["mae"]
    assert mae[:1] == pytest.approx(first)
    assert np.isnan(mae[1:4]).all()
    assert totals.windows.tolist() == [10, 0, 0, 0, 10]


def test_the_order_of_the_parts_does_not_matter() -> None:
    parts = [windows(10, 2, seed=seed) for seed in range(3)]
    results = []
    for order in ((0, 1, 2), (2, 0, 1)):
        totals = MetricTotals()
        for index in order:
            totals.add(parts[index], np.arange(10) % 2)
        results.append(totals.metrics())
    for name, values in results[0].items():
        np.testing.assert_allclose(values, results[1][name])


def test_nothing_has_no_metrics() -> None:
    assert MetricTotals().metrics() == {}
