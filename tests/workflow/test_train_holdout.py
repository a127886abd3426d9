"""The evaluation on the held-out horizon, against numbers by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from rnnforecast.data.panel.panel import Panel
from rnnforecast.pipeline.forecasting import Forecasts
from rnnforecast.workflow.train_holdout import (
    evaluate_holdout,
    evenly_spaced_by_score,
    held_out_values,
)


def panel_of(*series: list[float]) -> Panel:
    values = np.concatenate(series)[:, None]
    offsets = np.cumsum([0, *(len(each) for each in series)])
    return cast("Panel", SimpleNamespace(targets=values, offsets=offsets))


PANEL = panel_of([1, 2, 3, 5, 8, 13], [10, 10], [4, 2, 6, 2, 3, 5])
ORIGINS = np.array([4, -1, 4])


def test_held_out_values_are_those_after_the_origins() -> None:
    found = held_out_values(PANEL, ORIGINS, 2)
    np.testing.assert_array_equal(found[..., 0], [[8, 13], [3, 5]])


def test_series_without_an_origin_are_not_scored() -> None:
    yhat = np.array([[9.0, 10.0], [np.nan, np.nan], [3.0, 9.0]])[..., None]
    forecasts = Forecasts(yhat, np.repeat(yhat[..., None], 3, axis=-1))
    found = evaluate_holdout(PANEL, forecasts, ORIGINS, season=2, quantiles=(0.1, 0.5, 0.9))
    assert found.series.tolist() == [0, 2]
    # errors of 1, 3, 0, 4, and of the naive forecast, 3 5 and 6 2, of 5, 8, 3, 3
    assert found.model_metrics["mae"] == pytest.approx(2.0)
    assert found.model_metrics["rmse"] == pytest.approx(np.sqrt(26 / 4))
    assert found.naive_metrics["mae"] == pytest.approx(19 / 4)
    # changes over two steps before the origins: 2 and 3; 2 and 0
    assert found.model_metrics["mase"] == pytest.approx((2 / 2.5 + 2 / 1) / 2)
    smape = [200 * (1 / 17 + 3 / 23) / 2, 200 * (0 / 6 + 4 / 14) / 2]
    np.testing.assert_allclose(found.smape, smape)
    assert found.model_metrics["coverage_80"] == pytest.approx(1 / 4)


def test_a_target_without_a_forecast_is_not_scored() -> None:
    yhat = np.array([[9.0, 10.0], [np.nan, np.nan], [np.nan, np.nan]])[..., None]
    forecasts = Forecasts(yhat, np.repeat(yhat[..., None], 1, axis=-1))
    found = evaluate_holdout(PANEL, forecasts, ORIGINS, season=2, quantiles=(0.5,))
    assert found.model_metrics["mae"] == pytest.approx(2.0)
    assert np.isnan(found.actual[1]).all()


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [2]), (2, [2, 1]), (3, [2, 4, 1]), (5, [2, 3, 4, 0, 1]), (9, None)]
)
def test_plotted_series_range_from_the_best_to_the_worst(
    count: int, expected: list[int] | None
) -> None:
    found = evenly_spaced_by_score(np.array([3.0, 9.0, 1.0, 1.5, 2.0]), count)
    assert found.tolist() == (expected or [2, 3, 4, 0, 1])
