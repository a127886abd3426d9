"""Contexts for tests of the pretrained network, and a network without a pretraining."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rnnforecast.models.pretrained.context import PATCH_LENGTH, Context, build_context
from rnnforecast.models.pretrained.network import NetworkConfig, PretrainedNetwork
from rnnforecast.types import Floats


def context_of(
    *series: Sequence[float] | Floats, seasons: tuple[int, int] = (0, 0), padding: int = 0
) -> Context:
    """Right-aligned series, NaN where not observed, after `padding` patches before the longest."""
    patches = -(-max(map(len, series)) // PATCH_LENGTH) + padding
    values = np.full((len(series), patches * PATCH_LENGTH), np.nan)
    for row, each in zip(values, series, strict=True):
        row[len(row) - len(each) :] = each
    table = torch.from_numpy(values)
    return build_context(table, table.isfinite(), torch.tensor([seasons] * len(series)))


def small_network(seed: int = 0) -> PretrainedNetwork:
    """A network of random weights, none of which is zero."""
    generator = torch.Generator().manual_seed(seed)
    net = PretrainedNetwork(NetworkConfig(hidden_size=8, n_layers=1)).eval()
    for weight in net.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.1
    return net


def noisy_season(steps: int, period: float, *, noise: float = 0.3, seed: int = 0) -> Floats:
    """A sine with normal noise."""
    random = np.random.default_rng(seed)
    wave = np.sin(2 * np.pi * np.arange(steps) / period)
    return np.asarray(wave + noise * random.normal(size=steps))
