"""Recurrent layers and input sequences for tests of backbones and stacks, in float64."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rnnforecast.models.base import NO_NOISE, Noise
from rnnforecast.registry import BACKBONES

B, G, K = 3, 7, 6
"""Sizes of the batch, of the sequence and of the hidden state."""


def layer(
    name: str, *, depth: int = 0, width: int = K, noise: Noise = NO_NOISE, **given: Any
) -> Any:
    """A layer of the backbone `name` with the seed 3 and the options `given`."""
    torch.manual_seed(3)
    options = BACKBONES.options(name, given)
    return BACKBONES.load(name).build(width, options, depth=depth, noise=noise, gap_size=0).double()


def sequence(*, steps: int = G, width: int = K) -> Tensor:
    """Random inputs `[B, steps, width]`, the same at each call."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn((B, steps, width), generator=generator, dtype=torch.float64)
