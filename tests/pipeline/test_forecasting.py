"""Forecasts of a panel: calibration of point heads, transforms undone, bounds, and ensembles."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.cleaning.transforms import Bounds, Transform
from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.evaluation.conformal import ConformalIntervals
from rnnforecast.evaluation.ensembling import ForecastCombiner
from rnnforecast.evaluation.evaluated_windows import WindowForecast
from rnnforecast.inference import quantiles as inference
from rnnforecast.models.quantile_levels import MEAN_LEVELS, QuantileLevels
from rnnforecast.pipeline import forecasting
from rnnforecast.pipeline.forecasting import (
    MIN_ERRORS_PER_STEP,
    Member,
    Postprocessing,
    calibrate_point_head,
    forecast,
    item_names,
)
from rnnforecast.types import Floats
from tests.training.fits import net, windows

FREE = Bounds((False,), (False,))
PLAIN = Transform(("none",), (1.0,))
LOG = Transform(("log",), (1.0,))
REQUESTED = (0.1, 0.9)
ORIGINS = np.array([25, 50])


def residuals_of(monkeypatch: pytest.MonkeyPatch, errors: Floats, loss: str) -> Floats:
    """The calibrated residuals `[H, Q]` of errors `[W, H]`."""
    monkeypatch.setattr(inference, "normalized_errors", lambda *_: errors[..., None])
    index = WindowIndex(*np.zeros((3, len(errors)), dtype=np.int64))
    levels = QuantileLevels.for_loss(REQUESTED, loss)
    return calibrate_point_head(net(loss=loss), windows(), index, levels)


def test_residual_quantiles_are_those_of_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = np.arange(1.0, 100.0)[:, None] * [1.0, 2.0, -1.0, np.nan] - 50
    found = residuals_of(monkeypatch, errors, "mae")
    # (M + 1) q is 10 and 90; quantiles stay on their side of the median
    np.testing.assert_allclose(found, [[-40, 0, 40], [-30, 0, 130], [-140, 0, 0], [0, 0, 0]])


def test_few_errors_are_pooled_over_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = np.arange(0.0, MIN_ERRORS_PER_STEP)[:, None] * np.ones(4) - 15
    by_step = residuals_of(monkeypatch, errors * [1, 2, 3, 4], "mae")
    np.testing.assert_allclose(by_step[:, 2] / by_step[0, 2], [1, 2, 3, 4])
    pooled = residuals_of(monkeypatch, errors[1:] * [1, 2, 3, 4], "mae")
    assert pooled.shape == (4, 3)
    assert (pooled == pooled[0]).all()
    assert pooled[0, 2] > by_step[0, 2]


def test_equally_likely_errors_of_a_mean_average_to_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = np.random.default_rng(0).gamma(1.0, 2.0, (200, 4))
    found = residuals_of(monkeypatch, errors, "mse")
    levels = QuantileLevels.for_loss(REQUESTED, "mse")
    np.testing.assert_allclose(found[:, levels.auxiliary_indices].mean(1), 0.0, atol=1e-12)
    np.testing.assert_allclose(found[:, levels.point_indices].mean(1), 0.0, atol=1e-12)
    expected = np.quantile(errors, 0.9, axis=0)
    requested = found[:, levels.requested_indices[1]]
    np.testing.assert_allclose(requested, expected, rtol=0.1)


def forecasts_of(
    *members: Member, origins: Any = ORIGINS, transform: Transform = PLAIN, **rules: Any
) -> WindowForecast:
    """Forecasts of two series of one target."""
    data = windows()
    mask = np.ones((80, 1), dtype=np.bool_)
    panel = SimpleNamespace(n_series=2, offsets=np.array([0, 30, 80]), observed_mask=mask)
    cleaned = cast("Any", SimpleNamespace(panel=panel, target_mask=mask))
    postprocessing = Postprocessing(REQUESTED, transform, **{"bounds": FREE, **rules})
    return forecast(
        members, cleaned, np.asarray(origins), postprocessing=postprocessing, windows=data
    )


def quantiles_of(member: Member, levels: tuple[float, ...]) -> Floats:
    """`[S, H, Q]` of a network, in transformed units."""
    found = inference.predict_quantiles(
        member.net,
        windows(),
        np.arange(2),
        ORIGINS,
        steps=4,
        levels=levels,
        residuals=member.residuals,
    )
    return found[:, :, 0]


def test_a_forecast_is_the_median_and_the_requested_quantiles() -> None:
    member = Member(net().eval())
    found = forecasts_of(member)
    expected = quantiles_of(member, (0.1, 0.5, 0.9))
    np.testing.assert_allclose(found.yhat[..., 0], expected[..., 1], rtol=1e-12)
    np.testing.assert_allclose(found.quantiles[:, :, 0], expected[..., [0, 2]], rtol=1e-12)


def test_a_series_without_history_has_no_forecast() -> None:
    found = forecasts_of(Member(net().eval()), origins=[-1, 50])
    assert np.isnan(found.yhat[0]).all()
    assert np.isnan(found.quantiles[0]).all()
    assert np.isfinite(found.yhat[1]).all()
    nothing = forecasts_of(Member(net().eval()), origins=[0, 0])
    assert np.isnan(nothing.yhat).all()


def test_intervals_are_calibrated_in_original_units() -> None:
    member = Member(net().eval())
    calibration = ConformalIntervals((0.1, 0.5, 0.9), 4, (((2.0, 1.0, 0.5),),))
    found = forecasts_of(member, transform=LOG, calibration=calibration)
    low, median, high = np.exp(np.moveaxis(quantiles_of(member, (0.1, 0.5, 0.9)), -1, 0))
    np.testing.assert_allclose(found.yhat[..., 0], median, rtol=1e-9)
    expected = np.array([median + 2 * (low - median), median + (high - median) / 2])
    np.testing.assert_allclose(found.quantiles[:, :, 0], np.moveaxis(expected, 0, -1), rtol=1e-9)


def test_a_mean_forecast_is_the_mean_of_equally_likely_original_values() -> None:
    levels = QuantileLevels.for_loss(REQUESTED, "mse")
    spread = np.sort(np.random.default_rng(0).normal(size=(4, len(levels.computed))), -1)
    spread -= spread[:, levels.median_index, None]
    member = Member(net(loss="mse").eval(), spread)
    found = forecasts_of(member, transform=LOG)
    values = quantiles_of(member, levels.computed)
    equally_likely = values[..., [levels.computed.index(level) for level in MEAN_LEVELS]]
    np.testing.assert_allclose(found.yhat[..., 0], np.exp(equally_likely).mean(-1), rtol=1e-9)
    requested = values[..., [levels.computed.index(level) for level in REQUESTED]]
    np.testing.assert_allclose(found.quantiles[:, :, 0], np.exp(requested), rtol=1e-9)


def test_members_are_combined_in_original_units_and_kept_within_bounds() -> None:
    members = [Member(net(seed=seed).eval()) for seed in (1, 2)]
    rules = {"transform": LOG, "combiner": ForecastCombiner("mean")}
    single = [forecasts_of(member, transform=LOG) for member in members]
    found = forecasts_of(*members, **rules)
    np.testing.assert_allclose(found.yhat, (single[0].yhat + single[1].yhat) / 2, rtol=1e-12)
    whole = forecasts_of(*members, **rules, bounds=Bounds((True,), (True,)))
    np.testing.assert_array_equal(whole.yhat, np.round(found.yhat))


def test_items_are_named_by_their_keys_and_target() -> None:
    keys = pd.DataFrame({"shop": ["a,b", "a"], "sku": [1, 2]})
    panel = cast("Any", SimpleNamespace(keys=keys, target_names=("y", "z")))
    assert item_names(panel) == [
        '["a,b", "1", "y"]', '["a,b", "1", "z"]', '["a", "2", "y"]', '["a", "2", "z"]',
    ]  # fmt: skip


def test_new_items_come_after_the_known_ones() -> None:
    assert forecasting._positions(["b", "new", "a"], ["a", "b"]).tolist() == [1, 2, 0]
