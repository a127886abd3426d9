"""Metrics of groups against utilsforecast, scikit-learn and calculations by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import utilsforecast.losses as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, root_mean_squared_error

from rnnforecast.evaluation import metrics
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.evaluation.window_metrics import window_metrics
from rnnforecast.types import Floats

NAN = math.nan
RNG = np.random.default_rng(0)
ACTUAL = RNG.gamma(2.0, 10.0, size=(5, 4, 2))
FORECAST = ACTUAL + RNG.normal(size=ACTUAL.shape)
MISSING = RNG.random(ACTUAL.shape) < 0.2
GAPPY = np.where(MISSING, NAN, ACTUAL)
POINT = metrics.POINT_METRICS - {"owa", "smapc", "masc"}
LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def cube(*series: list[float]) -> Floats:
    """Series by horizon, of one target: `[S, H, 1]`."""
    return np.array(series, dtype=np.float64)[..., None]


def computed(actual: Floats, forecast: Floats, scale: Floats | float = 1.0) -> dict[str, float]:
    """Metrics of point forecasts."""
    scale = np.broadcast_to(scale, (actual.shape[0], actual.shape[2]))
    return metrics.compute_metrics(actual, forecast, scale=scale, squared_scale=scale)


def test_smape_is_a_mean_over_series_of_means_over_steps() -> None:
    actual, forecast = cube([1, 3], [10, NAN]), cube([3, 1], [10, 5])
    # 200 * (2/4 + 2/4) / 2 = 100 for the first series, 0 for the second
    assert computed(actual, forecast)["smape"] == pytest.approx(50.0)


def test_smape_of_two_zeros_is_zero() -> None:
    assert computed(cube([0, 0]), cube([0, 1]))["smape"] == pytest.approx(100.0)


def test_zeros_are_left_out_of_mape() -> None:
    found = computed(cube([0, 2], [0, 0]), cube([9, 1], [1, 1]))
    assert found["mape"] == pytest.approx(50.0)


def test_mase_leaves_out_series_without_a_scale() -> None:
    actual, forecast = cube([1, 3], [10, 12]), cube([2, 5], [0, 0])
    assert computed(actual, forecast, np.array([[0.5], [NAN]]))["mase"] == pytest.approx(3.0)
    assert math.isnan(computed(actual, forecast, np.full((2, 1), NAN))["mase"])


def test_a_forecast_that_is_too_high_has_a_bias_above_zero() -> None:
    found = computed(cube([1, 2, NAN], [4, 1, 0]), cube([2, 4, 9], [4, 0, 1]))
    assert found["bias"] == pytest.approx((1 + 2 + 0 - 1 + 1) / 5)
    assert found["relative_bias"] == pytest.approx(100 * 3 / 8)
    assert found["wape"] == pytest.approx(100 * 5 / 8)


def test_a_missing_forecast_of_an_observed_value_makes_metrics_undefined() -> None:
    incomplete = FORECAST.copy()
    incomplete[2, 1, 0] = NAN
    scale = np.ones((5, 2))
    quantiles = incomplete[..., None].repeat(3, axis=-1)
    found = metrics.compute_metrics(
        ACTUAL, incomplete, scale=scale, quantiles=quantiles, levels=(0.1, 0.5, 0.9)
    )
    assert all(math.isnan(value) for value in found.values())
    unobserved = np.where(np.isnan(incomplete), NAN, ACTUAL)
    assert not any(math.isnan(value) for value in computed(unobserved, incomplete).values())


def test_point_forecasts_without_quantiles_have_point_metrics() -> None:
    found = metrics.compute_metrics(
        ACTUAL,
        FORECAST,
        scale=np.ones((5, 2)),
        squared_scale=np.ones((5, 2)),
        quantiles=np.full((*ACTUAL.shape, 3), NAN),
        levels=(0.1, 0.5, 0.9),
    )
    undefined = {name for name, value in found.items() if math.isnan(value)}
    assert undefined == set(found) - POINT


def test_a_missing_forecast_of_an_unobserved_value_is_ignored() -> None:
    actual, forecast = cube([1.0, NAN], [2.0, 3.0]), cube([2.0, NAN], [2.0, 5.0])
    quantiles = forecast[..., None] + np.array([-0.5, 0.0, 0.5])
    found = metrics.compute_metrics(
        actual, forecast, scale=np.ones((2, 1)), quantiles=quantiles, levels=(0.1, 0.5, 0.9)
    )
    assert found["mae"] == 1.0
    assert found["coverage_80"] == pytest.approx(1 / 3)
    # twice the pinball losses of errors -1, 0, -2 from the three quantiles
    pinball = [0.9 * 0.5 + 0.5 * 1 + 0.1 * 1.5, 0.1 * 0.5 + 0.1 * 0.5, 0.9 * 1.5 + 1 + 0.1 * 2.5]
    assert found["wql"] == pytest.approx(2 * sum(pinball) / 3 / 6)


def test_without_observations_metrics_are_undefined() -> None:
    found = computed(np.full_like(ACTUAL, NAN), FORECAST)
    assert all(math.isnan(value) for value in found.values())


def test_weighted_quantile_loss_of_zeros_is_not_defined() -> None:
    zeros = cube([0, 0])
    found = metrics.compute_metrics(
        zeros, zeros, scale=np.ones((1, 1)), quantiles=zeros[..., None] + 1, levels=(0.5,)
    )
    assert math.isnan(found["wql"])
    assert found["crps"] == 1.0


def test_metrics_of_intervals_are_named_by_their_nominal_coverage() -> None:
    quantiles = np.zeros((1, 2, 1, 5)) + np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    found = metrics.compute_metrics(
        cube([3.5, 2]), cube([2, 2]), scale=np.full((1, 1), 2.0), quantiles=quantiles, levels=LEVELS
    )
    assert (found["coverage_95"], found["coverage_80"]) == (1.0, 0.5)
    assert (found["width_95"], found["scaled_width_80"]) == (4.0, 1.0)
    assert found["winkler_80"] == pytest.approx(2 + 10 * 0.5 / 2)
    assert found["msis_80"] == pytest.approx(found["winkler_80"] / 2)
    asymmetric = metrics.compute_metrics(
        cube([3.5, 2]),
        cube([2, 2]),
        scale=np.ones((1, 1)),
        quantiles=quantiles[..., :2],
        levels=(0.2, 0.6),
    )
    assert set(asymmetric) == POINT | {"wql", "crps"}


def test_metrics_by_series_average_to_the_metric() -> None:
    scale = np.arange(1.0, 11.0).reshape(5, 2)
    by_series = metrics.metrics_by_series(GAPPY, FORECAST, scale)
    found = computed(GAPPY, FORECAST, scale)
    assert by_series["mase"].shape == (5, 2)
    assert by_series["mase"].mean() == pytest.approx(found["mase"])


def test_metrics_of_several_targets_are_means_of_those_without_units() -> None:
    found = computed(GAPPY, FORECAST)
    assert not any(metrics.has_units(name) for name in found)
    alone = [computed(GAPPY[..., [c]], FORECAST[..., [c]]) for c in range(2)]
    assert found["wape"] == pytest.approx((alone[0]["wape"] + alone[1]["wape"]) / 2)
    assert alone[0]["mae"] > 0


def long_table(actual: Floats, forecast: Floats, quantiles: Floats) -> pd.DataFrame:
    """The observed cells of one target as utilsforecast reads them, a window each ``unique_id``."""
    window, step = np.nonzero(~np.isnan(actual[..., 0]))
    table = pd.DataFrame({"unique_id": window, "ds": step, "y": actual[window, step, 0]})
    table["model"] = forecast[window, step, 0]
    for index, level in enumerate(LEVELS):
        table[f"q{level}"] = quantiles[window, step, 0, index]
    for low, high, name in ((0, 4, 95), (1, 3, 80)):
        table[f"model-lo-{name}"] = quantiles[window, step, 0, low]
        table[f"model-hi-{name}"] = quantiles[window, step, 0, high]
    return table


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1))
def test_all_metrics_agree_with_utilsforecast_and_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    actual = rng.gamma(2.0, 10.0, (4, 5, 1)) * rng.choice([-1, 1])
    actual[rng.random(actual.shape) < 0.3] = NAN
    actual[:, 0] = rng.normal(size=(4, 1))
    forecast = np.nan_to_num(actual) + rng.normal(size=actual.shape)
    quantiles = np.sort(forecast[..., None] + rng.normal(size=(*actual.shape, 5)), -1)
    histories = rng.normal(5, 3, (4, 9))
    offsets = np.arange(0, 37, 9)
    scale, squared = (
        metrics.seasonal_moment(
            histories.reshape(-1, 1), offsets, season=2, ends=offsets[1:], power=power
        )
        for power in (1, 2)
    )
    found = metrics.compute_metrics(
        actual,
        forecast,
        scale=scale,
        squared_scale=squared,
        quantiles=quantiles,
        levels=LEVELS,
    )
    table = long_table(actual, forecast, quantiles)
    pooled = table.assign(unique_id=0)
    history = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(4), 9),
            "ds": np.tile(np.arange(9), 4),
            "y": histories.ravel(),
        }
    )
    names = [f"q{level}" for level in LEVELS]
    size = table["y"].abs().mean()
    mqloss = reference.mqloss(pooled, {"model": names}, np.array(LEVELS))["model"].mean()
    expected = {
        "smape": 200 * reference.smape(table, ["model"])["model"].mean(),
        "mape": 100 * reference.mape(table, ["model"])["model"].mean(),
        "mase": reference.mase(table, ["model"], 2, history)["model"].mean(),
        "rmsse": reference.rmsse(table, ["model"], 2, history)["model"].mean(),
        "wape": 100 * reference.wape(pooled, ["model"])["model"].item(),
        "bias": reference.bias(pooled, ["model"])["model"].item(),
        "relative_bias": 100 * reference.bias(pooled, ["model"])["model"].item() / size,
        "mae": mean_absolute_error(table["y"], table["model"]),
        "rmse": root_mean_squared_error(table["y"], table["model"]),
        "wql": 2 * mqloss / size,
        "crps": 2
        * sum(
            weight * mean_pinball_loss(table["y"], table[name], alpha=level)
            for weight, name, level in zip(
                (0.0625, 0.2375, 0.4, 0.2375, 0.0625), names, LEVELS, strict=True
            )
        ),
    }
    scales = table["unique_id"].map(dict(enumerate(scale[:, 0])))
    for level in (95, 80):
        lower, upper = table[f"model-lo-{level}"], table[f"model-hi-{level}"]
        score = reference.winkler_score(table, ["model"], level)["model"].to_numpy()
        expected |= {
            f"coverage_{level}": reference.coverage(pooled, ["model"], level)["model"].item(),
            f"winkler_{level}": reference.winkler_score(pooled, ["model"], level)["model"].item(),
            f"msis_{level}": (score / scale[:, 0]).mean(),
            f"width_{level}": (upper - lower).mean(),
            f"scaled_width_{level}": ((upper - lower) / scales)
            .groupby(table["unique_id"])
            .mean()
            .mean(),
        }
    assert found == pytest.approx(expected)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_metrics_of_groups_are_those_of_their_windows_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    actual = np.where(rng.random((9, 3, 2)) < 0.3, NAN, rng.normal(2, 5, (9, 3, 2)))
    yhat = rng.normal(2, 5, actual.shape)
    forecast = WindowForecast(yhat, np.sort(rng.normal(size=(*actual.shape, 5)), -1))
    scale = np.where(rng.random((9, 2)) < 0.2, NAN, rng.uniform(1, 3, (9, 2)))
    group = rng.integers(0, 3, 9)
    windows = window_metrics(actual, forecast, LEVELS, scale=scale, squared_scale=scale)
    found = metrics.group_metrics(windows, group, 4)
    for number in range(4):
        chosen = group == number
        for targets in (slice(0, 1), slice(1, 2), slice(0, 2)):
            alone = metrics.compute_metrics(
                actual[chosen][:, :, targets],
                yhat[chosen][:, :, targets],
                scale=scale[chosen][:, targets],
                squared_scale=scale[chosen][:, targets],
                quantiles=forecast.quantiles[chosen][:, :, targets],
                levels=LEVELS,
            )
            column = -1 if targets.stop - targets.start == 2 else targets.start
            grouped = {name: found[name][number, column] for name in alone}
            assert grouped == pytest.approx(alone, nan_ok=True)


def test_the_scale_is_the_mean_seasonal_change_before_the_end() -> None:
    values = np.array([1.0, 2, 4, 7, 50, 5, 5, NAN, NAN])[:, None]
    scale = metrics.seasonal_scale(values, np.array([0, 5, 9]), season=2, ends=np.array([4, 9]))
    # |4-1|, |7-2| (the 50 is after the end); then no two values two steps apart
    assert scale[0, 0] == 4.0
    assert math.isnan(scale[1, 0])


def test_series_that_are_constant_short_or_empty_have_no_scale() -> None:
    values = np.array([3.0, 3, 3, 1, 2])[:, None]
    offsets = np.array([0, 3, 3, 4, 5])
    scale = metrics.seasonal_scale(values, offsets, season=1, ends=offsets[1:])
    assert np.isnan(scale).all()


def test_an_end_outside_its_series_is_refused() -> None:
    with pytest.raises(ValueError, match="flat rows"):
        metrics.seasonal_scale(
            np.ones((4, 1)), np.array([0, 2, 4]), season=1, ends=np.array([2, 1])
        )


def test_errors_of_huge_numbers_do_not_overflow() -> None:
    actual, forecast = cube([1e308, 1e308, 1e308]), cube([5e307, 0.0, 5e307])
    found = computed(actual, forecast, 1e307)
    assert found["mae"] == pytest.approx(2 / 3 * 1e308)
    assert found["rmse"] == pytest.approx(1e308 * math.sqrt(0.5))
    assert found["mase"] == pytest.approx(20 / 3)
    assert found["relative_bias"] == pytest.approx(-200 / 3)
    ordinary = computed(np.concatenate([actual, cube([1, 2, 3])]), np.concatenate([forecast] * 2))
    assert ordinary["mae"] < np.inf
