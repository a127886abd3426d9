"""Batches of synthetic series for pretraining; each is a function of the seed and its number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rnnforecast.models.pretrained.context import (
    MAX_CONTEXT,
    MAX_HORIZON,
    PATCH_LENGTH,
    SHORT_HORIZON,
)
from rnnforecast.pretraining.synthetic import augmentation
from rnnforecast.pretraining.synthetic.families import FAMILIES, SHORT, Calendar
from rnnforecast.pretraining.synthetic.gaussian_process import standardize
from rnnforecast.pretraining.synthetic.random import Random
from rnnforecast.pretraining.synthetic.seasonality import CALENDARS, draw_calendars

SHORTEST, LONGEST = 16, MAX_CONTEXT
"""Steps of contexts."""
N_CALENDARS = 10
"""Different calendars in a batch."""


@dataclass(frozen=True)
class Batch:
    """B series, each a context and its future."""

    values: Tensor
    """`[B, L]` context."""
    observed: Tensor
    """`[B, L]` bool."""
    future: Tensor
    """`[B, T]` values of whole patches after the origin."""
    seasons: Tensor
    """`[B, 2]` int64 likely periods as a user knows them; 0 for none."""


def synthetic_batch(
    seed: int, number: int, *, patches: int, device: torch.device | str = "cpu"
) -> Batch:
    """The batch with this number.

    Args:
        seed: of the whole pretraining.
        number: of the step.
        patches: patches of contexts and horizons in all.
        device: of the generator and the result.
    """
    random = Random(int(np.random.SeedSequence((seed, number)).generate_state(1)[0]), device)
    length = float(random.log_uniform(SHORTEST, LONGEST, 1))
    context = -(-round(length) // PATCH_LENGTH) * PATCH_LENGTH
    longest = min(MAX_HORIZON, max(context, SHORT_HORIZON))
    horizon = float(random.log_uniform(PATCH_LENGTH / 2, longest, 1))
    ahead = -(-round(horizon) // PATCH_LENGTH) * PATCH_LENGTH
    count = max(patches * PATCH_LENGTH // (context + ahead), 8)
    pairs = draw_calendars(random, context, N_CALENDARS)
    calendar = Calendar(random.integers(0, N_CALENDARS, count), pairs)
    x = _series(random, calendar, context + ahead)
    observed = augmentation.observe(random, count, context)
    shortened = random.uniform(0, 1, count, 1).pow(1.5) * random.chance(0.5, count, 1)
    first = (shortened * (context - 10)).long()
    observed &= torch.arange(context, device=device) >= first
    seasons = _known_seasons(random, calendar)
    return Batch(x[:, :context], observed, x[:, context:], seasons)


def _series(random: Random, calendar: Calendar, steps: int) -> Tensor:
    count = len(calendar.number)
    shares = [short if steps < 2 * SHORT else long for _, long, short in FAMILIES]
    family = random.choice(shares, count)
    x = torch.zeros(count, steps, device=random.device)
    for number, (generate, *_) in enumerate(FAMILIES):
        rows = torch.nonzero(family == number)[:, 0]
        if len(rows):
            part = Calendar(calendar.number[rows], calendar.pairs)
            x[rows] = standardize(generate(random, part, steps))
    x = augmentation.flip(random, augmentation.mix(random, x))
    fine, coarse = calendar.is_fine(), calendar.is_coarse(steps)
    x = augmentation.smooth(random, x, fine * 0.6)
    x = augmentation.grow(random, x, torch.where(coarse, 0.8, torch.where(fine, 0.05, 0.35)))
    x = augmentation.modulate(random, x)
    x = augmentation.count_values(random, augmentation.place(random, x))
    return augmentation.add_outliers(random, augmentation.censor(random, x))


def _known_seasons(random: Random, calendar: Calendar) -> Tensor:
    """The seasons of most series, and wrong ones of some."""
    count = len(calendar.number)
    true = torch.where(calendar.seasons > 1, calendar.seasons, 0)
    wrong = torch.tensor([pair[:2] for pair in CALENDARS], device=random.device)
    wrong = wrong[random.integers(0, len(wrong), count)]
    kind = random.choice((0.72, 0.08, 0.2), count, 1)
    none = torch.zeros_like(true)
    return torch.where(kind == 0, true, torch.where(kind == 1, wrong, none))
