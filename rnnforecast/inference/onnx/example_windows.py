"""Windows that an exported network is tested on: from data, or synthetic."""

from __future__ import annotations

import torch

from rnnforecast.models.config import ForecasterConfig
from rnnforecast.models.inputs import ModelInputs
from rnnforecast.registry import WINDOW_SCALERS
from rnnforecast.training.dataset import WindowDataset
from rnnforecast.types import Ints

SEED = 1

OBSERVED_FRACTION = 0.85
"""Fraction of the steps that are observed."""

MAX_PHASE = 1_000_000
"""Bound of a window's position on the calendar, in steps."""


def gather_histories(
    windows: WindowDataset, item: Ints, origin: Ints, lookback: int
) -> ModelInputs:
    """The histories of `lookback` steps of the windows of `item [W]` at `origin [W]`."""
    items, origins = (torch.from_numpy(array).to(windows.device) for array in (item, origin))
    return windows.with_lookback(lookback).gather(items, origins, origins).history


def synthetic_histories(config: ForecasterConfig, window_count: int) -> ModelInputs:
    """Windows of positive values of very different scales, with gaps in all but the first.

    They have all inputs of the network; codes and items are random, unseen items included.
    """
    generator = torch.Generator().manual_seed(SEED)
    steps, sizes = config.input_length, config.covariates

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(window_count, *shape, generator=generator, dtype=torch.float64)

    def real(*shape: int) -> torch.Tensor | None:
        return uniform(*shape).float() * 2 - 1 if shape[-1] else None

    def codes(sizes: tuple[int, ...], *shape: int) -> torch.Tensor | None:
        return torch.stack([(uniform(*shape) * n).long() for n in sizes], -1) if sizes else None

    level = torch.exp(8 * uniform(1, config.channels) - 2)
    value_mask = uniform(steps, config.channels) < OBSERVED_FRACTION
    value_mask[:1] = True
    is_smoothed = "learned" in WINDOW_SCALERS.traits(config.normalize)
    return ModelInputs(
        values=level * (1 + uniform(steps, config.channels)),
        value_mask=value_mask,
        input_mask=value_mask,
        elapsed=(uniform(steps, config.channels) * 5).floor().float() * ~value_mask
        if sizes.elapsed
        else None,
        past=real(steps, sizes.past),
        past_codes=codes(sizes.past_codes, steps),
        future=real(steps + config.horizon, sizes.future),
        future_codes=codes(sizes.future_codes, steps + config.horizon),
        static=real(sizes.static),
        static_codes=codes(sizes.static_codes),
        item=(uniform() * (config.n_items + 1)).long() if is_smoothed else None,
        phase=(uniform() * MAX_PHASE).long() if is_smoothed else None,
    )
