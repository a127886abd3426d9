"""Checks of the values: missing rows, an empty last period, shifts of level and spread."""

from __future__ import annotations

import numpy as np

from rnnforecast.pipeline.checks.context import Check, CheckContext, Measured
from rnnforecast.pipeline.checks.finding import first_labels
from rnnforecast.pipeline.panel_statistics import (
    PeriodCounts,
    last_period,
    median_change,
    median_level,
    median_plan_steps,
    window_values,
)
from rnnforecast.pipeline.training_profile import FEW_SERIES
from rnnforecast.types import Floats

MAX_BLANK_STEPS = 3
"""So many more rows ahead than in the training are taken for steps whose values are missing, where
the clock says nothing about the data."""
SMALL_SPREAD = 1e-3
"""Changes from step to step below this share of the level are no spread."""


def _empty_last_period(context: CheckContext, limit: float) -> Measured | None:
    panel, usual = context.panel, context.profile.empty_share
    if panel.irregular_timestamps is not None:
        return None
    last = last_period(
        panel,
        context.data.series,
        ~context.is_far,
        context.profile.width,
        _blank_plan_steps(context),
    )
    is_empty = last.is_empty
    if len(is_empty) < FEW_SERIES:  # a zero says little, but of series that were never near zero
        above_zero = context.profile.above_zero[context.position] & context.is_known[:, None]
        is_empty = is_empty & (last.is_late[:, None] | above_zero)
    share = is_empty[last.active].mean(axis=0)  # [C]
    beyond = share - usual[last.ordinal % len(usual)]
    target = int(np.argmax(beyond))
    count = int(is_empty[last.active, target].sum())
    of_target = f" of {panel.target_names[target]}" if len(panel.target_names) > 1 else ""
    message = (
        f"the last period, {context.format_ordinal(last.ordinal)}, is zero or blank in {count:,} "
        f"of {last.active.sum():,} series{of_target}"
    )
    labels = context.labels[last.active & is_empty[:, target]]
    return Measured(float(beyond[target]), message, count, first_labels(labels))


def _blank_plan_steps(context: CheckContext) -> int:
    """Steps of the rows of covariates known ahead that are not ahead: the rows reach further beyond
    the values than in the training, and values have come to be late."""
    longer = median_plan_steps(context.panel) - context.profile.plan_steps
    usual = context.age_at_training
    if usual is None or context.is_historic:
        return longer if 0 < longer <= MAX_BLANK_STEPS else 0
    age = usual if context.now_period is None else context.now_period - 1 - context.latest
    is_late = age > usual or context.latest < context.profile.data_end
    return max(longer, 0) if is_late else 0


def _missing_rows(context: CheckContext, limit: float) -> Measured | None:
    usual, width = context.profile.observed_share, context.profile.width
    if context.panel.irregular_timestamps is not None or not usual:
        return None
    expected = ~context.is_far
    expected &= ~context.is_known | context.profile.is_active()[context.position]
    if not expected.any():
        return None
    counts = PeriodCounts.of_panel(context.panel, expected, width)
    share = float(counts.observed_share(width)[-1])
    n_missing = int(counts.alive.sum()) * counts.observed.shape[1] - int(counts.observed.sum())
    message = (
        f"of the values of the last {len(counts.alive)} periods {n_missing:,} are missing: "
        f"{share:.0%} are there, usually {usual:.0%} or more"
    )
    return Measured(1 - share / usual, message, n_missing)


def _recent(context: CheckContext) -> tuple[Floats, Floats]:
    """[S, C] level and spread of the last values."""
    panel, width = context.panel, context.profile.width
    windows = [
        window_values(column, panel.offsets, panel.lengths, width) for column in panel.targets.T
    ]
    level = np.stack([median_level(window) for window in windows], axis=1)
    return level, np.stack([median_change(window) for window in windows], axis=1)


