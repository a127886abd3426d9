"""Seasonal pattern, levels and slopes of series, in closed form.

The pattern is the mean of each phase of the cycle, of values less their moving average over a
cycle, a long one if there is one; recent cycles count more. Levels are exponentially weighted means
of the seasonally adjusted values, slopes differences of two of them over the difference of their
mean ages.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

ALPHAS = (0.02, 0.1, 0.3, 0.7, 0.95)
"""Smoothing parameters of the levels."""
N_SLOPES = 3
"""Slopes: of the slowest two levels, and of the next ones."""
CYCLE_DECAY = 0.82
"""Weight of a cycle, of that of the next one."""
ERROR_STEPS = 192
"""Last steps whose errors are read."""
LONG_CYCLES = 3
"""Cycles of the first period in a second one that is far longer."""
PRIORS = (0.4, 2.0)
"""Cycles of zeros that shrink the patterns of the first and of the second period."""


@dataclass(frozen=True)
class Decomposition:
    """Parts of B series of L steps, and their pattern over T more."""

    pattern: Tensor
    """`[B, L + T]`, the sum for both periods."""
    adjusted: Tensor
    """`[B, L]` values less the pattern, 0 where not observed."""
    levels: Tensor
    """`[B, len(ALPHAS)]` at the origin."""
    slopes: Tensor
    """`[B, N_SLOPES]` a step, at the origin."""


def level_errors(adjusted: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute errors `[B, len(ALPHAS)]` of the levels of seasonally adjusted values as
    forecasts of the next one, over the last steps."""
    adjusted, weight = adjusted[:, -ERROR_STEPS:], weight[:, -ERROR_STEPS:]
    found = []
    for decay in _decays(adjusted.shape[1], weight.device):
        total = weight @ decay
        error = (adjusted - (adjusted @ decay) / total.clamp_min(1e-9)).abs()
        found.append(masked_mean(error, weight * (total > 0)))
    return torch.stack(found, 1)


def cycle_change(z: Tensor, weight: Tensor, lag: Tensor) -> Tensor:
    """Level `[B, 1]` of the changes of `z [B, L]` over cycles of `lag [B, 1]` steps, at the
    origin."""
    return _levels(*lagged_changes(z, weight, lag))[0][:, -1:]


def lagged_changes(z: Tensor, weight: Tensor, lag: Tensor) -> tuple[Tensor, Tensor]:
    """Changes `[B, L]` of `z [B, L]` over `lag [B, 1]` steps, 0 unless both values are known, and 1
    where they are."""
    source = torch.arange(z.shape[1], device=z.device) - lag
    inside = (source >= 0).to(weight.dtype)
    source = source.clamp_min(0)
    known = weight * weight.gather(1, source) * inside
    return (z - z.gather(1, source)) * known, known


def mean_change(z: Tensor, weight: Tensor, lag: Tensor) -> Tensor:
    """Mean absolute changes `[B]` of `z [B, L]` over `lag [B, 1]` steps; 0 without pairs."""
    change, known = lagged_changes(z, weight, lag)
    return masked_mean(change.abs(), known)


def decompose(z: Tensor, weight: Tensor, lags: Tensor, ahead: int) -> Decomposition:
    """The parts of values `z [B, L]`, with the pattern `ahead` steps on.

    Args:
        z: 0 where not observed.
        weight: `[B, L]` 1 where observed, else 0.
        lags: `[B, 2]` the two periods, in steps.
        ahead: T.
    """
    residual = (z - _moving_average(z, weight, _smoothing_width(weight, lags))) * weight
    first = _pattern(residual, weight, lags[:, :1], ahead, PRIORS[0])
    residual = residual - first[:, : z.shape[1]] * weight
    second = _pattern(residual, weight, lags[:, 1:], ahead, PRIORS[1])
    pattern = first + second
    adjusted = (z - pattern[:, : z.shape[1]]) * weight
    levels, ages = _levels(adjusted, weight)
    slopes = [
        (levels[:, new] - levels[:, old]) / (ages[:, old] - ages[:, new]).clamp_min(0.1)
        for old, new in list(pairwise(range(len(ALPHAS))))[:N_SLOPES]
    ]
    return Decomposition(pattern, adjusted, levels, torch.stack(slopes, 1))


