"""Changes that make synthetic series more like recorded ones.

Each function changes some of the series `[B, steps]`. Weighted means with other series are the
mix-up of Chronos (Ansari et al. 2024, arXiv:2403.07815); amplitudes, censoring and outliers
are those of TiRex (Auer et al. 2025, arXiv:2505.23719).
"""

from __future__ import annotations

import torch
from torch import Tensor

from rnnforecast.pretraining.synthetic.gaussian_process import smooth_processes, standardize
from rnnforecast.pretraining.synthetic.random import Random


def mix(random: Random, x: Tensor) -> Tensor:
    """A quarter of the series become weighted means with another one of the batch."""
    count = len(x)
    weight = torch.where(random.chance(0.25, count, 1), random.uniform(0.1, 0.9, count, 1), 1.0)
    return weight * x + (1 - weight) * x[random.permutation(count)]


def flip(random: Random, x: Tensor) -> Tensor:
    """Some are reversed in time, some in sign."""
    count = len(x)
    x = torch.where(random.chance(0.03, count, 1), x.flip(1), x)
    return torch.where(random.chance(0.05, count, 1), -x, x)


def grow(random: Random, x: Tensor, share: Tensor) -> Tensor:
    """The `share [B, 1]` of series grow: those that end lower than they start change their sign,
    and half of all get a growth besides, whose rate changes slowly and may break."""
    count, steps = x.shape
    quarter = max(steps // 4, 1)
    falls = x[:, -quarter:].mean(1, keepdim=True) < x[:, :quarter].mean(1, keepdim=True)
    up = torch.where(falls, -x, x)
    change = smooth_processes(random, count, steps, 0.1, 1.0) * random.log_uniform(
        0.1, 1.5, count, 1
    )
    later = torch.linspace(0, 1, steps, device=random.device) > random.uniform(0, 1, count, 1)
    broken = later * random.normal(count, 1) * random.chance(0.4, count, 1)
    line = (1 + change + broken).cumsum(1) / steps
    size = random.log_uniform(0.3, 20.0, count, 1) * random.chance(0.5, count, 1)
    return torch.where(random.uniform(0, 1, count, 1) < share, standardize(up) + size * line, x)


def smooth(random: Random, x: Tensor, share: Tensor) -> Tensor:
    """The `share [B, 1]` become moving averages over two to eight steps, twice: values of short
    steps are samples of what changes slowly, or its means over a step."""
    count, steps = x.shape
    width = random.log_uniform(2.0, 9.0, count, 1).long()
    chosen = random.uniform(0, 1, count, 1) < share
    averaged = x
    for _ in range(2):
        start = (torch.arange(steps, device=random.device) - width // 2).clamp_min(0)
        start = start.minimum(steps - width)
        sums = torch.nn.functional.pad(averaged.cumsum(1), (1, 0))
        averaged = (sums.gather(1, start + width) - sums.gather(1, start)) / width
    return torch.where(chosen, averaged, x)


def modulate(random: Random, x: Tensor) -> Tensor:
    """Some have an amplitude that changes slowly."""
    count, steps = x.shape
    size = smooth_processes(random, count, steps, 0.1, 1.0) * random.uniform(0.1, 0.6, count, 1)
    return torch.where(random.chance(0.1, count, 1), x * torch.exp(size), x)


def place(random: Random, x: Tensor) -> Tensor:
    """Standardized series become positive by an exponential function or an offset, or stay."""
    count = len(x)
    growth = random.log_uniform(0.03, 1.2, count, 1)
    exponential = torch.exp((growth * x).clamp(-12, 12))
    spread = x.std(1, keepdim=True) + 1e-6
    offset = x + spread * random.log_uniform(2.0, 50.0, count, 1)
    kind = random.choice((0.4, 0.45, 0.15), count)
    return torch.stack([exponential, offset, x])[kind, torch.arange(count)]


def count_values(random: Random, x: Tensor) -> Tensor:
    """Some become counts around their values, of which some are often zero."""
    count, steps = x.shape
    rate = torch.exp((standardize(x) * random.uniform(0.1, 1.0, count, 1)).clamp(-6, 4))
    rate = rate * random.log_uniform(0.1, 50.0, count, 1)
    spread = torch.where(
        random.chance(0.5, count, 1), torch.exp(0.5 * random.normal(count, steps)), 1.0
    )
    counts = torch.poisson((rate * spread).clamp_max(1e4), generator=random.generator)
    demand = random.uniform(0, 1, count, steps) < random.uniform(0.05, 0.9, count, 1)
    intermittent = torch.where(demand, counts + 1, 0.0)
    kind = random.choice((0.89, 0.08, 0.03), count)
    return torch.stack([x, counts, intermittent])[kind, torch.arange(count)]


def censor(random: Random, x: Tensor) -> Tensor:
    """Some are limited from above or below, some rounded."""
    count = len(x)
    low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
    middle = low + (high - low) * random.uniform(0.4, 0.95, count, 1)
    floor = low + (high - low) * random.uniform(0.05, 0.5, count, 1)
    unit = x.std(1, keepdim=True).clamp_min(1e-6) * random.log_uniform(0.02, 0.8, count, 1)
    kind = random.choice((0.88, 0.03, 0.04, 0.05), count)
    rounded = (x / unit).round() * unit
    return torch.stack([x, x.minimum(middle), x.maximum(floor), rounded])[kind, torch.arange(count)]


def add_outliers(random: Random, x: Tensor) -> Tensor:
    """Some have a few values far away."""
    count, steps = x.shape
    far = random.student_t(2, count, steps) * 3 * x.std(1, keepdim=True)
    where = random.chance(0.006, count, steps) & random.chance(0.15, count, 1)
    return torch.where(where, x + far, x)


def observe(random: Random, count: int, steps: int) -> Tensor:
    """Which of the steps are observed `[count, steps]`: some lack single values or blocks."""
    share = torch.where(random.chance(0.1, count, 1), random.uniform(0, 0.4, count, 1), 0.0)
    lost = random.uniform(0, 1, count, steps) < share
    start = (random.uniform(0, 0.9, count, 1) * steps).long()
    length = (random.uniform(0, 0.25, count, 1) * steps).long()
    step = torch.arange(steps, device=random.device)
    block = (step >= start) & (step < start + length) & random.chance(0.08, count, 1)
    return ~(lost | block)
