"""Theta base forecast against statsmodels, and its invariances."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.models.base_forecast.base_forecast import initial_weights
from rnnforecast.models.base_forecast.theta import ALPHAS, ThetaForecast
from rnnforecast.registry import BASE_FORECASTS
from tests.training.fits import net

L, H = 48, 6


def forecast(values: np.ndarray, season: int, mask: np.ndarray | None = None) -> np.ndarray:
    """Of windows `[B, L]`, `[B, H]`."""
    seen = np.ones_like(values) if mask is None else mask
    theta = ThetaForecast(values.shape[1], H, season)
    found = theta(torch.from_numpy(values)[..., None], torch.from_numpy(seen)[..., None])
    return found[..., 0].numpy()


def walk(seed: int, drift: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(drift, 1.0, L)) + rng.normal(0, 1.0, L)


def textbook(y: np.ndarray) -> np.ndarray:
    """Hyndman & Billah (2003), equation 7, by statsmodels' smoothing and numpy's straight line."""
    holtwinters = pytest.importorskip("statsmodels.tsa.holtwinters")
    best, least = None, np.inf
    for alpha in ALPHAS:
        model = holtwinters.SimpleExpSmoothing(y, initialization_method="known", initial_level=y[0])
        found = model.fit(smoothing_level=alpha, optimized=False)
        if found.sse < least:
            best, least = (alpha, found.forecast(1)[0]), found.sse
    assert best is not None
    alpha, level = best
    slope = np.polyfit(np.arange(len(y)), y, 1)[0]
    lag = (1 - (1 - alpha) ** len(y)) / alpha
    return level + slope / 2 * (np.arange(H) + lag)


@pytest.mark.parametrize("seed", range(8))
def test_without_a_season_it_is_the_textbook_forecast(seed: int) -> None:
    y = walk(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = textbook(y)
    # the first level is an average here and the first value there: of 48 steps little is left
    np.testing.assert_allclose(forecast(y[None], 1)[0], expected, atol=0.25)


def test_a_linear_trend_with_a_season_continues_with_half_its_slope() -> None:
    season = np.array([5.0, -2, 1, -4])
    y = np.tile(season, L // 4) + 0.5 * np.arange(L)
    found = forecast(y[None], 4)[0]
    # alpha 1: the last value without its season, and half the slope from there, one step late
    line = 0.5 * (L - 1) + 0.25 * (np.arange(H) + 1)
    np.testing.assert_allclose(found, line + season[(L + np.arange(H)) % 4], atol=0.15)


def test_the_level_follows_a_random_walk_and_averages_noise() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 1, (300, L))
    walks = np.cumsum(rng.normal(0, 1, (300, L)), 1)
    still = forecast(noise, 1)[:, 0]
    assert np.abs(still - noise.mean(1)).mean() < 0.4 * np.abs(noise[:, -1] - noise.mean(1)).mean()
    slope = np.array([np.polyfit(np.arange(L), walk, 1)[0] for walk in walks])
    follows = forecast(walks, 1)[:, 0] - slope / 2  # alpha 1: the last value, half a slope on
    assert np.abs(follows - walks[:, -1]).mean() < 0.25


def test_noise_is_not_taken_for_a_season() -> None:
    rng = np.random.default_rng(3)
    y = rng.normal(0, 1, (200, L))
    spread = forecast(y, 12).std(1).mean()  # between the steps of a forecast
    wave = 3 * np.sin(np.arange(L + H) * 2 * np.pi / 12)
    kept = forecast(y + wave[:L], 12).std(1).mean()
    assert spread < 0.35
    assert kept == pytest.approx(wave[L:].std(), rel=0.1)


@given(
    seed=st.integers(0, 99),
    before=st.integers(0, L - 2),
    season=st.sampled_from([1, 4, 12, 40]),
    shift=st.floats(-50, 50),
    scale=st.floats(0.1, 10),
)
def test_masked_values_are_not_read_and_the_forecast_is_equivariant_to_units(
    seed: int, before: int, season: int, shift: float, scale: float
) -> None:
    y, mask = walk(seed)[None].copy(), np.ones((1, L))
    mask[:, :before] = 0
    one, other = np.where(mask > 0, y, 0.0), np.where(mask > 0, y, 1e3)
    found = forecast(one, season, mask)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(forecast(other * mask, season, mask), found)
    moved = forecast(np.where(mask > 0, shift + scale * y, 0.0), season, mask)
    np.testing.assert_allclose(moved, shift + scale * found, rtol=1e-3, atol=1e-3 * scale + 5e-3)


def test_windows_and_targets_are_independent() -> None:
    values = torch.from_numpy(np.stack([walk(1), walk(2), walk(3), walk(4)]).reshape(2, 2, L))
    values = values.transpose(1, 2)  # [B, L, C]
    theta, mask = ThetaForecast(L, H, 12), torch.ones(2, L, 2)
    whole = theta(values, mask)
    assert whole.shape == (2, H, 2)
    for window in range(2):
        for target in range(2):
            some = slice(window, window + 1), slice(None), slice(target, target + 1)
            torch.testing.assert_close(theta(values[some], mask[some]), whole[some])


def test_theta_stores_its_linear_map_alone_which_starts_at_zero() -> None:
    a = net(base_forecast="theta").config
    first = BASE_FORECASTS.load("theta").build(a)
    assert set(first.state_dict()) == {"linear.weight", "linear.bias"}
    assert not any(weight.any() for weight in first.parameters())
    assert list(initial_weights(a)) == ["theta"]


def test_the_seasonal_mean_is_the_mean_of_all_complete_seasons() -> None:
    a = net(base_forecast="linear").config
    z = np.random.default_rng(0).normal(size=a.lookback)
    season, whole = a.season, a.lookback // a.season
    expected = z[-whole * season :].reshape(whole, season).mean(0)
    found = initial_weights(a)["seasonal mean"].double().numpy() @ z
    np.testing.assert_allclose(found, np.resize(expected, a.horizon), atol=1e-6)