def _smoothing_width(weight: Tensor, lags: Tensor) -> Tensor:
    """Steps `[B, 1]` of the moving average: the first period, or the second one if that is far
    longer and was seen twice, as the days of a week differ in level too."""
    first, second = lags.split(1, 1)  # type: ignore[no-untyped-call]
    length = weight.shape[1] - weight.argmax(1, keepdim=True)
    is_long = (second >= LONG_CYCLES * first) & (2 * second <= length)
    return torch.where(is_long, second, first)


def _moving_average(z: Tensor, weight: Tensor, width: Tensor) -> Tensor:
    """Means `[B, L]` over windows of `width [B, 1]` steps around each step; at the ends they go on
    from the last whole window, by their change over one cycle."""
    steps = z.shape[1]
    sums = torch.nn.functional.pad(z.cumsum(1), (1, 0))
    counts = torch.nn.functional.pad(weight.cumsum(1), (1, 0))

    def mean(start: Tensor) -> Tensor:
        end = start + width
        total = sums.gather(1, end) - sums.gather(1, start)
        return total / (counts.gather(1, end) - counts.gather(1, start)).clamp_min(1)

    first, last = weight.argmax(1, keepdim=True), steps - width  # starts of whole windows
    first = first.minimum(last)
    center = torch.arange(steps, device=z.device) - width // 2
    start = center.maximum(first).minimum(last)
    inside = (first + width).minimum(last), (last - width).maximum(first)
    rise = (mean(inside[0]) - mean(first)) / width, (mean(last) - mean(inside[1])) / width
    slope = torch.where(center < first, rise[0], rise[1])
    return mean(start) + slope * (center - start)


def _pattern(residual: Tensor, weight: Tensor, lag: Tensor, ahead: int, prior: float) -> Tensor:
    """Weighted means `[B, L + T]` of the phases of cycles of `lag [B, 1]` steps; 0 for a lag of
    1."""
    steps = residual.shape[1]
    step = torch.arange(steps + ahead, device=residual.device)
    phase = (step - steps) % lag  # [B, L + T]
    back = (steps - 1 - step[:steps]) // lag
    recency = weight * CYCLE_DECAY ** back.to(weight.dtype)
    size = max(steps, int(lag.max()))
    blank = residual.new_zeros(len(residual), size)
    sums = blank.scatter_add(1, phase[:, :steps], residual * recency)
    counts = blank.scatter_add(1, phase[:, :steps], recency)
    pattern = (sums / (counts + prior)).gather(1, phase)
    return torch.where(lag > 1, pattern, 0.0)


def _levels(adjusted: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Exponentially weighted means `[B, len(ALPHAS)]` and the mean ages of their values, in
    steps."""
    age = torch.arange(adjusted.shape[1] - 1, -1, -1, device=adjusted.device).to(weight.dtype)
    alphas = torch.tensor(ALPHAS, dtype=weight.dtype, device=weight.device)
    decay = (1 - alphas)[:, None] ** age  # [A, L]
    total = (weight @ decay.T).clamp_min(1e-9)
    return (adjusted @ decay.T) / total, (weight @ (decay * age).T) / total


@cache
def _decays(steps: int, device: torch.device) -> tuple[Tensor, ...]:
    """For each level, the weights `[steps, steps]` of values (rows) in the level before a step."""
    step = torch.arange(steps, device=device)
    age = (step - step[:, None]).to(torch.float32)
    return tuple(torch.where(age > 0, (1 - alpha) ** age.clamp_min(0), 0.0) for alpha in ALPHAS)


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted means `[B]` of `values [B, L]`."""
    return (values * weight).sum(1) / weight.sum(1).clamp_min(1)
