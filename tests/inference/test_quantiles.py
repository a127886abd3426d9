"""Quantiles beyond the trained horizon, errors and losses of windows, as calculated by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnforecast.inference import quantiles as inference
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.scaling.window_scaler import ScaleStats
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.training.loss_weights import EQUAL_WEIGHTS
from tests.training.fits import CPU, net, panel_arrays

LEVELS = (0.1, 0.5, 0.9)


@dataclass
class LastValueNetwork:
    """Forecasts the last value for two steps, with normalized quantiles of -1, 0 and 2."""

    is_log: bool = False
    scale: float = 10.0
    histories: list[Tensor] = field(default_factory=list)

    def forecast(self, inputs: ModelInputs, levels: Sequence[float]) -> tuple[Tensor, ScaleStats]:
        assert tuple(levels) == LEVELS
        self.histories.append(inputs.values)
        last = inputs.values[:, -1:]
        scale = last if self.is_log else torch.full_like(last, self.scale)
        stats = ScaleStats(torch.zeros_like(last) if self.is_log else last, scale, self.is_log)
        z = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
        return z.expand(len(last), 2, 1, 3), stats


def history(*values: float) -> ModelInputs:
    """One window of one target."""
    column = torch.tensor(values, dtype=torch.float64)[None, :, None]
    mask = torch.ones_like(column, dtype=torch.bool)
    return ModelInputs(column, mask, mask)


def in_blocks(network: LastValueNetwork, steps: int, residuals: Tensor | None = None) -> Any:
    forecaster = cast("Forecaster", network)
    found = inference.quantiles_in_blocks(
        forecaster, history(1.0, 2.0, 5.0), steps, LEVELS, residuals
    )
    return found[0, :, 0].numpy()


def test_squared_spreads_of_blocks_add_up_beyond_the_horizon() -> None:
    network = LastValueNetwork()
    root = np.sqrt(np.array([1, 1, 2, 2, 3]))
    expected = 5 + np.stack([-10 * root, 0 * root, 20 * root], -1)
    np.testing.assert_allclose(in_blocks(network, 5), expected, rtol=1e-12)
    assert len(network.histories) == 3


def test_spreads_of_log_ratios_add_up_in_logarithms() -> None:
    root = np.sqrt(np.array([1, 1, 2]))
    expected = 5 * np.exp(np.stack([-root, 0 * root, 2 * root], -1))
    np.testing.assert_allclose(in_blocks(LastValueNetwork(is_log=True), 3), expected, rtol=1e-12)


def test_the_median_of_a_block_is_the_history_of_the_next() -> None:
    network = LastValueNetwork()
    residuals = torch.tensor([[-1.0, 0.1, 1.0], [-1.0, 0.2, 1.0]], dtype=torch.float64)
    found = in_blocks(network, 3, residuals)
    np.testing.assert_allclose(found[:, 1], [6.0, 7.0, 8.0], rtol=1e-12)
    assert network.histories[1][0, :, 0].tolist() == [5.0, 6.0, 7.0]
    np.testing.assert_allclose(found[0], [5 - 20, 6, 5 + 30], rtol=1e-12)
    # the spread at the end of the first block is 10 * (2 + 0.2), that of the third step 10 * 2.1
    assert found[2, 0] == pytest.approx(8 - np.hypot(22.0, 21.0))


VALUES = np.array([3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3])


def dataset() -> WindowDataset:
    """One series of 16 steps of which the 13th was not observed."""
    observed = np.arange(16) != 12
    arrays = panel_arrays(VALUES[:, None], observed[:, None], np.array([0, 16]))
    return WindowDataset(arrays, lookback=8, horizon=4, device=CPU)


ITEM, ORIGIN = np.array([0, 0]), np.array([8, 11])


def test_actual_values_are_those_after_the_origin_and_missing_where_unobserved() -> None:
    actual, mean_abs = inference.actuals_and_mean_abs(dataset(), ITEM, ORIGIN)
    np.testing.assert_array_equal(actual[..., 0], [[5, 3, 5, 8], [8, np.nan, 7, 9]])
    np.testing.assert_allclose(mean_abs, [VALUES[:8].mean(), VALUES[3:11].mean()], rtol=1e-12)


def test_normalized_errors_are_in_the_scale_of_each_window() -> None:
    model = net(loss="mae", normalize="standard").eval()
    errors = inference.normalized_errors(model, dataset(), ITEM, ORIGIN)
    assert np.isnan(errors[1, 1, 0])
    for number, origin in enumerate(ORIGIN):
        forecast = inference.predict_quantiles(
            model, dataset(), ITEM[:1], np.array([origin]), steps=4, levels=(0.5,)
        )[0, :, 0, 0]
        window = VALUES[origin - 8 : origin]
        expected = (VALUES[origin : origin + 4] - forecast) / window.std()
        known = ~np.isnan(errors[number, :, 0])
        np.testing.assert_allclose(errors[number, known, 0], expected[known], rtol=1e-5, atol=1e-7)


def test_the_mean_loss_of_several_windows_is_weighted_by_observed_steps() -> None:
    model = net().eval()
    single = [
        inference.mean_loss(model, dataset(), ITEM[:1], np.array([origin])) for origin in ORIGIN
    ]
    quantiles = inference.predict_quantiles(
        model, dataset(), ITEM[:1], ORIGIN[:1], steps=4, levels=LEVELS
    )[0, :, 0]
    error = (VALUES[8:12, None] - quantiles) / VALUES[:8].std() / float(model.global_scale)
    pinball = np.maximum(np.array(LEVELS) * error, (np.array(LEVELS) - 1) * error)
    assert single[0] == pytest.approx(2 * pinball.mean(), rel=1e-5)
    together = inference.mean_loss(model, dataset(), ITEM, ORIGIN, EQUAL_WEIGHTS)
    assert together == pytest.approx((4 * single[0] + 3 * single[1]) / 7, rel=1e-5)


def test_sampled_quantiles_are_reproducible_and_leave_the_generator_alone() -> None:
    model = net(decoder="recursive", loss="normal").eval()
    torch.manual_seed(7)
    expected = torch.rand(())
    torch.manual_seed(7)
    first, second = (
        inference.predict_quantiles(model, dataset(), ITEM, ORIGIN, steps=4, levels=LEVELS)
        for _ in range(2)
    )
    assert torch.rand(()) == expected
    assert first.tobytes() == second.tobytes()
    assert (np.diff(first, axis=-1) > 0).all()
