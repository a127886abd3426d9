"""Point losses against calculations by hand and the metrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnforecast.evaluation import metrics
from rnnforecast.models.heads.head import build_head
from rnnforecast.models.scaling.window_scaler import ScaleStats, WindowScaler
from tests.models.heads.cells import IDENTITY, LEVELS, cell, identity_scaler


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mae", (0.5 + 3.0) / 2),
        ("mse", (0.25 + 9.0) / 2),
        ("rmse", math.sqrt((0.25 + 9.0) / 2)),
        ("huber", (0.5 * 0.25 + (3.0 - 0.5)) / 2),  # Huber 1964 with delta 1
        ("smape", (2 * 0.5 / 2.5 + 2 * 3.0 / 3.0) / 2),
    ],
)
def test_point_losses_agree_with_a_calculation_by_hand(loss: str, expected: float) -> None:
    raw, target = torch.tensor([[[[1.0]], [[2.0]]]]), torch.tensor([[[1.5], [-1.0]]])
    assert build_head(loss, ()).loss(
        raw, target, torch.ones(1, 2, 1), IDENTITY
    ).item() == pytest.approx(expected)


def test_a_point_forecast_is_every_quantile_and_sample() -> None:
    raw = torch.ones(2, 3, 1, 1)
    assert torch.equal(build_head("mse", ()).quantiles(raw, identity_scaler(2), LEVELS), raw)
    assert torch.equal(build_head("mse", ()).sample(raw, identity_scaler(2)), raw[..., 0])


def test_rmse_is_taken_over_each_window_and_has_a_zero_gradient_at_zero() -> None:
    raw = torch.tensor([[3.0, 4.0, 9.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])[..., None, None]
    raw.requires_grad_()
    weight = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])[..., None]
    loss = build_head("rmse", ()).loss(raw, torch.zeros(3, 3, 1), weight, identity_scaler(3))
    assert loss.item() == pytest.approx((math.sqrt(12.5) + 0) / 2)
    (gradient,) = torch.autograd.grad(loss, raw)
    assert gradient.isfinite().all()
    assert (gradient[1:] == 0).all()


def scaled(windows: int, channels: int, seed: int = 0) -> WindowScaler:
    """A scaler of windows with random centers, scales and seasonal changes."""
    rng = np.random.default_rng(seed)
    center, scale, mase_scale = rng.uniform(1, 9, (3, windows, 1, channels))
    scale_stats = ScaleStats(torch.from_numpy(center), torch.from_numpy(scale))
    return WindowScaler(scale_stats, torch.tensor(0.3), torch.from_numpy(mase_scale))


def test_smape_and_mase_agree_with_the_metrics() -> None:
    rng = np.random.default_rng(2)
    scaler, raw = scaled(5, 2), torch.from_numpy(rng.normal(0, 3, (5, 4, 2, 1))).float()
    future = rng.normal(3, 5, (5, 4, 2))
    future[0, :2] = np.nan
    weight = torch.from_numpy(~np.isnan(future)).float()
    point = scaler.denormalize(raw[..., 0]).numpy()
    assert scaler.mase_scale is not None
    by_series = metrics.metrics_by_series(future, point, scaler.mase_scale[:, 0].numpy())
    expected = {"smape": by_series["smape"] / 100, "mase": by_series["mase"]}
    known = torch.from_numpy(future).nan_to_num(7.0)
    for loss, series in expected.items():
        for window in range(5):
            part = slice(window, window + 1)
            found = build_head(loss, ()).loss(
                raw[part], known[part], weight[part], scaler.select_windows(part)
            )
            assert found.item() == pytest.approx(series[window].mean(), rel=1e-5)


def test_smape_of_two_zeros_is_zero_and_has_a_finite_gradient() -> None:
    raw = torch.zeros(1, 1, 1, 1, requires_grad=True)
    loss = build_head("smape", ()).loss(raw, torch.zeros(1, 1, 1), torch.ones(1, 1, 1), IDENTITY)
    assert loss.item() == 0
    assert torch.autograd.grad(loss, raw)[0].isfinite().all()


@pytest.mark.parametrize("mase_scale", [None, torch.zeros(1, 1, 1)])
def test_mase_without_a_seasonal_change_divides_by_the_scale(mase_scale: Tensor | None) -> None:
    scaler = WindowScaler(
        ScaleStats(torch.zeros(1, 1, 1), torch.full((1, 1, 1), 4.0)), torch.ones(()), mase_scale
    )
    loss = build_head("mase", ()).loss(
        cell(1.0), torch.full((1, 1, 1), 6.0), torch.ones(1, 1, 1), scaler
    )
    assert loss.item() == pytest.approx(0.5)
