"""Training and forecasts of each backbone with each decoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rnnforecast.inference import quantiles as inference
from rnnforecast.models.layers.covariates import CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.registry import BACKBONES, DECODERS
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.training.trainer import Trainer
from tests.training.fits import CPU, config, net, panel_arrays, same, weights_of


def counts(*, elapsed: bool) -> WindowDataset:
    """Two short series of counts."""
    values = np.random.default_rng(0).poisson(6.0, (80, 1)).astype(np.float64)
    seen = np.ones((80, 1), dtype=np.bool_)
    offsets = np.array([0, 40, 80])
    arrays = panel_arrays(
        values, seen, offsets, include_elapsed=elapsed, include_past_target_mask=True
    )
    return WindowDataset(arrays, lookback=8, horizon=4, device=CPU)


ITEM, ORIGIN = np.array([0, 1, 1]), np.array([20, 25, 36])
LEVELS = (0.1, 0.5, 0.9)


@pytest.mark.parametrize("decoder", DECODERS.names())
@pytest.mark.parametrize("backbone", BACKBONES.names())
def test_every_pair_trains_and_forecasts(backbone: str, decoder: str) -> None:
    elapsed = "gaps" in BACKBONES.traits(backbone)
    data = counts(elapsed=elapsed)
    batch = data.gather(*map(torch.from_numpy, (ITEM, ORIGIN, ORIGIN + 4)))
    for loss in ("quantile", "mae", "normal", "poisson"):
        changes: dict[str, Any] = {
            "backbone": BackboneConfig(backbone),
            "covariates": CovariateSizes(elapsed=elapsed),
        }
        trained = net(decoder=decoder, normalize="mean", loss=loss, **changes)
        trained.initialize_scales(batch.history, batch.targets, batch.weight)
        before = weights_of(trained)
        recipe = config(max_steps=2, weight_decay=0.0)
        Trainer(trained, recipe, get_batch=lambda number: batch).fit()
        assert not same(before, weights_of(trained))
        residuals = None if trained.head.can_sample else np.array([[-1.0, 0.0, 1.0]] * 4)
        found = inference.predict_quantiles(
            trained, data, ITEM, ORIGIN, steps=4, levels=LEVELS, residuals=residuals
        )
        assert found.shape == (3, 4, 1, 3)
        assert np.isfinite(found).all()
        assert (np.diff(found, axis=-1) >= 0).all()
