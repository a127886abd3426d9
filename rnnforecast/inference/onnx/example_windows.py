"""Windows to try an exported net on: cut from data, or made up where these are not at hand."""

from __future__ import annotations

import torch

from rnnforecast.models.config import Architecture
from rnnforecast.models.inputs import History
from rnnforecast.training.dataset import Windows
from rnnforecast.types import Ints

SEED = 1
SEEN = 0.85
"""The share of steps that are observed."""

FARTHEST = 1_000_000
"""Windows start at places on the calendar up to here, in steps."""


def real(windows: Windows, item: Ints, origin: Ints, lookback: int) -> History:
    """The histories of the windows `item [W]` at `origin [W]`, of so many steps."""
    items, origins = (torch.from_numpy(part).to(windows.device) for part in (item, origin))
    return windows.reaching(lookback).gather(items, origins, origins).history


def trial(architecture: Architecture, window_count: int) -> History:
    """So many windows of positive numbers with gaps, of sizes that differ from one to the next.

    The first window has no gap. All that the architecture reads is there; categories have every
    code, and there are items that were not known in training.
    """
    random = torch.Generator().manual_seed(SEED)
    steps, sizes = architecture.steps_read, architecture.covariates

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(window_count, *shape, generator=random, dtype=torch.float64)

    def numbers(*shape: int) -> torch.Tensor | None:
        return uniform(*shape).float() * 2 - 1 if shape[-1] else None

    def codes(sizes: tuple[int, ...], *shape: int) -> torch.Tensor | None:
        return torch.stack([(uniform(*shape) * n).long() for n in sizes], -1) if sizes else None

    level = torch.exp(8 * uniform(1, architecture.channels) - 2)
    visible = uniform(steps, architecture.channels) < SEEN
    visible[:1] = True
    smoothed = architecture.normalize == "exponential_smoothing"
    return History(
        values=level * (1 + uniform(steps, architecture.channels)),
        visible=visible,
        present=visible,
        elapsed=(uniform(steps, architecture.channels) * 5).floor().float() * ~visible
        if sizes.elapsed
        else None,
        past=numbers(steps, sizes.past),
        past_codes=codes(sizes.past_codes, steps),
        known=numbers(steps + architecture.horizon, sizes.known),
        known_codes=codes(sizes.known_codes, steps + architecture.horizon),
        static=numbers(sizes.static),
        static_codes=codes(sizes.static_codes),
        item=(uniform() * (architecture.items + 1)).long() if smoothed else None,
        phase=(uniform() * FARTHEST).long() if smoothed else None,
    )
