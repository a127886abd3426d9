"""Calendars of seasons, and seasonal patterns."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnforecast.pretraining.synthetic.gaussian_process import smooth_processes, standardize
from rnnforecast.pretraining.synthetic.random import Random

CALENDARS = (
    (1, 1, 1.0), (4, 1, 1.3), (12, 1, 2.0), (7, 1, 1.2), (7, 365, 0.8), (52, 1, 0.8), (5, 1, 0.3),
    (24, 168, 1.6), (24, 1, 0.8), (48, 336, 0.6), (96, 672, 0.5), (144, 1, 0.2), (288, 1, 0.3),
    (60, 1, 0.2), (30, 1, 0.2), (6, 1, 0.2), (10, 1, 0.2), (3, 12, 0.2), (13, 52, 0.2),
)  # fmt: skip
"""Two seasons in steps, 1 for none, and how often they are drawn."""
RANDOM_SEASONS = 0.18
"""Share of batches' calendars with arbitrary seasons."""


def draw_calendars(random: Random, context: int, count: int) -> list[tuple[int, int]]:
    """Pairs of seasons, of which the first fits about twice into the context."""
    fitting = [each for each in CALENDARS if each[0] <= max(context / 1.8, 4)]
    found = []
    weights = [weight for _, _, weight in fitting]
    weights[0] *= 1 + 40 / context  # many short series are of years
    index = random.choice(weights, count)
    for position in range(count):
        first, second, _ = fitting[int(index[position])]
        if bool(random.chance(RANDOM_SEASONS, 1)):
            first = round(float(random.log_uniform(2, max(context / 2, 3), 1)))
            multiple = int(random.integers(2, 9, 1))
            second = first * multiple if bool(random.chance(0.3, 1)) else 1
        if second > context * 0.7:
            second = 1
        found.append((first, second))
    return found


def seasonal_pattern(random: Random, season: Tensor, steps: int, start: Tensor) -> Tensor:
    """Patterns `[B, steps]` with periods `season [B]` and mean about 0; constant for a period of 1.

    Either a sum of harmonics, or a value for each of some blocks of the cycle.
    """
    count = len(season)
    t = torch.arange(steps, device=random.device)[None] + start[:, None]
    phase = (t % season[:, None]) / season[:, None]  # [B, steps] from 0 to 1
    decay = random.uniform(0.2, 2.0, count, 1)
    waves = torch.zeros(count, steps, device=random.device)
    base = torch.exp(2j * torch.pi * phase)
    wave = torch.ones_like(base)
    for harmonic in range(1, 7):
        wave = wave * base
        present = season[:, None] >= 2 * harmonic
        size = harmonic**-decay * random.normal(count, 1) * present
        shift = torch.exp(2j * torch.pi * random.uniform(0, 1, count, 1))
        waves = waves + size * (wave * shift).real
    table = random.normal(count, 400)
    peaked = random.chance(0.4, count, 1)
    table = torch.where(peaked, table.abs().pow(2.5), table)
    coarse = random.chance(0.5, count, 1)
    blocks = torch.where(
        coarse,
        random.integers(2, 9, count, 1).clamp_max(season[:, None].clamp_min(1)),
        season[:, None],
    ).clamp(1, 400)
    block = (phase * blocks + 1e-4).long().clamp(0, 399)
    stepped = table.gather(1, block)
    pattern = torch.where(random.chance(0.55, count, 1), waves, stepped)
    return torch.where(season[:, None] > 1, standardize(pattern), 0.0)


def evolving_pattern(random: Random, pattern: Tensor) -> Tensor:
    """A pattern whose amplitude changes slowly."""
    count, steps = pattern.shape
    change = smooth_processes(random, count, steps, 0.1, 1.0) * random.log_uniform(
        0.02, 0.6, count, 1
    )
    return pattern * torch.exp(torch.where(random.chance(0.5, count, 1), change, 0.0))


def seasonal_walk(
    random: Random, calendar: Tensor, calendars: list[tuple[int, int]], steps: int
) -> Tensor:
    """Patterns `[B, steps]` of the first season whose phases change by random walks, cycle by
    cycle, as those of Hyndman et al. (2008); 0 without a season.

    `calendar [B]` is the index of each series into `calendars`.
    """
    found = torch.zeros(len(calendar), steps, device=random.device)
    for number, (season, _) in enumerate(calendars):
        rows = torch.nonzero(calendar == number)[:, 0]
        cycles = -(-steps // season)
        noise = random.normal(len(rows), cycles, season)
        if season > 1 and len(rows):
            noise[:, 1:] *= random.log_uniform(0.01, 0.5, len(rows), 1, 1)
            found[rows] = noise.cumsum(1).flatten(1)[:, :steps]
    return found
