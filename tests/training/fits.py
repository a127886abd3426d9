"""Small fits for tests: a net, windows of two noisy waves, and fits that go on from a state."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.training.dataset import Batch, PanelArrays, WindowDataset, WindowSampler
from rnnforecast.training.fit_state import FitState
from rnnforecast.training.trainer import Trainer, TrainerConfig

RECIPE = TrainerConfig(
    max_steps=60,
    learning_rate=0.01,
    schedule="one_cycle",
    weight_decay=0.01,
    clip_norm=1.0,
    clip_value=1.0,
    patience=100,
)

CPU = torch.device("cpu")
Draw = Callable[[int], Batch]
Weights = dict[str, Tensor]


def net(*, seed: int = 1, dropout: float = 0.3, **changes: Any) -> Forecaster:
    """A small net of two layers, lookback 8, horizon 4."""
    torch.manual_seed(seed)
    given: dict[str, Any] = {
        "lookback": 8,
        "horizon": 4,
        "patch_length": 4,
        "season": 4,
        "backbone": BackboneConfig("gru", n_layers=2, dropout=dropout),
        "hidden_size": 6,
        "dropout": dropout,
        "decoder": "direct",
        "normalize": "standard",
        "base_forecast": "linear",
        "loss": "quantile",
        "levels": (0.1, 0.5, 0.9),
    }
    return Forecaster(ForecasterConfig(**{**given, **changes}))


def windows() -> WindowDataset:
    """Two noisy waves with gaps."""
    rng = np.random.default_rng(0)
    values = 5 + np.sin(np.arange(80) * np.pi / 2) + rng.normal(0, 0.1, 80)
    seen = rng.random(80) < 0.9
    tables = PanelArrays(
        inputs=values[:, None],
        value_mask=seen[:, None],
        input_mask=seen[:, None],
        target_mask=seen[:, None],
        offsets=np.array([0, 30, 80]),
    )
    return WindowDataset(
        tables,
        lookback=8,
        horizon=4,
        device=CPU,
    )


def drawing(seed: int = 1) -> Draw:
    cut = windows()
    sampler = WindowSampler(
        first_origin=np.array([4, 4]),
        last_origin=np.array([20, 40]),
        target_end=np.array([22, 42]),
        item_weight=np.ones(2),
        batch_size=4,
        seed=seed,
        device=CPU,
    )
    return lambda step: cut.gather(*sampler.sample(step))


def validating(found: Forecaster) -> Callable[[], float]:
    origin = torch.arange(42, 46)
    batch = windows().gather(torch.ones_like(origin), origin, origin + 4)
    return lambda: float(found.loss(batch.history, batch.targets, batch.weight))


def fitter(found: Forecaster, recipe: TrainerConfig = RECIPE, **changes: Any) -> Trainer:
    given = {"get_batch": drawing(), "compute_validation_loss": validating(found)}
    return Trainer(found, recipe, **{**given, **changes})


def weights_of(found: Forecaster) -> Weights:
    return {name: value.detach().clone() for name, value in found.state_dict().items()}


def same(left: Weights, right: Weights) -> bool:
    """Equal to the last bit."""
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def keeping(states: list[FitState]) -> Callable[[FitState], None]:
    return lambda state: states.append(copy.deepcopy(state))


def resumed(state: FitState, recipe: TrainerConfig, **changes: Any) -> tuple[FitState, Weights]:
    """The fit that goes on from `state` in a fresh net, among random numbers of its own."""
    found = net(seed=88)
    torch.manual_seed(12345)
    going_on = fitter(found, recipe, state=state, **changes)
    return going_on.fit(), weights_of(found)


def assert_same_fit(left: FitState, right: FitState) -> None:
    for name, value in vars(left).items():
        other = getattr(right, name)
        if isinstance(value, dict):
            assert same(value, other), name
        else:  # repr: a validation that did not take place is NaN
            assert repr(other) == repr(value), name
