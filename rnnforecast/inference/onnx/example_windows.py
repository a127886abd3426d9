"""Windows to try an exported net on: cut from data, or made up where these are not at hand."""

from __future__ import annotations

import torch

from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.registry import WINDOW_SCALERS
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.types import Ints

SEED = 1
OBSERVED_FRACTION = 0.85
"""The share of steps that are observed."""

MAX_PHASE = 1_000_000
"""Windows start at places on the calendar up to here, in steps."""


def gather_histories(
    windows: WindowDataset, item: Ints, origin: Ints, lookback: int
) -> ModelInputs:
    """The histories of the windows `item [W]` at `origin [W]`, of so many steps."""
    items, origins = (torch.from_numpy(part).to(windows.device) for part in (item, origin))
    return windows.with_lookback(lookback).gather(items, origins, origins).history


def synthetic_histories(architecture: ForecasterConfig, window_count: int) -> ModelInputs:
    """So many windows of positive numbers with gaps, of sizes that differ from one to the next.

    The first window has no gap. All that the architecture reads is there; categories have every
    code, and there are items that were not known in training.
    """
    random = torch.Generator().manual_seed(SEED)
    steps, sizes = architecture.input_length, architecture.covariates

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(window_count, *shape, generator=random, dtype=torch.float64)

    def numbers(*shape: int) -> torch.Tensor | None:
        return uniform(*shape).float() * 2 - 1 if shape[-1] else None

    def codes(sizes: tuple[int, ...], *shape: int) -> torch.Tensor | None:
        return torch.stack([(uniform(*shape) * n).long() for n in sizes], -1) if sizes else None

    level = torch.exp(8 * uniform(1, architecture.channels) - 2)
    visible = uniform(steps, architecture.channels) < OBSERVED_FRACTION
    visible[:1] = True
    smoothed = "learned" in WINDOW_SCALERS.traits(architecture.normalize)
    return ModelInputs(
        values=level * (1 + uniform(steps, architecture.channels)),
        value_mask=visible,
        input_mask=visible,
        elapsed=(uniform(steps, architecture.channels) * 5).floor().float() * ~visible
        if sizes.elapsed
        else None,
        past=numbers(steps, sizes.past),
        past_codes=codes(sizes.past_codes, steps),
        future=numbers(steps + architecture.horizon, sizes.future),
        future_codes=codes(sizes.future_codes, steps + architecture.horizon),
        static=numbers(sizes.static),
        static_codes=codes(sizes.static_codes),
        item=(uniform() * (architecture.n_items + 1)).long() if smoothed else None,
        phase=(uniform() * MAX_PHASE).long() if smoothed else None,
    )
