"""Short trainings of networks on two devices, for `gpu.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from rnnforecast.data.cleaning.imputation import impute
from rnnforecast.inference.quantiles import predict_quantiles
from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.forecaster import Forecaster
from rnnforecast.models.layers.covariates import CovariateSizes
from rnnforecast.models.layers.stack import BackboneConfig
from rnnforecast.registry import BACKBONES, DECODERS, LOSSES
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.training.dataset import Batch, PanelArrays, WindowDataset
from rnnforecast.training.ridge import FOLD_COUNT, fit_base_forecast
from rnnforecast.training.sampler import WindowSampler
from rnnforecast.training.trainer import Trainer, TrainerConfig
from rnnforecast.types import Floats

CPU = torch.device("cpu")
N_SERIES = 20


@dataclass(frozen=True)
class Case:
    """A network to train: its components and sizes."""

    backbone: str = "gru"
    decoder: str = "direct"
    loss: str = "quantile"
    hidden_size: int = 16
    lookback: int = 24
    horizon: int = 8
    patch_length: int = 4
    batch_size: int = 32


@dataclass(frozen=True)
class Fit:
    """Medians before the first step, losses of all steps, medians after the last."""

    initial: Floats
    losses: Floats
    final: Floats


def cases() -> dict[str, Case]:
    """One network for every backbone, decoder and loss.

    Decoders have a point loss: with other losses some of them sample paths, and random numbers
    differ between devices.
    """
    return {
        **{f"backbone {name}": Case(backbone=name) for name in BACKBONES.names()},
        **{f"decoder {name}": Case(decoder=name, loss="mae") for name in DECODERS.names()},
        **{f"loss {name}": Case(loss=name) for name in LOSSES.names()},
    }


def build_network(case: Case) -> Forecaster:
    """A network on the CPU with weights of a fixed seed, none of them zero."""
    torch.manual_seed(1)
    net = Forecaster(
        ForecasterConfig(
            lookback=case.lookback,
            horizon=case.horizon,
            patch_length=case.patch_length,
            season=case.patch_length,
            backbone=BackboneConfig(case.backbone),
            hidden_size=case.hidden_size,
            dropout=0.0,
            decoder=case.decoder,
            normalize="mean",
            base_forecast="linear",
            loss=case.loss,
            levels=(0.1, 0.5, 0.9),
            covariates=CovariateSizes(elapsed=True),
        )
    )
    for weight in net.parameters():
        if not weight.any():  # the output layer: forecasts would not depend on other weights
            torch.nn.init.normal_(weight, std=0.1)
    return net


def build_batches(device: torch.device, case: Case) -> tuple[WindowDataset, Callable[[int], Batch]]:
    """Windows of count series with gaps, and random batches that are equal on all devices."""
    length = 4 * (case.lookback + case.horizon)
    rng = np.random.default_rng(1)
    rate = 20 + 10 * np.sin(np.arange(N_SERIES * length) * 2 * np.pi / case.patch_length)
    values = rng.poisson(rate).astype(np.float64)[:, None]
    observed = rng.random(values.shape) < 0.9
    offsets = np.arange(N_SERIES + 1) * length
    filled = impute(np.where(observed, values, np.nan), observed, offsets, "mask")
    forks = "forks_windows" in DECODERS.traits(case.decoder)
    arrays = PanelArrays(
        filled, observed, offsets, include_elapsed=True, include_past_target_mask=forks
    )
    windows = WindowDataset(arrays, lookback=case.lookback, horizon=case.horizon, device=device)
    sampler = WindowSampler(
        first_origin=np.full(N_SERIES, case.lookback),
        last_origin=np.full(N_SERIES, length - case.horizon),
        target_end=np.full(N_SERIES, length),
        item_weight=np.ones(N_SERIES),
        batch_size=case.batch_size,
        seed=1,
        device=CPU,  # generators of two devices give different numbers
    )
    return windows, lambda step: windows.gather(*(t.to(device) for t in sampler.sample(step)))


def fit_network(case: Case, device: torch.device, steps: int, precision: str = "float32") -> Fit:
    """Trains the network on the device for a few steps."""
    net = build_network(case).to(device)
    windows, get_batch = build_batches(device, case)
    first = get_batch(0)
    net.initialize_scales(first.history, first.targets, first.weight)
    fit_base_forecast(
        net, [(get_batch(n), np.arange(case.batch_size) % FOLD_COUNT) for n in range(4)]
    )
    item = np.arange(N_SERIES)
    origin = np.full(N_SERIES, 3 * case.lookback)

    def medians() -> Floats:
        return predict_quantiles(
            net.eval(), windows, item, origin, steps=case.horizon, levels=(0.5,)
        )

    initial = medians()
    # so short a fit records its loss at every step
    spec = TrainingSpec(
        max_steps=steps, learning_rate=0.003, early_stopping=False, precision=precision
    )
    state = Trainer(net, TrainerConfig.first_fit(spec), get_batch=get_batch).fit()
    losses = np.array([row.train_loss for row in state.history])
    return Fit(initial, losses, medians())


def relative_difference(left: Floats, right: Floats) -> float:
    """The largest difference of two arrays, relative to the mean absolute value of the first."""
    return float(np.abs(left - right).max() / max(np.abs(left).mean(), 1e-30))


def compare_devices(case: Case, device: torch.device, steps: int) -> list[float]:
    """Differences of initial forecasts, losses and final forecasts between CPU and device."""
    with without_tf32():
        on_cpu, on_card = (fit_network(case, each, steps) for each in (CPU, device))
    return [
        relative_difference(getattr(on_cpu, field), getattr(on_card, field))
        for field in ("initial", "losses", "final")
    ]


def compare_precisions(backbone: str, device: torch.device, steps: int) -> list[float]:
    """Difference of the losses in bfloat16 from those in float32."""
    full, mixed = (
        fit_network(Case(backbone=backbone), device, steps, precision).losses
        for precision in ("float32", "bfloat16")
    )
    return [relative_difference(full, mixed)]


@contextmanager
def without_tf32() -> Iterator[None]:
    """Context in which recurrent layers of cuDNN compute in full float32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
