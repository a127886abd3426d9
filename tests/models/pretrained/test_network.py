"""The pretrained network: quantiles in order, series on their own, and its loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rnnforecast.models.pretrained.context import PATCH_LENGTH
from rnnforecast.models.pretrained.network import LEVELS, NetworkConfig, PretrainedNetwork
from rnnforecast.models.pretrained.patches import FORECAST_MASKS, FUTURE_FEATURES, SIMPLE_FORECASTS
from tests.models.pretrained.contexts import context_of, noisy_season, small_network

SERIES = (noisy_season(60, 7.0), noisy_season(33, 12.0, seed=1), noisy_season(64, 1e9, seed=2))


@pytest.fixture(scope="module")
def net() -> PretrainedNetwork:
    return small_network()


@torch.no_grad()
def quantiles(net: PretrainedNetwork, *series: object, patches: int = 2) -> Tensor:
    """Quantiles of normalized values `[B, H, Q]`."""
    found: Tensor = net(context_of(*series), patches)  # type: ignore[arg-type]
    return found


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), size=st.floats(0.01, 3.0))
def test_quantiles_never_cross_whatever_the_weights(seed: int, size: float) -> None:
    net = small_network(seed)
    for weight in net.parameters():
        weight.data *= 10 * size
    found = quantiles(net, *SERIES)
    assert found.shape == (len(SERIES), 2 * PATCH_LENGTH, len(LEVELS))
    assert found.isfinite().all()
    assert (found.diff(dim=-1) >= 0).all()


def test_a_shorter_forecast_is_the_beginning_of_a_longer_one(net: PretrainedNetwork) -> None:
    short, long = quantiles(net, *SERIES, patches=1), quantiles(net, *SERIES, patches=5)
    torch.testing.assert_close(short, long[:, :PATCH_LENGTH], rtol=1e-5, atol=1e-5)


def test_the_forecasts_of_series_are_in_their_order_and_their_own(net: PretrainedNetwork) -> None:
    found = quantiles(net, *SERIES)
    torch.testing.assert_close(quantiles(net, *SERIES[::-1]), found.flip(0))
    torch.testing.assert_close(quantiles(net, SERIES[2]), found[2:])


@settings(max_examples=8)
@given(factor=st.floats(1e-6, 1e6))
def test_the_unit_of_a_series_does_not_matter(net: PretrainedNetwork, factor: float) -> None:
    first, found = (quantiles(net, each) for each in (SERIES[0] + 3, factor * (SERIES[0] + 3)))
    torch.testing.assert_close(found, first, rtol=1e-4, atol=1e-4)


def test_the_offset_of_a_series_that_is_far_from_zero_matters_little(
    net: PretrainedNetwork,
) -> None:
    first, found = (quantiles(net, SERIES[0] + offset) for offset in (1e3, 3e3))
    torch.testing.assert_close(found, first, rtol=0, atol=0.02)


def test_near_zero_the_network_sees_where_it_lies(net: PretrainedNetwork) -> None:
    assert not torch.allclose(quantiles(net, SERIES[0] + 3), quantiles(net, SERIES[0]), atol=1e-4)


def test_before_a_pretraining_the_median_is_the_mean_of_the_simple_forecasts() -> None:
    fresh = PretrainedNetwork(NetworkConfig(hidden_size=8, n_layers=1)).eval()
    series = [1.0, 2.0, 3.0, 4.0] * 12
    median = quantiles(fresh, series, patches=1)[0, :, LEVELS.index(0.5)]
    assert median.view(4, 4).diff(dim=1).min() > 0  # the season goes on
    season = torch.asinh((torch.tensor(series[:4]) - 2.5) / np.std(series))
    assert (median.view(4, 4) - season).abs().max() < 0.7


def test_a_forecast_that_is_not_known_has_no_weight(net: PretrainedNetwork) -> None:
    random = torch.Generator().manual_seed(0)
    steps = torch.randn(1, 1, PATCH_LENGTH, len(FUTURE_FEATURES), generator=random)
    encoded = torch.randn(1, 1, 8, generator=random)
    steps[..., list(FORECAST_MASKS.values())] = 0
    first = net._weighed_forecasts(encoded, steps)
    steps[..., list(FORECAST_MASKS)] += 100
    torch.testing.assert_close(net._weighed_forecasts(encoded, steps), first, atol=1e-3, rtol=0)
    known = [place for place in SIMPLE_FORECASTS if place not in FORECAST_MASKS]
    steps[..., known] += 1
    torch.testing.assert_close(net._weighed_forecasts(encoded, steps), first + 1, atol=1e-3, rtol=0)
