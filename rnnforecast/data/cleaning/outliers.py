"""Outliers: values outside fences that earlier values of their series and target set.

Nothing later changes a verdict, so that all flags before an origin are known there. Flagged values
stay in the windows of later fences; medians and quartiles are robust to them. Any other choice
would flag a new level forever.

Source: Iglewicz and Hoaglin 1993, How to detect and handle outliers (the mean deviation where the
median one is zero). Those of the rules are in `outlier_rules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rnnforecast.registry import OUTLIER_RULES
from rnnforecast.types import Bools, Floats, Ints

Fences = tuple[Floats, Floats]
OutlierAction = Literal["missing", "clip", "flag"]

MIN_HISTORY = 10
"""With fewer earlier values than this, or than a season has, nothing is flagged."""
MIN_WINDOW = 25
"""The fewest observed values of a trailing window; it holds two seasons too."""
UPDATES_PER_WINDOW = 50
"""The statistics of a longer window are updated so often in its length, not at every row."""
MIN_RELATIVE_SCALE = 0.02
"""No spread counts as less than this share of the level, so that a series that was constant may
vary a little."""
MAD_TO_STD = 1.4826
"""Standard deviation of a normal variable in units of its median absolute deviation (MAD)."""
MEAN_DEVIATION_TO_STD = 1.2533
"""The same in units of its mean absolute deviation."""
_MAX_WINDOW_CELLS = 1 << 20  # of windows in memory at a time


@dataclass(frozen=True)
class Outliers:
    """Flags and fences."""

    flags: Bools
    """[N, C] observed and outside the fences."""
    low: Floats
    """[N, C] original units; -inf where there is no fence: too little history, no spread."""
    high: Floats
    """[N, C] the same, inf."""


@dataclass(frozen=True)
class ObservedHistory:
    """The observed values of one target, all series one after the other; `[n]` each."""

    values: Floats
    series_start: Ints
    """The position in `values` of the series' first value."""
    phase: Ints
    """The phase of the season; no two series share one."""
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
    """Flag observed values that lie outside the fences of a rule.

    No spread counts as less than `MIN_RELATIVE_SCALE` of the level; where the MAD is below that
    (half of the values are equal: whole numbers, prices) the mean deviation may be larger. Where
    both spread and level are 0 (mostly zeros, intermittent sales) there is no fence.

    Args:
        values: `[N, C]` original units; cells that are not observed may hold anything.
        observed_mask: `[N, C]`.
        offsets: `[S+1]` the flat row at which each series begins, and N.
        method: a name in `OUTLIER_RULES`.
        threshold: in spreads, positive; None for the rule's own.
        season: steps, 1 for none.
    """
    if "no_fences" in OUTLIER_RULES.traits(method):  # one number in place of arrays
        flags = np.broadcast_to(np.False_, values.shape)
        ends = (np.broadcast_to(np.float64(end), values.shape) for end in (-np.inf, np.inf))
        return Outliers(flags, *ends)
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
        with np.errstate(over="ignore", invalid="ignore"):  # an infinite fence is none
            lower, upper = rule.fences(history, threshold)
        has_fences = ~np.isnan(lower) & ~np.isnan(upper)
        low[rows[has_fences], c] = lower[has_fences]
        high[rows[has_fences], c] = upper[has_fences]
    return Outliers(observed_mask & ((values < low) | (values > high)), low, high)


def apply_outlier_action(
    values: Floats, observed_mask: Bools, outliers: Outliers, action: OutlierAction
) -> tuple[Floats, Bools]:
    """Values and observed mask, both `[N, C]`, after `clean.outlier_action`.

    missing  an outlier becomes NaN and not observed
    clip     an outlier is moved to the nearer fence
    flag     nothing changes
    """
    flags = outliers.flags
    if action == "missing":
        return np.where(flags, np.nan, values), observed_mask & ~flags
    if action == "clip":
        fence = np.where(values < outliers.low, outliers.low, outliers.high)
        return np.where(flags, fence, values), observed_mask
    return values, observed_mask


class TrailingStats(NamedTuple):
    """Statistics of the values before each one; `[n]`, NaN with too little history."""

    median: Floats
    mad: Floats
    """The median absolute deviation from the median (MAD)."""
    mean_deviation: Floats
    """The mean absolute deviation from the median."""


def robust_std(stats: TrailingStats, level: Floats) -> Floats:
    """A robust standard deviation `[n]`; NaN where both spread and level are 0."""
    floor = MIN_RELATIVE_SCALE * level
    spread = MAD_TO_STD * stats.mad
    spread = np.where(
        spread < floor, np.maximum(MEAN_DEVIATION_TO_STD * stats.mean_deviation, floor), spread
    )
    return np.where(spread > 0, spread, np.nan)


def trailing_stats(x: Floats, series_start: Ints, season: int, min_history: int) -> TrailingStats:
    """Statistics of the two seasons, or `MIN_WINDOW`, of values of the series before each one.

    NaN with fewer than `min_history`. Of a long window the newest values, at most one part in
    `UPDATES_PER_WINDOW`, are left out, so that not every row needs a window of its own.
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
    """The median of the `count` smallest of each row, `[rows, 1]`; infinite where it is 0."""
    cells = np.sort(cells, axis=1)
    lower = np.take_along_axis(cells, np.maximum(count - 1, 0) // 2, axis=1)
    upper = np.take_along_axis(cells, count // 2, axis=1)
    return lower / 2 + upper / 2  # their sum may overflow
