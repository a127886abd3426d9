"""Outliers: values outside limits computed from earlier values of the same series and target.

Later values never change a flag, so all flags before an origin are known at the origin. Flagged
values stay in the windows of later limits: medians and quartiles are robust to them, and without
them a shift of the level would be flagged forever.

Source: Iglewicz and Hoaglin 1993, How to detect and handle outliers (the mean deviation where the
median deviation is zero). Each rule in `outlier_rules` names its own sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rnnforecast.registry import OUTLIER_RULES
from rnnforecast.types import Bools, Floats, Ints

Limits = tuple[Floats, Floats]
OutlierAction = Literal["missing", "clip", "flag"]

MIN_HISTORY = 10
"""The fewest earlier values (`seasonal`: changes) for limits; `hampel` and `iqr` also need as many
as a season has."""
MIN_WINDOW = 25
"""The length of a trailing window in observed values, unless two seasons are longer."""
UPDATES_PER_WINDOW = 50
"""The statistics of a long window are updated this often per window length, not at every row."""
MIN_RELATIVE_SCALE = 0.02
"""The smallest scale, as a share of the level, so that a series that was constant may vary a
little."""
MAD_TO_STD = 1.4826
"""Standard deviation of a normal variable divided by its median absolute deviation (MAD)."""
MEAN_DEVIATION_TO_STD = 1.2533
"""Standard deviation of a normal variable divided by its mean absolute deviation."""
_MAX_WINDOW_CELLS = 1 << 20  # cells of all windows in memory at a time


@dataclass(frozen=True)
class Outliers:
    """Flags and limits; `[N, C]` each."""

    flags: Bools
    """Observed and outside the limits."""
    low: Floats
    """Original units; -inf where there is no limit (too little history, or a scale of 0)."""
    high: Floats
    """Original units; inf where there is no limit."""


@dataclass(frozen=True)
class ObservedHistory:
    """The observed values of one target, all series one after the other; `[n]` each."""

    values: Floats
    series_start: Ints
    """The position in `values` of the first value of each value's series."""
    phase: Ints
    """A number for each phase of the season in each series."""
    season: int


def find_outliers(
    values: Floats,
    observed_mask: Bools,
    offsets: Ints,
    *,
    method: str,
    threshold: float | None,
    season: int,
) -> Outliers:
    """Flags observed values outside the limits of a rule.

    The scale is at least `MIN_RELATIVE_SCALE` of the level. Where the MAD is below that (half of
    the values are equal, as with whole numbers or prices), the mean deviation is used if larger.
    Where scale and level are both 0 (mostly zeros, as in intermittent sales) there is no limit.

    Args:
        values: `[N, C]` original units; cells that are not observed may hold anything.
        observed_mask: `[N, C]`.
        offsets: `[S+1]` the flat row at which each series begins, and N.
        method: a name in `OUTLIER_RULES`.
        threshold: in units of the rule's scale, positive; None for the rule's default.
        season: steps, 1 for none.
    """
    if "flags_nothing" in OUTLIER_RULES.traits(method):  # arrays without memory of their own
        flags = np.broadcast_to(np.False_, values.shape)
        limits = (np.broadcast_to(np.float64(limit), values.shape) for limit in (-np.inf, np.inf))
        return Outliers(flags, *limits)
    low, high = np.full(values.shape, -np.inf), np.full(values.shape, np.inf)
    if threshold is None:
        threshold = OUTLIER_RULES.literal(method, "DEFAULT_THRESHOLD")
    rule = OUTLIER_RULES.load(method)
    start = np.repeat(offsets[:-1], np.diff(offsets))  # [N] the first row of each row's series
    for c in range(values.shape[1]):
        rows = np.flatnonzero(observed_mask[:, c])  # [n]
        first = start[rows]
        phase = first + (rows - first) % season
        history = ObservedHistory(values[rows, c], np.searchsorted(rows, first), phase, season)
        with np.errstate(over="ignore", invalid="ignore"):  # overflow gives infinite limits
            lower, upper = rule.limits(history, threshold)
        has_limits = ~np.isnan(lower) & ~np.isnan(upper)
        low[rows[has_limits], c] = lower[has_limits]
        high[rows[has_limits], c] = upper[has_limits]
    return Outliers(observed_mask & ((values < low) | (values > high)), low, high)


def apply_outlier_action(
    values: Floats, observed_mask: Bools, outliers: Outliers, action: OutlierAction
) -> tuple[Floats, Bools]:
    """Values and observed mask, both `[N, C]`, after `clean.outlier_action`.

    missing  an outlier becomes NaN and not observed
    clip     an outlier is replaced by the limit that it exceeds
    flag     nothing changes
    """
    flags = outliers.flags
    if action == "missing":
        return np.where(flags, np.nan, values), observed_mask & ~flags
    if action == "clip":
        limit = np.where(values < outliers.low, outliers.low, outliers.high)
        return np.where(flags, limit, values), observed_mask
    return values, observed_mask


class TrailingStats(NamedTuple):
    """Statistics of the values before each one; `[n]`, NaN with too little history."""

    median: Floats
    mad: Floats
    """Median absolute deviation from the median."""
    mean_deviation: Floats
    """Mean absolute deviation from the median."""


def robust_std(stats: TrailingStats, level: Floats) -> Floats:
    """A robust standard deviation `[n]`, at least `MIN_RELATIVE_SCALE * level`; NaN if 0."""
    floor = MIN_RELATIVE_SCALE * level
    std = MAD_TO_STD * stats.mad
    std = np.where(
        std < floor, np.maximum(MEAN_DEVIATION_TO_STD * stats.mean_deviation, floor), std
    )
    return np.where(std > 0, std, np.nan)


def trailing_stats(x: Floats, series_start: Ints, season: int, min_history: int) -> TrailingStats:
    """Statistics of the values before each one in its series: those of two seasons, or
    `MIN_WINDOW` if that is more.

    NaN with fewer than `min_history`. Several values share a long window: its newest values, fewer
    than one in `UPDATES_PER_WINDOW`, are left out.
    """
    window = max(2 * season + 1, MIN_WINDOW)
    age = np.arange(x.size) - series_start  # values before this one
    is_updated = age % max(1, window // UPDATES_PER_WINDOW) == 0
    positions = np.flatnonzero(is_updated)
    windows = sliding_window_view(np.concatenate([np.full(window, np.inf), x]), window)
    result = np.full((3, positions.size), np.nan)
    step = max(1, _MAX_WINDOW_CELLS // window)
    for begin in range(0, positions.size, step):
        part = positions[begin : begin + step]
        count = np.minimum(age[part], window)[:, None]
        inside = np.arange(window) >= window - count  # [part, window] of this series
        near = np.where(inside, windows[part], np.inf)
        median = _median_of_smallest(near, count)
        distance = np.abs(near - median)  # infinite outside
        mean = np.where(inside, distance, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
        stats = np.array([median, _median_of_smallest(distance, count), mean])  # [3, part, 1]
        result[:, begin : begin + step] = np.where(count >= min_history, stats, np.nan)[..., 0]
    return TrailingStats(*result[:, np.cumsum(is_updated) - 1])


def _median_of_smallest(cells: Floats, count: Ints) -> Floats:
    """The median of the `count` smallest cells of each row, `[rows, 1]`; infinite if `count` is
    0."""
    cells = np.sort(cells, axis=1)
    lower = np.take_along_axis(cells, np.maximum(count - 1, 0) // 2, axis=1)
    upper = np.take_along_axis(cells, count // 2, axis=1)
    return lower / 2 + upper / 2  # their sum may overflow
