"""Periods of series, estimated from their autocorrelation.

The first period is the lag whose autocorrelation rises most above that of shorter lags; the second
is that of what remains after the mean of each phase of the first is taken away.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

MIN_SECOND_RISE = 0.3
"""Smaller rises are no second period: the phases of a spurious one would add noise."""
TOLERANCE = 0.12
"""Of rises, relative: of multiples of a period that rise about equally, the shortest is taken."""
PRIOR = 0.6
"""What a given season adds to the rise of its lag."""
MIN_CYCLES = 2.5
"""Cycles that a period which is not given needs."""
LENGTH_PENALTY = 0.5
"""Times the lag as a share of the history, subtracted from its rise: long lags have few pairs."""
MIN_RISE, RISE_OF_NOISE = 0.1, 3.5
"""Smaller rises than the first, and the second over the root of the length, are no period, unless
the season is given: the highest of many lags rises in noise too."""


@dataclass(frozen=True)
class Periods:
    """Periods of B series."""

    lags: Tensor
    """`[B, 2]` int64, in steps; 1 where there is no period."""
    strength: Tensor
    """`[B, 2]` autocorrelation at the period, 0 where there is none."""


def estimate_periods(z: Tensor, observed: Tensor, seasons: Tensor) -> Periods:
    """The two periods of each series.

    Args:
        z: `[B, L]` values, 0 where not observed.
        observed: `[B, L]` bool.
        seasons: `[B, 2]` int64 lags to prefer, in steps; 0 for none.
    """
    weight = observed.to(z.dtype)
    residual = _without_trend(z, weight)
    first, strength = _best_lag(residual, weight, seasons)
    rest = _without_cycle(residual, weight, first)
    is_first = seasons == first[:, None]
    second, other = _best_lag(rest, weight, torch.where(is_first, 0, seasons), first=first)
    lags, strengths = torch.stack([first, second], 1), torch.stack([strength, other], 1)
    return Periods(lags, strengths)


def _without_trend(z: Tensor, weight: Tensor) -> Tensor:
    """Residuals `[B, L]` of a least-squares line, 0 where not observed."""
    steps = torch.linspace(-1, 1, z.shape[1], dtype=z.dtype, device=z.device)
    count = weight.sum(1, keepdim=True).clamp_min(1)
    t = steps - (weight * steps).sum(1, keepdim=True) / count
    y = z - (weight * z).sum(1, keepdim=True) / count
    slope = (weight * t * y).sum(1, keepdim=True) / (weight * t * t).sum(1, keepdim=True).clamp_min(
        1e-6
    )
    return (y - slope * t) * weight


def _without_cycle(x: Tensor, weight: Tensor, lag: Tensor) -> Tensor:
    """Values `[B, L]` less the mean of their phase in cycles of `lag [B]` steps."""
    steps = x.shape[1]
    phase = torch.arange(steps, device=x.device) % lag[:, None]
    sums = torch.zeros_like(x).scatter_add_(1, phase, x)
    counts = torch.zeros_like(x).scatter_add_(1, phase, weight)
    mean = (sums / counts.clamp_min(1)).gather(1, phase)
    enough = (counts.gather(1, phase) > 1).to(x.dtype)
    return (x - mean * enough) * weight


def autocorrelation(x: Tensor, weight: Tensor) -> Tensor:
    """Autocorrelation `[B, L]` at lags 0 to L - 1, of the pairs that are observed; shrunk to 0
    where there are few of them."""
    steps = x.shape[1]
    n = 2 * steps
    power = torch.fft.irfft(torch.fft.rfft(x, n).abs().square(), n)[:, :steps]
    pairs = torch.fft.irfft(torch.fft.rfft(weight, n).abs().square(), n)[:, :steps]
    variance = power[:, :1] / pairs[:, :1].clamp_min(1)
    found: Tensor = power / (pairs.clamp_min(0) + 2.0) / variance.clamp_min(1e-8)
    return found.clamp(-1.0, 1.0)


def _best_lag(
    x: Tensor, weight: Tensor, seasons: Tensor, first: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The lag `[B]` with the highest rise of autocorrelation, 1 for none, and its autocorrelation;
    after the `first [B]` one, which `x` is without, longer by at least a half."""
    steps = x.shape[1]
    found = autocorrelation(x, weight)
    lag = torch.arange(steps, device=x.device)
    length = weight.shape[1] - weight.argmax(1)  # from the first observed value
    trough = found.cummin(1).values
    rise = torch.zeros_like(found)
    rise[:, 2:] = found[:, 2:] - trough[:, 1:-1]
    peak = torch.zeros_like(found, dtype=torch.bool)
    peak[:, 2:-1] = (found[:, 2:-1] >= found[:, 1:-2]) & (found[:, 2:-1] >= found[:, 3:])
    least = (MIN_RISE + RISE_OF_NOISE * length.rsqrt())[:, None]
    allowed = peak & (lag <= length[:, None] / MIN_CYCLES) & (rise > least)
    if first is not None:
        allowed &= (lag > 1.5 * first[:, None]) & (rise > MIN_SECOND_RISE)
    score = torch.where(allowed, (rise - LENGTH_PENALTY * lag / length[:, None]).clamp_min(0), 0.0)
    given = (seasons > 1) & (seasons < length[:, None]) & (seasons < steps)
    bonus = torch.zeros_like(score).scatter_add_(
        1, torch.where(given, seasons, 0), given.to(x.dtype) * PRIOR
    )
    bonus[:, 0] = 0
    score = torch.where(bonus > 0, rise.clamp_min(0) + bonus, score)
    best = score.max(1, keepdim=True).values
    shortest = (score >= best * (1 - TOLERANCE)) & (score > 0)
    is_found = best[:, 0] > 0
    chosen = torch.where(is_found, shortest.to(torch.uint8).argmax(1), 1)
    strength = torch.where(is_found, found.gather(1, chosen[:, None])[:, 0], 0.0)
    return chosen, strength
