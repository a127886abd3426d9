"""Window scalers against calculations by hand; inverses, masked steps and constant windows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rnnforecast.models.scaling.window_scaler import (
    MIN_RATIO,
    MIN_RELATIVE_SCALE,
    ScaleStats,
    WindowScaler,
)
from rnnforecast.registry import WINDOW_SCALERS

METHODS = [name for name in WINDOW_SCALERS.names() if "learned" not in WINDOW_SCALERS.traits(name)]
every_method = pytest.mark.parametrize("method", METHODS)


def column(*values: float) -> Tensor:
    """One window of one target, `[1, L, 1]`."""
    return torch.tensor(values, dtype=torch.float64)[None, :, None]


def level_of(
    method: str, history: Tensor, mask: Tensor | None = None, season: int = 2
) -> ScaleStats:
    seen = torch.ones_like(history, dtype=torch.bool) if mask is None else mask
    stats: ScaleStats = WINDOW_SCALERS.load(method).scale_stats(history, seen, season)
    return stats


HISTORY = column(1, 2, 3, 6)
EXPECTED: dict[str, list[float]] = {
    # the last season is 3, 6: level 4.5
    "log_mean": [math.log(y / 4.5) for y in (1, 2, 3, 6)],
    "mean": [y / 4.5 - 1 for y in (1, 2, 3, 6)],
    # mean 3, population variance (4 + 1 + 0 + 9) / 4
    "standard": [(y - 3) / math.sqrt(3.5) for y in (1, 2, 3, 6)],
    # numpy's linear interpolation: quartiles 1.75, 2.5, 3.75
    "robust": [(y - 2.5) / 2.0 for y in (1, 2, 3, 6)],
    # distances from 6: 5, 4, 3, 0
    "last": [(y - 6) / 3.0 for y in (1, 2, 3, 6)],
    "none": [1, 2, 3, 6],
}


def test_every_method_has_a_calculation_by_hand() -> None:
    assert sorted(EXPECTED) == sorted(METHODS)


@every_method
def test_the_numbers_are_those_of_a_calculation_by_hand(method: str) -> None:
    z = level_of(method, HISTORY).normalize_past(HISTORY)
    assert z.dtype == torch.float32
    np.testing.assert_allclose(z[0, :, 0].numpy(), EXPECTED[method], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("method", ["log_mean", "mean"])
def test_without_a_season_the_last_value_is_the_level(method: str) -> None:
    assert level_of(method, HISTORY, season=1).scale.item() == 6


@pytest.mark.parametrize("method", ["log_mean", "mean"])
def test_a_season_longer_than_the_lookback_is_the_lookback(method: str) -> None:
    assert level_of(method, HISTORY, season=24).scale.item() == 3


def test_robust_agrees_with_numpys_quartiles() -> None:
    values = np.random.default_rng(1).normal(5, 2, (4, 11, 2))
    level = level_of("robust", torch.from_numpy(values))
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=1, keepdims=True)
    np.testing.assert_allclose(level.center.numpy(), middle)
    np.testing.assert_allclose(level.scale.numpy(), high - low)


def test_the_logarithm_of_zero_is_that_of_the_smallest_ratio() -> None:
    history = column(0, 5, 5)
    z = level_of("log_mean", history).normalize_past(history)
    assert z[0, 0, 0].item() == pytest.approx(math.log(MIN_RATIO))


numbers = st.floats(1e-3, 1e6).map(lambda x: round(x, 6))
windows = st.lists(numbers, min_size=1, max_size=12)


@every_method
@settings(max_examples=40, deadline=None)
@given(history=windows, season=st.integers(1, 15), data=st.data())
def test_denormalize_is_the_inverse_of_normalize(
    method: str, history: list[float], season: int, data: st.DataObject
) -> None:
    seen = data.draw(
        st.lists(st.booleans(), min_size=len(history), max_size=len(history)), label="value_mask"
    )
    values = column(*history)
    level = level_of(method, values, torch.tensor(seen)[None, :, None], season)
    z = level.normalize_past(values)
    assert z.isfinite().all()
    if method == "log_mean":  # smaller ones are read as this share
        values = values.clamp_min(MIN_RATIO * level.scale.item())
    # z is float32: exact up to its rounding, which the scale turns into original units
    rounding = 2e-7 * (z.abs().double().max() + 1) * level.scale.max()
    if method == "log_mean":
        rounding = rounding * values.max() / level.scale.max()
    assert (level.denormalize(z) - values).abs().max() <= rounding * 4 + 1e-12


@every_method
def test_quantiles_are_denormalized_like_values(method: str) -> None:
    level = level_of(method, torch.cat([HISTORY, HISTORY * 7], 0))
    z = torch.randn(2, 3, 1, 5, generator=torch.Generator().manual_seed(0))
    found = level.denormalize(z)
    assert found.shape == (2, 3, 1, 5)
    for q in range(5):
        torch.testing.assert_close(found[..., q], level.denormalize(z[..., q]))


@every_method
def test_masked_steps_are_not_read(method: str) -> None:
    mask = torch.tensor([False, True, True, False, True])[None, :, None]
    first = level_of(method, column(9, 2, 3, 77, 6), mask, season=2)
    other = level_of(method, column(-5, 2, 3, 1e6, 6), mask, season=2)
    torch.testing.assert_close(first.center, other.center, rtol=0, atol=0)
    torch.testing.assert_close(first.scale, other.scale, rtol=0, atol=0)


@pytest.mark.parametrize("method", ["standard", "robust"])
def test_with_masked_steps_the_level_is_that_of_the_others(method: str) -> None:
    mask = torch.tensor([False, True, True, False, True])[None, :, None]
    found = level_of(method, column(9, 2, 3, 77, 6), mask)
    alone = level_of(method, column(2, 3, 6))
    torch.testing.assert_close(found.center, alone.center)
    torch.testing.assert_close(found.scale, alone.scale)


@every_method
@pytest.mark.parametrize("value", [0.0, 7.0, -7.0, 1e12])
def test_with_an_empty_mask_statistics_are_those_of_the_last_value(
    method: str, value: float
) -> None:
    history = column(value, value, value)
    level = level_of(method, history, torch.zeros_like(history, dtype=torch.bool))
    assert level.scale.item() > 0
    assert level.normalize_past(history).isfinite().all()
    if method in ("standard", "robust", "last"):
        assert level.center.item() == value


@every_method
@pytest.mark.parametrize("value", [0.0, 3.0, -3.0, 1e-9, 1e12])
def test_a_constant_window_is_finite_and_invertible(method: str, value: float) -> None:
    history = column(*[value] * 5)
    level = level_of(method, history)
    z = level.normalize_past(history)
    assert z.isfinite().all()
    if method in ("standard", "robust", "last"):
        assert (z == 0).all()
    if method != "log_mean" or value > 0:
        torch.testing.assert_close(level.denormalize(z), history, rtol=1e-6, atol=0)


@pytest.mark.parametrize("method", ["standard", "robust", "last"])
def test_a_change_after_a_constant_window_is_relative_to_its_size(method: str) -> None:
    level = level_of(method, column(3, 3, 3, 3))
    assert level.scale.item() == pytest.approx(3 * MIN_RELATIVE_SCALE)


@pytest.mark.parametrize("method", ["log_mean", "mean"])
def test_a_last_season_of_zeros_falls_back_to_the_whole_lookback(method: str) -> None:
    assert level_of(method, column(4, 8, 0, 0)).scale.item() == 3


@every_method
def test_windows_and_targets_have_statistics_of_their_own(method: str) -> None:
    values = torch.rand(3, 6, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    together = level_of(method, values)
    assert together.center.shape == together.scale.shape == (3, 1, 2)
    alone = level_of(method, values[1:2, :, 1:2])
    torch.testing.assert_close(together.scale[1:2, :, 1:2], alone.scale)
    torch.testing.assert_close(together.center[1:2, :, 1:2], alone.center)


@every_method
def test_the_future_never_enters_because_a_method_is_given_the_history_alone(method: str) -> None:
    history, future = HISTORY, column(1e9, -1e9)
    whole = torch.cat([history, future], 1)
    level = level_of(method, whole[:, :4])
    whole[:, 4:] = 0.0  # the level is a copy: what happens later does not reach it
    torch.testing.assert_close(
        level.normalize_past(whole[:, :4]), level_of(method, history).normalize_past(history)
    )


@every_method
def test_large_values_keep_their_last_digits(method: str) -> None:
    history = column(1e9, 1e9 + 1, 1e9 + 2, 1e9 + 3)
    level = level_of(method, history)
    z = level.normalize_past(history)
    assert level.scale.dtype == torch.float64
    if method in ("standard", "robust", "last"):  # 1e9 is no float32 apart from 1e9 + 1
        assert len(set(z.flatten().tolist())) == 4


def random_scaler(windows: int, channels: int) -> WindowScaler:
    """A scaler of windows with random centers, scales and seasonal changes."""
    rng = np.random.default_rng(0)
    center, scale, mase_scale = rng.uniform(1, 9, (3, windows, 1, channels))
    stats = ScaleStats(torch.from_numpy(center), torch.from_numpy(scale))
    return WindowScaler(stats, torch.tensor(0.3), torch.from_numpy(mase_scale))


def test_a_window_scaler_maps_to_original_units_and_back() -> None:
    scaler = random_scaler(3, 2)
    z = torch.randn(3, 4, 2, 5)
    torch.testing.assert_close(scaler.normalize_future(scaler.denormalize(z)), z)
    torch.testing.assert_close(scaler.normalize_future(scaler.denormalize(z[..., 0])), z[..., 0])
    base = torch.randn(3, 4, 2, dtype=torch.float64)
    center, scale = scaler.stats.center, scaler.stats.scale
    for stats in (
        ScaleStats(center, scale, is_log=True, future_seasonal_factors=base.exp()),
        ScaleStats(center, scale, difference_base=base),
    ):
        scaler = WindowScaler(stats, torch.tensor(0.3))
        torch.testing.assert_close(scaler.normalize_future(scaler.denormalize(z)), z)


def test_selected_and_repeated_windows_keep_their_scales() -> None:
    scaler, z = random_scaler(3, 2), torch.randn(3, 4, 2)
    values = scaler.denormalize(z)
    assert torch.equal(scaler.select_windows(slice(1, 3)).denormalize(z[1:]), values[1:])
    assert torch.equal(scaler.select_steps(slice(2, 4)).denormalize(z[:, 2:]), values[:, 2:])
    twice = scaler.repeat_windows(2)
    repeated = values.repeat_interleave(2, 0)
    assert torch.equal(twice.denormalize(z.repeat_interleave(2, 0)), repeated)
    assert twice.mase_scale is not None
    assert twice.mase_scale.shape == (6, 1, 2)
