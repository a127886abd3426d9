"""Scores by each dimension against the metrics of their windows alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rnnforecast.evaluation import scores as module
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.evaluation.metrics import compute_metrics, has_units
from rnnforecast.evaluation.scores import MODEL_NAME, GroupScores, compute_scores
from rnnforecast.types import Bools, Floats

LEVELS = (0.1, 0.5, 0.9)
GROUP = np.array([1, 0, 1, 1])


def evaluated(n_targets: int = 2, seed: int = 0) -> EvaluatedWindows:
    """Four series with three windows each, but for one of the last series; three steps."""
    rng = np.random.default_rng(seed)
    series, window = np.divmod(np.arange(11), 3)
    shape = (11, 3, n_targets)
    actual = np.where(rng.random(shape) < 0.2, np.nan, rng.gamma(2.0, 5.0, shape))

    def forecast() -> WindowForecast:
        yhat = rng.gamma(2.0, 5.0, shape)
        return WindowForecast(yhat, yhat[..., None] + np.array([-2.0, 0.0, 3.0]))

    return EvaluatedWindows(
        series=series,
        window=window,
        origin=20 + 2 * window,
        actual=actual,
        forecast=forecast(),
        baselines={"naive": forecast(), "theta": forecast()},
        levels=LEVELS,
        scale=rng.uniform(1, 2, (11, n_targets)),
        squared_scale=rng.uniform(1, 2, (11, n_targets)),
    )


def alone(windows: EvaluatedWindows, model: str, mask: Bools | slice) -> dict[str, float]:
    """The metrics of some windows."""
    forecast = windows.forecast if model == MODEL_NAME else windows.baselines[model]
    return compute_metrics(
        windows.actual[mask],
        forecast.yhat[mask],
        scale=windows.scale[mask],
        squared_scale=windows.squared_scale[mask],
        quantiles=forecast.quantiles[mask],
        levels=LEVELS,
    )


def of_all_targets(scores: GroupScores, model: str, position: int) -> dict[str, float]:
    """The metrics of a group and all targets, without those of several models."""
    return {
        name: float(values[position, -1])
        for name, values in scores.metrics[model].items()
        if name not in ("owa", "smapc", "masc") and not has_units(name)
    }


@pytest.mark.parametrize("model", [MODEL_NAME, "naive"])
def test_scores_of_each_dimension_are_those_of_its_windows(model: str) -> None:
    windows = evaluated()
    scores = compute_scores(windows, GROUP[windows.series])
    everything = of_all_targets(scores.overall, model, 0)
    assert everything == pytest.approx(alone(windows, model, slice(None)))
    assert scores.by_group is not None
    for found, label in (
        (scores.by_series, windows.series),
        (scores.by_window, windows.window),
        (scores.by_group, GROUP[windows.series]),
    ):
        assert found.groups.tolist() == sorted(set(label))
        for position, group in enumerate(found.groups):
            expected = alone(windows, model, label == group)
            assert of_all_targets(found, model, position) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("cells", [1, 30, 100_000])
def test_scores_by_step_are_those_of_horizons_of_one_step(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEP_CELLS", cells)
    windows = evaluated(n_targets=1)
    found = compute_scores(windows).by_step
    assert found.groups.tolist() == [1, 2, 3]
    for step in range(3):
        chosen: Floats = windows.actual[:, [step]]
        expected = compute_metrics(
            chosen,
            windows.forecast.yhat[:, [step]],
            scale=windows.scale,
            squared_scale=windows.squared_scale,
            quantiles=windows.forecast.quantiles[:, [step]],
            levels=LEVELS,
        )
        scored = {name: found.metrics[MODEL_NAME][name][step, 0] for name in expected}
        assert scored == pytest.approx(expected)
        assert found.windows[step, 0] == np.isfinite(chosen).sum()


def test_owa_is_relative_to_the_seasonal_naive_forecast_or_the_naive_one() -> None:
    windows = evaluated()
    found = compute_scores(windows)
    ours, naive = (
        {key: float(found.overall.metrics[model][key][0, -1]) for key in ("smape", "mase", "owa")}
        for model in (MODEL_NAME, "naive")
    )
    expected = (ours["smape"] / naive["smape"] + ours["mase"] / naive["mase"]) / 2
    assert ours["owa"] == pytest.approx(expected)
    assert naive["owa"] == pytest.approx(1.0)
    assert found.by_group is None


def test_owa_without_a_reference_is_not_defined() -> None:
    windows = evaluated()
    del windows.baselines["naive"]  # type: ignore[attr-defined]
    owa = compute_scores(windows).overall.metrics[MODEL_NAME]["owa"]
    assert math.isnan(owa[0, -1])


def test_windows_without_an_observed_value_are_not_counted() -> None:
    windows = evaluated()
    windows.actual[windows.series == 2] = np.nan
    windows.actual[0, :, 1] = np.nan
    windows.actual[0, :, 0] = 1.0
    found = compute_scores(windows)
    assert found.overall.windows[0].tolist() == [8, 7, 8]
    assert found.by_series.windows[2].tolist() == [0, 0, 0]
    assert math.isnan(found.by_series.metrics[MODEL_NAME]["smape"][2, -1])
