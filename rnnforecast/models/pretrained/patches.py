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
    level_errors,
    masked_mean,
    mean_change,
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
CYCLE_FEATURES = tuple(
    f"{name}_{period}" for period in (1, 2) for name in ("cycle", "cycle_known", "cycles_mean")
)
"""For both periods: the value of the last cycle at the same phase, 1 where it is known, and the
mean of some cycles."""
PAST_FEATURES = ("value", "observed", *CYCLE_FEATURES, "previous", "pattern", "adjusted")
"""Values of a step of the context, in their order: value, 1 where it is observed, earlier cycles,
the value before, and what a decomposition makes of it."""
CHANGES = (
    *(f"{kind}_{number + 1}" for number in range(N_SLOPES) for kind in ("slope", "damped_slope")),
    *(f"deviation_{number + 1}" for number in range(len(DECAYS))),
    *(f"cycle_change_{number + 1}" for number in range(len(DECAYS) - 1)),
)
"""Changes since the origin: slopes over the steps ahead, and passing deviations."""
LINES = (
    *("last", "drift", "cycle_with_change", "level"),
    *(f"level_{number + 1}" for number in range(len(ALPHAS))),
    *(f"multiplicative_level_{number}" for number in range(2, len(ALPHAS) + 1)),
    "multiplicative_trend_2",
)  # fmt: skip
"""Lines from the last value, the cycle and the level; levels with the seasonal pattern, of values
and of logarithms."""
FUTURE_FEATURES = (*CYCLE_FEATURES, *LINES, *CHANGES)
"""Values of a step of the horizon, in their order."""
SIMPLE_FORECASTS = tuple(
    place
    for place, name in enumerate(FUTURE_FEATURES)
    if name in LINES or name.startswith(("cycle_1", "cycle_2", "cycles_mean"))
)
"""Which of them are forecasts."""
FORECAST_MASKS = {
    FUTURE_FEATURES.index(f"{name}_{period}"): FUTURE_FEATURES.index(f"cycle_known_{period}")
    for name in ("cycle", "cycles_mean")
    for period in (1, 2)
}
"""The forecasts that may be missing, and the features that are 1 where they are known."""
CONTEXT_FEATURES = 20 + 2 * len(ALPHAS) + N_SLOPES
"""Values that describe the whole context."""


@dataclass(frozen=True)
class PatchFeatures:
    """What the network reads of B series with G patches of the context and J of the horizon."""

    past: Tensor
    """`[B, G, P * len(PAST_FEATURES)]`."""
    future: Tensor
    """`[B, J, P * len(FUTURE_FEATURES)]`."""
    context: Tensor
    """`[B, CONTEXT_FEATURES]`."""

    def future_steps(self) -> Tensor:
        """The features of each step of the horizon, `[B, J, P, len(FUTURE_FEATURES)]`."""
        return self.future.view(*self.future.shape[:2], PATCH_LENGTH, len(FUTURE_FEATURES))


def patch_features(context: Context, horizon_patches: int) -> PatchFeatures:
    """The features of a context, and of `horizon_patches` patches after it."""
    z, weight, lags = context.z, context.observed.to(context.z.dtype), context.periods.lags
    length, ahead = z.shape[1], horizon_patches * PATCH_LENGTH
    cycles = [
        each
        for column in range(2)
        for each in _earlier_cycles(z, weight, lags[:, column, None], length + ahead)
    ]
    past_cycles = [each[:, :length] for each in cycles]
    future_cycles = [each[:, length:] for each in cycles]
    trend = _Trend.fit(context)
    parts = decompose(z, weight, lags, ahead)
    pattern = parts.pattern[:, :length]
    previous = torch.nn.functional.pad(z[:, :-1], (1, 0))
    lines = [
        *trend.lines(future_cycles[0], lags[:, :1]),
        *(parts.pattern[:, None, length:] + parts.levels[..., None]).unbind(1),
        *_multiplicative_lines(context, ahead),
    ]
    future = [*future_cycles, *map(_limit, lines), *map(_limit, _changes(context, parts, ahead))]
    sizes = [masked_mean(each.abs(), weight) for each in (pattern, parts.adjusted)]
    sizes += level_errors(parts.adjusted, weight).unbind(1)
    logs = torch.log(torch.stack(sizes, 1) + 0.01) / 2
    ends = [trend.summary(length), parts.levels, parts.slopes * 10, logs]
    return PatchFeatures(
        _patches([z, weight, *past_cycles, previous, pattern, parts.adjusted]),
        _patches(future),
        torch.cat([_summary(context), *ends], 1),
    )


