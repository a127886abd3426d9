"""The forecast of a window is the same to the last bit, whatever the other windows are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnforecast.inference.quantiles import FORECAST_BATCH_SIZES, predict_quantiles
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.layers.covariates import CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.registry import BACKBONES, BASE_FORECASTS, DECODERS, LOSSES, WINDOW_SCALERS
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.types import Floats, Ints
from tests.training.fits import CPU, net, panel_arrays

N_WINDOWS = FORECAST_BATCH_SIZES["cpu"] + 40
"""More than are forecast at once."""

STEPS = 30
LEVELS = (0.1, 0.5, 0.9)


def dataset(lookback: int = 8) -> WindowDataset:
    """As many series of positive numbers of different sizes."""
    rng = np.random.default_rng(0)
    values = rng.gamma(5, np.repeat(10.0 ** rng.uniform(-1, 3, N_WINDOWS), STEPS))
    observed = rng.random(len(values)) < 0.9
    arrays = panel_arrays(
        values[:, None],
        observed[:, None],
        np.arange(N_WINDOWS + 1) * STEPS,
        include_elapsed=True,
        include_past_target_mask=True,
        item_index=np.arange(N_WINDOWS) % 4,
        phase=np.zeros(N_WINDOWS, dtype=np.int64),
    )
    return WindowDataset(arrays, lookback=lookback, horizon=4, device=CPU)


DATASET = dataset()


def network(**changes: Any) -> Forecaster:
    """A network whose weights are random in all parts, as after a training."""
    backbone = changes.pop("backbone", "gru")
    if "gaps" in BACKBONES.traits(backbone):
        changes["covariates"] = CovariateSizes(elapsed=True)
    if "learned" in WINDOW_SCALERS.traits(changes.get("normalize", "standard")):
        changes["n_items"] = 4
    found = net(backbone=BackboneConfig(backbone, n_layers=1), **changes)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in found.parameters():
            weight.add_(0.2 * torch.randn(weight.shape, generator=generator))
    return found.eval()


def forecast(found: Forecaster, item: Ints) -> Floats:
    """The quantiles of the windows at the end of series, beyond the trained horizon."""
    origin, errors = np.full(len(item), STEPS), np.repeat([[-0.3, 0.0, 0.4]], 4, 0)
    residuals = None if found.head.can_sample else errors
    return predict_quantiles(
        found, DATASET, item, origin, steps=6, levels=LEVELS, residuals=residuals
    )


CASES = [
    *({"backbone": name} for name in BACKBONES.names()),
    *({"backbone": name, "loss": "mae"} for name in BACKBONES.names()),
    *({"loss": name} for name in LOSSES.names()),
    *({"decoder": name} for name in DECODERS.names()),
    *({"decoder": "recursive", "loss": name} for name in LOSSES.names()),
    *({"normalize": name} for name in WINDOW_SCALERS.names()),
    *({"base_forecast": name} for name in BASE_FORECASTS.names()),
    *({"hidden_size": size} for size in (1, 7, 10)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_forecast_of_a_window_does_not_depend_on_the_others(case: dict[str, Any]) -> None:
    found = network(**case)
    n_windows = 30 if found.n_sample_paths > 1 else N_WINDOWS
    whole = forecast(found, np.arange(n_windows))
    assert np.isfinite(whole).all()
    order = np.random.default_rng(1).permutation(n_windows)
    for some in (order, order[:7], order[:1]):
        np.testing.assert_array_equal(forecast(found, some), whole[some])


QUICK = network()
WHOLE = forecast(QUICK, np.arange(N_WINDOWS))


@settings(max_examples=30)
@given(st.lists(st.integers(0, N_WINDOWS - 1), min_size=1, max_size=2 * N_WINDOWS))
def test_any_windows_in_any_order_have_their_own_forecasts(some: list[int]) -> None:
    np.testing.assert_array_equal(forecast(QUICK, np.array(some)), WHOLE[some])
