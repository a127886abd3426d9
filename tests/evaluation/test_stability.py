"""Changes of forecasts from origin to origin, calculated by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.evaluation.scores import MODEL_NAME, compute_scores
from rnnforecast.evaluation.stability import forecast_changes

NAN = float("nan")


def evaluated(
    rows: list[tuple[int, int, list[float]]], scale: float = 2.0
) -> tuple[EvaluatedWindows, WindowForecast]:
    """Windows of (series, origin, point forecasts)."""
    yhat = np.array([forecast for _, _, forecast in rows])[..., None]
    forecast = WindowForecast(yhat, np.empty((*yhat.shape, 0)))
    scales = np.full((len(rows), 1), scale)
    origin = np.array([origin for _, origin, _ in rows])
    windows = EvaluatedWindows(
        series=np.array([series for series, _, _ in rows]),
        window=origin - origin.min(),
        origin=origin,
        actual=np.ones(yhat.shape),
        forecast=forecast,
        baselines={},
        levels=(),
        scale=scales,
        squared_scale=scales,
    )
    return windows, forecast


def test_changes_are_of_the_steps_that_two_successive_origins_forecast() -> None:
    found = forecast_changes(*evaluated([(0, 10, [1, 2, 3]), (0, 11, [4, 3, 9])]))
    # 2 became 4, 3 stayed
    np.testing.assert_allclose(found["smapc"][:, 0], [NAN, (200 * 2 / 6 + 0) / 2])
    np.testing.assert_allclose(found["masc"][:, 0], [NAN, (2 / 2 + 0) / 2])


def test_windows_of_any_order_and_distance_belong_to_their_series() -> None:
    found = forecast_changes(
        *evaluated([(1, 12, [5, 5, 5]), (0, 10, [1, 1, 7]), (1, 10, [1, 1, 3]), (0, 13, [1, 1, 1])])
    )
    # series 1 moved by two steps: 3 became 5; the horizons of series 0 do not overlap
    np.testing.assert_allclose(found["smapc"][:, 0], [200 * 2 / 8, NAN, NAN, NAN])


def test_zeros_do_not_change_and_missing_forecasts_are_left_out() -> None:
    found = forecast_changes(*evaluated([(0, 1, [9, 0, NAN]), (0, 2, [0, 4, 4])], scale=NAN))
    assert found["smapc"][1, 0] == 0.0
    assert np.isnan(found["masc"][1, 0])


def test_scores_have_the_mean_change_of_all_windows_with_one_before() -> None:
    windows, _ = evaluated(
        [(0, 10, [1, 2, 3]), (0, 11, [4, 3, 9]), (1, 10, [1, 1, 1]), (1, 11, [1, 1, 1])]
    )
    scores = compute_scores(windows)
    assert scores.overall.metrics[MODEL_NAME]["smapc"][0, 0] == pytest.approx(200 / 6 / 2)
    by_series = scores.by_series.metrics[MODEL_NAME]["masc"][:, 0]
    np.testing.assert_allclose(by_series, [0.5, 0.0])