def _factor(
    own: Floats, low: Floats, high: Floats, slack: tuple[Floats | float, Floats | float]
) -> Floats:
    """[...] the signed factor by which values lie above the highest or, negative, below the lowest
    ones, or are between them. The slack of each side is added to both: smaller values are alike."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        above = (own + slack[0]) / (high + slack[0])
        below = (low + slack[1]) / (own + slack[1])
    return np.where(np.isnan(above + below), np.nan, np.where(above >= below, above, -below))


def level_factors(context: CheckContext) -> Floats:
    """[S, C] the factors of the levels of known series; those of new ones are NaN."""
    profile, position = context.profile, context.position
    level, _ = _recent(context)
    spreads = profile.spread_low[position], profile.spread_high[position]
    slack = np.nan_to_num(spreads[0]), np.nan_to_num(spreads[1])
    found = _factor(level, profile.low[position], profile.high[position], slack)
    return np.where(context.is_known[:, None], found, np.nan)


def _median_of(factors: Floats) -> Floats:
    """[C] the median over the series; NaN without any."""
    known = [column[np.isfinite(column)] for column in factors.T]
    return np.array([np.median(column) if len(column) else np.nan for column in known])


def _most(factors: Floats) -> tuple[int, float] | None:
    """The place of the factor that is farthest from 1, and how far; None without any."""
    size = np.abs(factors)
    if not np.isfinite(size).any():
        return None
    place = int(np.nanargmax(size))
    return place, float(size[place])


def _describe(subject: str, factor: float, what: str) -> str:
    """``the median series has 1,000 times the highest level of the training``."""
    if factor >= 0:
        return f"{subject} has {factor:,.3g} times the highest {what} of the training"
    return f"{subject} has 1/{-factor:,.3g} of the lowest {what} of the training"


def _of_target(context: CheckContext, target: int) -> str:
    names = context.panel.target_names
    return f" in {names[target]}" if len(names) > 1 else ""


def _level_shift(context: CheckContext, limit: float) -> Measured | None:
    profile = context.profile
    if context.is_known.any():
        factors = _median_of(level_factors(context))
    else:  # all names are new: the whole population is compared
        level = _median_of(_recent(context)[0])
        low, high = np.fmin.reduce(profile.low), np.fmax.reduce(profile.high)
        factors = _factor(level, low, high, (0.0, 0.0))
    if (most := _most(factors)) is None:
        return None
    target, size = most
    subject = f"the median series{_of_target(context, target)}"
    return Measured(size, _describe(subject, factors[target], "level"), context.panel.n_series)


def _total_shift(context: CheckContext, limit: float) -> Measured | None:
    level, _ = _recent(context)
    before = np.where(context.is_known[:, None], context.profile.level[context.position], np.nan)
    both = np.isfinite(level) & np.isfinite(before)
    now, then = np.where(both, level, 0).sum(axis=0), np.where(both, before, 0).sum(axis=0)
    low, high = context.profile.total_range
    factors = _factor(now, low * then, high * then, (0.0, 0.0))
    if (most := _most(factors)) is None:
        return None
    target, size = most
    subject = f"the sum of the series{_of_target(context, target)}"
    return Measured(size, _describe(subject, factors[target], "level"), int(both[:, target].sum()))


def _series_shift(context: CheckContext, limit: float) -> Measured | None:
    factors = level_factors(context)
    if (most := _most(factors.ravel())) is None:
        return None
    series, target = divmod(most[0], factors.shape[1])
    beyond = np.flatnonzero((np.abs(factors) > limit).any(axis=1))
    subject = f"{context.labels[series]}{_of_target(context, target)}"
    message = _describe(subject, factors[series, target], "level")
    if len(beyond) > 1:
        message += f", and {len(beyond) - 1:,} more series are beyond {limit:g}"
    return Measured(most[1], message, len(beyond), first_labels(context.labels[beyond]))


def _spread_shift(context: CheckContext, limit: float) -> Measured | None:
    profile, position = context.profile, context.position
    _, spread = _recent(context)
    slack = SMALL_SPREAD * profile.high[position]
    found = _factor(
        spread, profile.spread_low[position], profile.spread_high[position], (slack, slack)
    )
    factors = _median_of(np.where(context.is_known[:, None], found, np.nan))
    if (most := _most(factors)) is None:
        return None
    target, size = most
    subject = f"the median series{_of_target(context, target)}"
    return Measured(
        size,
        _describe(subject, factors[target], "change from step to step"),
        int(context.is_known.sum()),
    )


def _last_values_shift(context: CheckContext, limit: float) -> Measured | None:
    """A unit that changed a day ago, which the level of a season does not show yet."""
    panel, profile, position = context.panel, context.profile, context.position
    last = np.abs(panel.targets[panel.offsets[1:] - 1])  # [S, C]
    usable = context.is_known[:, None] & (last > 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factors = _median_of(np.where(usable, last / profile.high[position], np.nan))
    if (most := _most(factors)) is None:
        return None
    target, size = most
    subject = f"the last value of the median series{_of_target(context, target)}"
    when = "of the training" if context.run.is_trained else "so far"
    message = f"{subject} is {size:,.3g} times the highest level {when}"
    return Measured(size, message, int(context.is_known.sum()))


UNITS = "see whether the unit of the values has changed"
VALUE_CHECKS = (
    Check(
        "empty_last_period",
        _empty_last_period,
        "share of series",
        "see whether the last delivery is complete",
    ),
    Check(
        "missing_rows",
        _missing_rows,
        "share of values",
        "see whether deliveries failed",
    ),
    Check("level_shift", _level_shift, "factor", UNITS),
    Check("total_shift", _total_shift, "factor", UNITS),
    Check("series_shift", _series_shift, "factor", UNITS),
    Check("last_values_shift", _last_values_shift, "factor", UNITS),
    Check(
        "spread_shift",
        _spread_shift,
        "factor",
        "see whether values are repeated, smoothed or of another unit",
    ),
)
