"""What the network reads: patches of normalized values, of earlier cycles, and of simple forecasts.

A patch of the context holds its values and masks; a patch of the horizon is masked, and holds for
each of its steps only what is known: the values at the same phase of the last cycles of both
periods, and simple forecasts of that step, which the network weighs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rnnforecast.models.pretrained.context import MAX_NORMALIZED, PATCH_LENGTH, Context
from rnnforecast.models.pretrained.decomposition import (
    ALPHAS,
    N_SLOPES,
    Decomposition,
    cycle_change,
    decompose,
    lagged_changes,
    level_errors,
    masked_mean,
)

CYCLES = 4
"""Cycles whose mean is read beside the last one."""
DAMPING = 0.9
"""Factor of a damped slope, a step."""
MIN_RELATIVE = 0.01
"""Of the distance of the mean from zero: series with smaller values have no logarithms."""
MAX_OFFSET = 1e4
"""Standard deviations from the mean to zero, beyond which values have no logarithms: those would
differ by less than their precision."""
MAX_LOG_GROWTH = 1.5
"""Of a forecast of logarithms above the largest."""
DECAYS = (0.6, 0.9, 0.98)
"""Factors of a passing deviation, a step."""
STEP_FEATURE_NAMES = (
    "value", "observed",
    "cycle_1", "cycle_known_1", "cycles_mean_1",
    "cycle_2", "cycle_known_2", "cycles_mean_2",
    "last", "drift", "cycle_with_change", "level",
    "pattern", "adjusted",
    *(f"level_{number + 1}" for number in range(len(ALPHAS))),
    *(f"{kind}_{number + 1}" for number in range(N_SLOPES) for kind in ("slope", "damped_slope")),
    *(f"multiplicative_level_{number}" for number in (2, 3, 4)), "multiplicative_trend_2",
    *(f"deviation_{number + 1}" for number in range(len(DECAYS))),
    *(f"cycle_change_{number + 1}" for number in range(len(DECAYS) - 1)),
)  # fmt: skip
"""Values of a step, in their order: those of the series; the last cycle, whether it is known, and
the mean of some cycles, for both periods; lines of the horizon from the last value, the cycle and
the level; pattern and seasonally adjusted values; and in the horizon levels with the pattern, and
slopes over the steps ahead; the same of logarithms; passing deviations."""
STEP_FEATURES = len(STEP_FEATURE_NAMES)
"""Values a step."""
FORECAST_MASKS = {
    STEP_FEATURE_NAMES.index(f"cycle_{period}"): STEP_FEATURE_NAMES.index(f"cycle_known_{period}")
    for period in (1, 2)
}
"""The forecasts that may be missing, and the features that are 1 where they are known."""
CHANGES = tuple(
    place
    for place, name in enumerate(STEP_FEATURE_NAMES)
    if name.startswith(("slope", "damped_slope", "deviation", "cycle_change"))
)
"""The features of a step of the horizon that are changes since the origin."""
SIMPLE_FORECASTS = tuple(
    place
    for place, name in enumerate(STEP_FEATURE_NAMES)
    if name not in ("value", "observed", "pattern", "adjusted")
    and place not in (*FORECAST_MASKS.values(), *CHANGES)
)
"""The features of a step of the horizon that are forecasts: of earlier cycles, of lines, and of
levels with the seasonal pattern."""
CONTEXT_FEATURES = 20 + 2 * len(ALPHAS) + N_SLOPES + 2
"""Values that describe the whole context and the position, in each patch."""
PATCH_FEATURES = STEP_FEATURES * PATCH_LENGTH + CONTEXT_FEATURES


def patch_features(context: Context, horizon_patches: int) -> Tensor:
    """Features `[B, G + J, PATCH_FEATURES]` of G patches of the context and J of the horizon."""
    z, weight = context.z, context.observed.to(context.z.dtype)
    batch, length = z.shape
    ahead = horizon_patches * PATCH_LENGTH
    step = torch.arange(length + ahead, device=z.device)
    blank = z.new_zeros(batch, ahead)
    parts = [torch.cat([z, blank], 1), torch.cat([weight, blank], 1)]
    for column in range(2):
        parts += _earlier_cycles(z, weight, context.periods.lags[:, column, None], step)
    trend = _Trend.fit(context)
    parts += trend.lines(z, step, last_cycle=parts[2], lag=context.periods.lags[:, :1])
    decomposition = decompose(z, weight, context.periods.lags, ahead)
    parts += _decomposition_features(decomposition, length, ahead)
    parts += _multiplicative_forecasts(context, ahead)
    change = cycle_change(z, weight, context.periods.lags[:, :1])
    parts += _passing_deviations(decomposition, change, length, ahead)
    steps = torch.stack(parts, -1)  # [B, L + T, STEP_FEATURES]
    patches = steps.view(batch, -1, PATCH_LENGTH, STEP_FEATURES).flatten(2)
    ends = [decomposition.levels, decomposition.slopes * 10]
    past = decomposition.pattern[:, :length]
    sizes = [masked_mean(each.abs(), weight) for each in (past, decomposition.adjusted)]
    errors = level_errors(decomposition.adjusted, weight)
    ends += [torch.log(errors + 0.01) / 2, torch.log(torch.stack(sizes, 1) + 0.01) / 2]
    summary = torch.cat([_summary(context), trend.summary(length), *ends], 1)
    summary = summary[:, None].expand(-1, patches.shape[1], -1)
    number = torch.arange(patches.shape[1], device=z.device) - length // PATCH_LENGTH
    position = torch.stack([number.clamp_min(0), (-number).clamp_min(0)], -1).to(z.dtype)
    position = torch.log1p(position)[None].expand(batch, -1, -1) / 3
    return torch.cat([patches, summary, position], -1)


def _earlier_cycles(z: Tensor, weight: Tensor, lag: Tensor, step: Tensor) -> list[Tensor]:
    """`[B, L + T]` each: the value one cycle of `lag [B, 1]` before, whether it is known, and the
    mean of several cycles. Steps of the horizon read the last cycles of the context."""
    length = z.shape[1]
    back = torch.where(step < length, 1, (step - length) // lag + 1)
    last = step - back * lag
    first: list[Tensor] = []
    sums = counts = z.new_zeros(len(z), len(step))
    for cycle in range(CYCLES):
        source = last - cycle * lag
        inside = (source >= 0).to(z.dtype)
        source = source.clamp(0, length - 1)
        known = weight.gather(1, source) * inside
        value = z.gather(1, source) * known
        first = first or [value, known]
        sums, counts = sums + value, counts + known
    return [*first, sums / counts.clamp_min(1)]


def _decomposition_features(parts: Decomposition, length: int, ahead: int) -> list[Tensor]:
    """`[B, L + T]` each: pattern and seasonally adjusted values of the context; in the horizon
    level with pattern for each level, then slopes over the steps ahead, damped and not."""
    step, damped = _slope_factors(ahead, parts.pattern)
    past, future = parts.pattern[:, :length], parts.pattern[:, length:]
    blank = torch.zeros_like(past)
    nothing = torch.zeros_like(future)
    found = [torch.cat([past, nothing], 1), torch.cat([parts.adjusted, nothing], 1)]
    lines = [future + level for level in parts.levels.split(1, 1)]  # type: ignore[no-untyped-call]
    for slope in parts.slopes.split(1, 1):  # type: ignore[no-untyped-call]
        lines += [slope * step, slope * damped]
    return [*found, *(torch.cat([blank, _limit(line)], 1) for line in lines)]


def _slope_factors(ahead: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """What a slope and a damped slope are multiplied by at each step ahead, `[T]` each."""
    step = torch.arange(1, ahead + 1, device=like.device).to(like.dtype)
    return step, DAMPING * (1 - DAMPING**step) / (1 - DAMPING)


def _passing_deviations(
    parts: Decomposition, change: Tensor, length: int, ahead: int
) -> list[Tensor]:
    """`[B, L + T]` each, in the horizon only: the deviation of the newest level from the oldest,
    and the change since the last cycle `[B, 1]`, as they decay."""
    step = torch.arange(1, ahead + 1, device=parts.levels.device).to(parts.levels.dtype)
    blank = parts.pattern[:, :length] * 0
    level = parts.levels[:, -1:] - parts.levels[:, :1]
    found = [level * decay**step for decay in DECAYS]
    found += [change * decay**step for decay in DECAYS[1:]]
    return [torch.cat([blank, _limit(each)], 1) for each in found]


def _multiplicative_forecasts(context: Context, ahead: int) -> list[Tensor]:
    """`[B, L + T]` each, in the horizon only: levels with the seasonal pattern, and the second one
    with its damped slope, of the logarithms of positive series; of the values of others."""
    z, weight, u = context.z, context.observed.to(context.z.dtype), torch.sinh(context.z)
    zero = (-context.mean / context.scale).to(z.dtype)
    height = torch.where(context.observed, u - zero, torch.inf)
    is_positive = height.amin(1, keepdim=True) > MIN_RELATIVE * zero.abs()
    is_positive &= zero.abs() < MAX_OFFSET
    # relative to the mean, whose logarithm would hide small changes of a large one
    logs = torch.log1p(torch.where(context.observed & is_positive, u / -zero, 0.0))
    values = torch.where(is_positive, logs, z)
    parts = decompose(values, weight, context.periods.lags, ahead)
    _, damped = _slope_factors(ahead, z)
    levels = parts.levels[:, 1:].unsqueeze(-1)  # [B, 3, 1]
    lines = parts.pattern[:, None, z.shape[1] :] + levels
    sloped = lines[:, 1:2] + parts.slopes[:, 1:2, None] * damped
    lines = torch.cat([lines, sloped], 1)  # [B, 4, T]
    highest = torch.where(context.observed, values, -torch.inf).amax(1, keepdim=True)
    lines = lines.minimum(highest[:, None] + MAX_LOG_GROWTH)
    raised = torch.asinh(-zero[:, None] * torch.expm1(lines))
    lines = _limit(torch.where(is_positive[:, None], raised, lines))
    blank = torch.zeros_like(z)
    return [torch.cat([blank, line], 1) for line in lines.unbind(1)]


@dataclass(frozen=True)
class _Trend:
    """The level of standardized values at the end of the context, and slopes; `[B, 1]` each."""

    last: Tensor
    """The last value."""
    level: Tensor
    """Mean of the last cycle, or of some last steps."""
    before: Tensor
    """Mean of as many steps before."""
    drift: Tensor
    """Mean change a step over the whole context."""
    change: Tensor
    """Change a step between `before` and `level`."""

    @classmethod
    def fit(cls, context: Context) -> _Trend:
        """From the observed values."""
        u, observed = torch.sinh(context.z), context.observed
        length = u.shape[1]
        step = torch.arange(length, device=u.device)
        first = observed.to(torch.uint8).argmax(1, keepdim=True)
        final = length - 1 - observed.flip(1).to(torch.uint8).argmax(1, keepdim=True)
        last = u.gather(1, final)
        drift = (last - u.gather(1, first)) / (final - first).clamp_min(1)
        lag = context.periods.lags[:, :1]
        few = ((length - first) // 4).clamp(2, 8)
        width = torch.where(lag > 1, lag, few)
        newest = observed & (step >= length - width)
        older = observed & (step >= length - 2 * width) & ~newest
        level, before = _masked_mean(u, newest, last), _masked_mean(u, older, u.gather(1, first))
        return cls(last, level, before, drift, (level - before) / width)

    def lines(self, z: Tensor, step: Tensor, *, last_cycle: Tensor, lag: Tensor) -> list[Tensor]:
        """`[B, L + T]` each: the previous value, in the horizon the last one; then, in the horizon
        only, the last value with drift, the last cycle with its change, and the level."""
        length = z.shape[1]
        ahead = (step[length:] - (length - 1)).to(z.dtype)
        cycles = (step[length:] - length) // lag + 1
        blank = torch.zeros_like(z)
        previous = torch.cat([blank[:, :1], z[:, :-1]], 1)
        futures = [
            self.last.expand(-1, len(ahead)),
            self.last + self.drift * ahead,
            torch.sinh(last_cycle[:, length:]) + self.change * lag * cycles,
            self.level.expand(-1, len(ahead)),
        ]
        pasts = [previous, blank, blank, blank]
        limited = [_limit(torch.asinh(future)) for future in futures]
        return [torch.cat(pair, 1) for pair in zip(pasts, limited, strict=True)]

    def summary(self, length: int) -> Tensor:
        """`[B, 5]`."""
        slopes = (self.drift * length, self.change * length)
        found = (self.last, self.level, self.before, *slopes)
        return torch.cat([torch.asinh(each) for each in found], 1) / 2


def _masked_mean(u: Tensor, mask: Tensor, default: Tensor) -> Tensor:
    """Mean `[B, 1]` of `u [B, L]` where `mask`; `default` where there is none."""
    count = mask.sum(1, keepdim=True)
    mean = (u * mask).sum(1, keepdim=True) / count.clamp_min(1)
    return torch.where(count > 0, mean, default)


def _limit(z: Tensor) -> Tensor:
    return z.clamp(-MAX_NORMALIZED, MAX_NORMALIZED)


def _summary(context: Context) -> Tensor:
    """`[B, 13]` periods and their strengths, length, gaps, where zero lies, sizes of changes."""
    z, weight = context.z, context.observed.to(context.z.dtype)
    steps = z.shape[1]
    length = (steps - weight.argmax(1, keepdim=True)).to(weight.dtype).clamp_min(1)
    lags = context.periods.lags.to(weight.dtype)
    zero = torch.asinh(-context.mean / context.scale).clamp(-6, 6).to(weight.dtype)
    lowest = torch.where(context.observed, z, MAX_NORMALIZED).amin(1, keepdim=True)
    first = context.periods.lags[:, :1]
    sizes = [
        _mean_change(z, weight, lag[:, None])
        for lag in torch.cat([torch.ones_like(first), context.periods.lags], 1).unbind(1)
    ]
    return torch.cat(
        [
            torch.log(lags) / 3,
            context.periods.strength,
            torch.log1p(length / lags) / 3,
            torch.log(length) / 5,
            weight.sum(1, keepdim=True) / length,
            zero / 3,
            (lowest >= zero - 1e-3).to(weight.dtype),
            *sizes,
        ],
        1,
    )


def _mean_change(z: Tensor, weight: Tensor, lag: Tensor) -> Tensor:
    """Mean absolute change `[B, 1]` over `lag [B, 1]` steps; 0 without pairs."""
    change, known = lagged_changes(z, weight, lag)
    return change.abs().sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp_min(1)
