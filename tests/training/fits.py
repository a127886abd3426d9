"""Small fits for tests: a network, windows of two noisy waves, and fits resumed from a state."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rnnforecast.data.cleaning.imputation import FilledValues
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.training.dataset import Batch, PanelArrays, WindowDataset
from rnnforecast.training.fit_state import FitState
from rnnforecast.training.sampler import WindowSampler
from rnnforecast.training.trainer import Trainer, TrainerConfig
from rnnforecast.types import Bools, Floats, Ints

CPU = torch.device("cpu")
GetBatch = Callable[[int], Batch]
Weights = dict[str, Tensor]


def config(**changes: Any) -> TrainerConfig:
    """A first fit of 60 steps that is not stopped early."""
    spec = {"max_steps": 60, "learning_rate": 0.01, "patience": 100}
    return TrainerConfig.first_fit(TrainingSpec(**{**spec, **changes}))


def short_config(**changes: Any) -> TrainerConfig:
    """A fit of 20 steps that keeps its last weights, unless `patience` is given."""
    return config(**{"max_steps": 20, "early_stopping": "patience" in changes, **changes})


def net(*, seed: int = 1, dropout: float = 0.3, **changes: Any) -> Forecaster:
    """A small network of two layers, lookback 8, horizon 4."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
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
    return Forecaster(ForecasterConfig(**{**settings, **changes}))


def panel_arrays(values: Floats, observed_mask: Bools, offsets: Ints, **more: Any) -> PanelArrays:
    """Arrays `[N, C]` in which a missing value is masked and nothing is filled."""
    filled = FilledValues(
        inputs=values,
        value_mask=observed_mask,
        input_mask=observed_mask,
        elapsed=np.zeros(values.shape, dtype=np.float32),
        causal_inputs=values,
        known_from=None,
    )
    return PanelArrays(filled, target_mask=observed_mask, offsets=offsets, **more)


def windows(device: torch.device = CPU) -> WindowDataset:
    """Two noisy waves with gaps."""
    rng = np.random.default_rng(0)
    values = 5 + np.sin(np.arange(80) * np.pi / 2) + rng.normal(0, 0.1, 80)
    observed = rng.random(80) < 0.9
    arrays = panel_arrays(values[:, None], observed[:, None], np.array([0, 30, 80]))
    return WindowDataset(arrays, lookback=8, horizon=4, device=device)


def make_get_batch(seed: int = 1, device: torch.device = CPU) -> GetBatch:
    """Random windows of the training part."""
    dataset = windows(device)
    sampler = WindowSampler(
        first_origin=np.array([4, 4]),
        last_origin=np.array([20, 40]),
        target_end=np.array([22, 42]),
        item_weight=np.ones(2),
        batch_size=4,
        seed=seed,
        device=device,
    )
    return lambda step: dataset.gather(*sampler.sample(step))


def make_validation_loss(model: Forecaster, device: torch.device = CPU) -> Callable[[], float]:
    """The loss of the network on later windows."""
    origin = torch.arange(42, 46, device=device)
    batch = windows(device).gather(torch.ones_like(origin), origin, origin + 4)
    return lambda: float(model.loss(batch.history, batch.targets, batch.weight))


def trainer(model: Forecaster, fit_config: TrainerConfig | None = None, **changes: Any) -> Trainer:
    """A fit of the network on random windows, with validation."""
    arguments = {
        "get_batch": make_get_batch(),
        "compute_validation_loss": make_validation_loss(model),
    }
    return Trainer(model, fit_config or config(), **{**arguments, **changes})


def weights_of(model: Forecaster) -> Weights:
    """A copy of all weights and buffers."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(left: Weights, right: Weights) -> bool:
    """Equal to the last bit."""
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def append_to(states: list[FitState]) -> Callable[[FitState], None]:
    """Saves copies of states in a list."""
    return lambda state: states.append(copy.deepcopy(state))


def resume(state: FitState, fit_config: TrainerConfig, **changes: Any) -> tuple[FitState, Weights]:
    """The fit that continues from `state` in a new network, after other random numbers."""
    model = net(seed=88)
    torch.manual_seed(12345)
    resumed = trainer(model, fit_config, state=state, **changes)
    return resumed.fit(), weights_of(model)


def assert_same_fit(left: FitState, right: FitState) -> None:
    """All fields equal to the last bit."""
    for name, value in vars(left).items():
        other = getattr(right, name)
        if isinstance(value, dict):
            assert same(value, other), name
        else:  # repr: the loss of a validation that did not take place is NaN
            assert repr(other) == repr(value), name


def assert_close(left: Weights, right: Weights, *, tolerance: float = 2e-5) -> None:
    """Equal but for rounding."""
    assert left.keys() == right.keys()
    for name, value in left.items():
        torch.testing.assert_close(value, right[name], rtol=tolerance, atol=tolerance)


def complete_batch(step: int) -> Batch:
    """Four windows without a gap."""
    rng = np.random.default_rng(step)
    values = torch.from_numpy(rng.normal(5, 1, (4, 12, 1)))
    mask = torch.ones(4, 8, 1, dtype=torch.bool)
    history = ModelInputs(values=values[:, :8], value_mask=mask, input_mask=mask)
    return Batch(history, values[:, 8:], torch.ones(4, 4, 1))
