"""The evaluation on the held-out horizon, against numbers by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.frequency import parse_frequency
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.pipeline.evaluation import observed_values
from rnnforecast.types import Floats
from rnnforecast.workflow.train_holdout import (
    EvaluationResult,
    evaluate_holdout,
    evenly_spaced_by_score,
)


def panel_of(*series: list[float]) -> Panel:
    values = np.concatenate(series)[:, None]
    keys = pd.DataFrame({"id": [f"s{at}" for at in range(len(series))]})
    return build(values, keys, [len(each) for each in series], ("y",))


def build(values: Floats, keys: pd.DataFrame, lengths: list[int], names: tuple[str, ...]) -> Panel:
    start = np.zeros(len(lengths), dtype=np.int64)
    return Panel(
        keys=keys,
        offsets=np.cumsum([0, *lengths]),
        start=start,
        phase=start,
        frequency=parse_frequency("D"),
        utc_offset="",
        target_names=names,
        targets=values,
        observed_mask=~np.isnan(values),
    )


PANEL = panel_of([1, 2, 3, 5, 8, 13], [10, 10], [4, 2, 6, 2, 3, 5])
WINDOWS = np.array([0, 2]), np.array([4, 4])  # series, origins


def test_held_out_values_are_those_after_the_origins() -> None:
    found = observed_values(PANEL, np.array([0, 2]), np.array([4, 5]), 2)
    np.testing.assert_array_equal(found[..., 0], [[8, 13], [5, np.nan]])


def test_series_without_a_window_are_not_scored() -> None:
    yhat = np.array([[9.0, 10.0], [3.0, 9.0]])[..., None]
    forecasts = WindowForecast(yhat, np.repeat(yhat[..., None], 3, axis=-1))
    found = evaluate_holdout(PANEL, forecasts, *WINDOWS, season=2, quantiles=(0.1, 0.5, 0.9))
    assert found.windows.series.tolist() == [0, 2]
    # errors of 1, 3, 0, 4, and of the naive forecast, 3 5 and 6 2, of 5, 8, 3, 3
    assert found.scores.model_metrics["mae"] == pytest.approx(2.0)
    assert found.scores.model_metrics["rmse"] == pytest.approx(np.sqrt(26 / 4))
    assert found.scores.baseline_name in found.scores.baseline_mase
    # changes over two steps before the origins: 2 and 3; 2 and 0
    assert found.scores.model_metrics["mase"] == pytest.approx((2 / 2.5 + 2 / 1) / 2)
    smape = [200 * (1 / 17 + 3 / 23) / 2, 200 * (0 / 6 + 4 / 14) / 2]
    np.testing.assert_allclose(found.smape, smape)
    assert found.scores.model_metrics["coverage_80"] == pytest.approx(1 / 4)


def test_a_target_without_a_forecast_is_not_scored() -> None:
    yhat = np.array([[9.0, 10.0], [np.nan, np.nan]])[..., None]
    forecasts = WindowForecast(yhat, np.repeat(yhat[..., None], 1, axis=-1))
    found = evaluate_holdout(PANEL, forecasts, *WINDOWS, season=2, quantiles=(0.5,))
    assert found.scores.model_metrics["mae"] == pytest.approx(2.0)
    assert np.isnan(found.windows.actual[1]).all()


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [2]), (2, [2, 1]), (3, [2, 4, 1]), (5, [2, 3, 4, 0, 1]), (9, None)]
)
def test_plotted_series_range_from_the_best_to_the_worst(
    count: int, expected: list[int] | None
) -> None:
    found = evenly_spaced_by_score(np.array([3.0, 9.0, 1.0, 1.5, 2.0]), count)
    assert found.tolist() == (expected or [2, 3, 4, 0, 1])


# a line, which drift continues, and a period of two, which the season repeats
WIDE = build(
    np.array([[1, 500], [2, 900], [3, 500], [4, 900], [5, 500], [6, 900.0]]),
    pd.DataFrame(index=range(1)),
    [6],
    ("share", "revenue"),
)


def wide_result() -> EvaluationResult:
    yhat = np.array([[[4.0, 600.0], [4.0, 900.0]]])
    forecasts = WindowForecast(yhat, np.repeat(yhat[..., None], 1, axis=-1))
    return evaluate_holdout(
        WIDE, forecasts, np.array([0]), np.array([4]), season=2, quantiles=(0.5,)
    )


def test_each_target_has_metrics_in_its_units_and_the_best_simple_forecast_of_its_own() -> None:
    found = wide_result().by_target
    assert list(found) == ["share", "revenue"]
    assert found["share"].model_metrics["mae"] == pytest.approx(1.5)
    assert found["revenue"].model_metrics["mae"] == pytest.approx(50.0)
    assert found["share"].baseline_name == "seasonal naive with drift"
    assert found["share"].baseline_metrics["mae"] == pytest.approx(0.0)
    assert found["revenue"].model_metrics["rmse"] == pytest.approx(np.sqrt(100**2 / 2))
    # changes over two steps are 2 for the share, and 0 for the revenue: no scale
    share = dict(found["share"].baseline_mase)
    assert all(np.isfinite(share.pop(name)) for name in ("theta", "DOT", "exponential smoothing"))
    simple = {"seasonal naive": 1.0, "seasonal naive with drift": 0.0, "naive": 0.75, "drift": 0.0}
    assert share == pytest.approx({**simple, "seasonal mean": 1.5})
    assert found["revenue"].baseline_name == "seasonal naive"
    assert not found["share"].beats_best_baseline


def test_metrics_in_units_are_not_averaged_over_targets() -> None:
    found = wide_result().scores
    assert not {"mae", "rmse"} & {*found.model_metrics, *found.baseline_metrics}
    shares = 200 * (1 / 9 + 2 / 10) / 2, 200 * (100 / 1100) / 2
    assert found.model_metrics["smape"] == pytest.approx(np.mean(shares))


def test_the_table_of_series_has_a_row_for_each_scored_series_and_target() -> None:
    table = wide_result().by_series
    assert table["target"].tolist() == ["share", "revenue"]
    assert table["mae"].tolist() == pytest.approx([1.5, 50.0])
    assert table["baseline_mae"].tolist() == pytest.approx([0.0, 0.0])
    assert table["baseline"].tolist() == ["seasonal naive with drift", "seasonal naive"]
    yhat = np.array([[9.0, 10.0], [np.nan, np.nan]])[..., None]
    forecasts = WindowForecast(yhat, np.repeat(yhat[..., None], 1, axis=-1))
    found = evaluate_holdout(PANEL, forecasts, *WINDOWS, season=2, quantiles=(0.5,)).by_series
    assert found["id"].tolist() == ["s0"]  # the others have no forecast or no held-out value
    assert found["rmse"].tolist() == pytest.approx([np.sqrt((1 + 9) / 2)])


def test_the_best_median_and_worst_series_are_named_with_their_scores() -> None:
    panel = panel_of([1, 2, 3, 4, 5, 6], [10, 12, 10, 12, 10, 20], [4, 2, 6, 2, 3, 5], [5, 5])
    yhat = np.array([[5.0, 6.0], [10.0, 10.0], [9.0, 9.0]])[..., None]
    forecasts = WindowForecast(yhat, np.repeat(yhat[..., None], 1, axis=-1))
    found = evaluate_holdout(
        panel, forecasts, np.arange(3), np.array([4, 4, 4]), season=2, quantiles=(0.5,)
    )
    examples = found.example_series(panel.labels())
    assert [examples[name]["series"] for name in ("best", "median", "worst")] == ["s0", "s1", "s2"]
    assert examples["best"]["smape"] == 0.0
    assert examples["median"]["smape"] == pytest.approx(200 * (10 / 30) / 2)
    assert np.isnan(examples["median"]["mase"])  # each season is as the one before
    assert examples["worst"]["mase"] == pytest.approx(5.0)  # errors of 6 and 4, changes of 2 and 0


def test_few_series_have_no_examples() -> None:
    assert wide_result().example_series(["series"]) == {}