def _patches(features: list[Tensor]) -> Tensor:
    """Features of N steps `[B, N]` as patches `[B, N / P, P * len(features)]`."""
    steps = torch.stack(features, -1)
    return steps.view(len(steps), -1, PATCH_LENGTH * len(features))


def _earlier_cycles(z: Tensor, weight: Tensor, lag: Tensor, steps: int) -> list[Tensor]:
    """`[B, steps]` each: the value one cycle of `lag [B, 1]` before, whether it is known, and the
    mean of several cycles. Steps of the horizon read the last cycles of the context."""
    length, step = z.shape[1], torch.arange(steps, device=z.device)
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


def _multiplicative_lines(context: Context, ahead: int) -> tuple[Tensor, ...]:
    """`[B, T]` each: levels with the seasonal pattern, and the second one
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
    levels = parts.levels[:, 1:].unsqueeze(-1)  # [B, A - 1, 1]
    lines = parts.pattern[:, None, z.shape[1] :] + levels
    sloped = lines[:, 1:2] + parts.slopes[:, 1:2, None] * damped
    lines = torch.cat([lines, sloped], 1)  # [B, A, T]
    highest = torch.where(context.observed, values, -torch.inf).amax(1, keepdim=True)
    lines = lines.minimum(highest[:, None] + MAX_LOG_GROWTH)
    raised = torch.asinh(-zero[:, None] * torch.expm1(lines))
    return torch.where(is_positive[:, None], raised, lines).unbind(1)


def _changes(context: Context, parts: Decomposition, ahead: int) -> list[Tensor]:
    """`[B, T]` each: slopes over the steps ahead, damped and not; the deviation of the newest level
    from the oldest, and the change since the last cycle, as they decay."""
    z, weight = context.z, context.observed.to(context.z.dtype)
    step, damped = _slope_factors(ahead, z)
    found = [
        slope * factor
        for slope in parts.slopes.split(1, 1)  # type: ignore[no-untyped-call]
        for factor in (step, damped)
    ]
    level = parts.levels[:, -1:] - parts.levels[:, :1]
    change = cycle_change(z, weight, context.periods.lags[:, :1])
    found += [level * decay**step for decay in DECAYS]
    return [*found, *(change * decay**step for decay in DECAYS[1:])]


def _slope_factors(ahead: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """What a slope and a damped slope are multiplied by at each step ahead, `[T]` each."""
    step = torch.arange(1, ahead + 1, device=like.device).to(like.dtype)
    return step, DAMPING * (1 - DAMPING**step) / (1 - DAMPING)


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
        level, before = _mean_where(u, newest, last), _mean_where(u, older, u.gather(1, first))
        return cls(last, level, before, drift, (level - before) / width)

    def lines(self, last_cycle: Tensor, lag: Tensor) -> list[Tensor]:
        """`[B, T]` normalized values each: the last value, without and with drift; the last cycle
        `[B, T]` of `lag [B, 1]` steps with its change; and the level."""
        ahead = torch.arange(1, last_cycle.shape[1] + 1, device=lag.device)
        cycles = (ahead - 1) // lag + 1
        found = [
            self.last.expand_as(last_cycle),
            self.last + self.drift * ahead,
            torch.sinh(last_cycle) + self.change * lag * cycles,
            self.level.expand_as(last_cycle),
        ]
        return [torch.asinh(each) for each in found]

    def summary(self, length: int) -> Tensor:
        """`[B, 5]`."""
        slopes = (self.drift * length, self.change * length)
        found = (self.last, self.level, self.before, *slopes)
        return torch.cat([torch.asinh(each) for each in found], 1) / 2


def _mean_where(u: Tensor, mask: Tensor, default: Tensor) -> Tensor:
    """Mean `[B, 1]` of `u [B, L]` where `mask`; `default` where there is none."""
    mean = masked_mean(u, mask.to(u.dtype))[:, None]
    return torch.where(mask.any(1, keepdim=True), mean, default)


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
        mean_change(z, weight, lag[:, None])[:, None]
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
