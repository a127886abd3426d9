"""Values far out of line, judged by nothing but what came before them.

A value is an outlier if it lies outside the fences of its row, and the fences come from earlier
observed values of its own series and target. So nothing later changes a verdict: whoever stands
at an origin may be told of all flags before it. Flagged values stay in the windows of later
fences; medians and quartiles bear them. Any other rule would call a new level an outlier for ever.

Sources: Tukey 1977, Exploratory Data Analysis, ch. 2 (quartiles and "far out"); Hampel 1974, The
influence curve and its role in robust estimation (median and MAD); Pearson 2002, Outliers in
process modeling and identification (the moving window, here a trailing one); Iglewicz and Hoaglin
1993, How to detect and handle outliers (the mean deviation where the median one is zero).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from pandas.api.indexers import BaseIndexer

from rnnforecast.types import Bools, Floats, Ints

Fences = tuple[Floats, Floats]

OutlierMethod = Literal["none", "hampel", "iqr", "seasonal"]
OutlierAction = Literal["missing", "clip", "flag"]

DEFAULT_THRESHOLDS: dict[OutlierMethod, float] = {
    "none": 0.0,
    "hampel": 6.0,
    "iqr": 3.0,
    "seasonal": 8.0,
}
"""How many spreads a fence is away, unless told otherwise."""
MIN_HISTORY = 10
"""Fewer earlier values than this, or than a season has, flag nothing."""
MIN_WINDOW = 25
"""The fewest observed values a trailing window takes in; it takes in two seasons too."""
UPDATES_PER_WINDOW = 50
"""A window longer than this is looked at anew not at every row, but so often in its length."""
MIN_RELATIVE_SCALE = 0.02
"""No spread counts as less than this share of the level, so that a series that has stood still
may wiggle."""
MAD_TO_STD = 1.4826
"""The standard deviation of a normal variable in median absolute deviations (MAD)."""
MEAN_DEVIATION_TO_STD = 1.2533
"""The same in mean absolute deviations."""
_MAX_WINDOW_CELLS = 1 << 20  # of windows in memory at a time


@dataclass(frozen=True)
class Outliers:
    """Which values are outliers, and between which bounds they would not be."""

    flags: Bools
    """[N, C] observed and outside the fences."""
    low: Floats
    """[N, C] original units; -inf where nothing is judged: too little history, no spread."""
    high: Floats
    """[N, C] the same, inf."""


def find_outliers(
    values: Floats,
    observed_mask: Bools,
    offsets: Ints,
    *,
    method: OutlierMethod,
    threshold: float | None,
    season: int,
) -> Outliers:
    """Judge every observed value by the earlier ones of its series and target.

    none      nothing is an outlier
    hampel    median ± threshold · 1.4826 · MAD of the values before, two seasons or 25 of them
    iqr       q1 - threshold · IQR to q3 + threshold · IQR of all the values before
    seasonal  the change since the same phase a season ago: its median ± threshold · 1.4826 · MAD
              over two seasons or 25 changes; judged against that phase two seasons ago as well

    No spread counts as less than `FLOOR` of the level; where the MAD falls below that (half of the
    values are the same: whole numbers, prices) the mean deviation may be more. Where both spread
    and level are 0 (mostly zeros, sales now and then) nothing is judged.

    Args:
        values: `[N, C]` original units; cells that are not observed may hold anything.
        observed: `[N, C]`.
        offsets: `[S+1]` the flat row at which each series begins, and N.
        threshold: positive; None for the method's own, see `THRESHOLDS`.
        season: steps, 1 for none.
    """
    if method == "none":  # nothing is judged: one number stands for all cells
        nothing = np.broadcast_to(np.False_, values.shape)
        ends = (np.broadcast_to(np.float64(end), values.shape) for end in (-np.inf, np.inf))
        return Outliers(nothing, *ends)
    low, high = np.full(values.shape, -np.inf), np.full(values.shape, np.inf)
    width = DEFAULT_THRESHOLDS[method] if threshold is None else threshold
    start = np.repeat(offsets[:-1], np.diff(offsets))  # [N] the first row of each row's series
    for c in range(values.shape[1]):
        rows = np.flatnonzero(observed_mask[:, c])  # [n]
        x = values[rows, c]
        begin = np.searchsorted(rows, start[rows])  # [n] the place in x of the series' first value
        with np.errstate(over="ignore", invalid="ignore"):  # infinitely far is no fence either
            if method == "iqr":
                fences = _iqr_fences(x, begin, width, season)
            elif method == "hampel":
                fences = _hampel_fences(x, begin, width, season)
            else:
                phase = start[rows] + (rows - start[rows]) % season  # [n] no two series share one
                fences = _seasonal_fences(x, begin, width, season, phase)
        judged = ~np.isnan(fences[0]) & ~np.isnan(fences[1])
        low[rows[judged], c], high[rows[judged], c] = fences[0][judged], fences[1][judged]
    return Outliers(observed_mask & ((values < low) | (values > high)), low, high)


def apply_outlier_action(
    values: Floats, observed_mask: Bools, outliers: Outliers, action: OutlierAction
) -> tuple[Floats, Bools]:
    """What the rest is to work with in place of `values` and `observed`, both `[N, C]`.

    missing  an outlier is NaN and not observed any more
    clip     an outlier is moved to the nearer fence
    flag     all stays as it is
    """
    flags = outliers.flags
    if action == "missing":
        return np.where(flags, np.nan, values), observed_mask & ~flags
    if action == "clip":
        fence = np.where(values < outliers.low, outliers.low, outliers.high)
        return np.where(flags, fence, values), observed_mask
    return values, observed_mask


def count_outliers(outliers: Outliers, offsets: Ints) -> Ints:
    """The outliers of each series, all targets together, `[S]`."""
    total = np.concatenate([[0], np.cumsum(outliers.flags.sum(axis=1))])
    return np.diff(total[offsets]).astype(np.int64)


def _hampel_fences(x: Floats, series_start: Ints, threshold: float, season: int) -> Fences:
    """Fences `[n]` around the trailing median; NaN where there is too little history."""
    past = _trailing_stats(x, series_start, season, max(season, MIN_HISTORY))
    reach = threshold * _robust_std(past, np.abs(past.median))
    return past.median - reach, past.median + reach


def _iqr_fences(x: Floats, series_start: Ints, threshold: float, season: int) -> Fences:
    """Fences `[n]` around the quartiles of all that came before; NaN where that is too little."""
    before = pd.Series(x).rolling(
        _PastWindowIndexer(series_start), min_periods=max(season, MIN_HISTORY)
    )
    q1, q3 = (before.quantile(q).to_numpy() for q in (0.25, 0.75))
    reach = threshold * np.maximum(q3 - q1, MIN_RELATIVE_SCALE * np.maximum(np.abs(q1), np.abs(q3)))
    reach = np.where(reach > 0, reach, np.nan)
    return q1 - reach, q3 + reach


def _seasonal_fences(
    x: Floats, series_start: Ints, threshold: float, season: int, phase: Ints
) -> Fences:
    """Fences `[n]` around the last two values of the same phase, moved by the usual change.

    One of the two alone would make an outlier of the good value a season after a bad one. Where
    a value of the phase is missing, the latest observed ones before it are taken.
    """
    order = np.argsort(phase, kind="stable")
    earlier = np.full((2, x.size), np.nan)
    for back in (1, 2):
        here, there = order[back:], order[:-back]
        same = phase[here] == phase[there]
        earlier[back - 1, here[same]] = x[there[same]]
    known = np.flatnonzero(~np.isnan(earlier[0]))  # [m] all but the first value of each phase
    first = np.searchsorted(known, series_start[known])
    changes = _trailing_stats((x - earlier[0])[known], first, season, MIN_HISTORY)
    level = _trailing_stats(np.abs(x), series_start, season, MIN_HISTORY).median
    centre, reach = np.full(x.size, np.nan), np.full(x.size, np.nan)
    centre[known] = changes.median
    reach[known] = threshold * _robust_std(changes, level[known])
    return earlier.min(axis=0) + centre - reach, earlier.max(axis=0) + centre + reach


class _TrailingStats(NamedTuple):
    """What the values before each one were like; `[n]`, NaN with too little history."""

    median: Floats
    mad: Floats
    """The median absolute deviation from the median (MAD)."""
    mean_deviation: Floats
    """The mean absolute deviation from the median."""


def _robust_std(stats: _TrailingStats, level: Floats) -> Floats:
    """A standard deviation `[n]`, or what stands for it; NaN where nothing can be said."""
    floor = MIN_RELATIVE_SCALE * level
    spread = MAD_TO_STD * stats.mad
    spread = np.where(
        spread < floor, np.maximum(MEAN_DEVIATION_TO_STD * stats.mean_deviation, floor), spread
    )
    return np.where(spread > 0, spread, np.nan)


def _trailing_stats(x: Floats, series_start: Ints, season: int, min_history: int) -> _TrailingStats:
    """Of two seasons of values before each one, or `WINDOW` of them, and of its own series only.

    NaN with fewer than `history`. Of a long window the newest values, at most one part in `FRESH`,
    are left out, so that not every row needs a window of its own.
    """
    window = max(2 * season + 1, MIN_WINDOW)
    age = np.arange(x.size) - series_start  # values before this one
    renewed = age % max(1, window // UPDATES_PER_WINDOW) == 0
    places = np.flatnonzero(renewed)
    windows = sliding_window_view(np.concatenate([np.full(window, np.inf), x]), window)
    found = np.full((3, places.size), np.nan)
    step = max(1, _MAX_WINDOW_CELLS // window)
    for some in range(0, places.size, step):
        part = places[some : some + step]
        count = np.minimum(age[part], window)[:, None]
        inside = np.arange(window) >= window - count  # [part, window] of this series
        near = np.where(inside, windows[part], np.inf)
        median = _median_of_smallest(near, count)
        far = np.abs(near - median)  # infinite where it is not inside
        mean = np.where(inside, far, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
        here = np.array([median, _median_of_smallest(far, count), mean])  # [3, part, 1]
        found[:, some : some + step] = np.where(count >= min_history, here, np.nan)[..., 0]
    return _TrailingStats(*found[:, np.cumsum(renewed) - 1])


def _median_of_smallest(cells: Floats, count: Ints) -> Floats:
    """The median of the `count` smallest of each row, `[rows, 1]`; infinite where it is 0."""
    cells = np.sort(cells, axis=1)
    lower = np.take_along_axis(cells, np.maximum(count - 1, 0) // 2, axis=1)
    upper = np.take_along_axis(cells, count // 2, axis=1)
    return lower / 2 + upper / 2  # their sum may overflow


class _PastWindowIndexer(BaseIndexer):
    """For pandas: the window of a row runs from the start of its series to the row before."""

    def __init__(self, series_start: Ints) -> None:
        super().__init__()
        self.series_start = series_start

    def get_window_bounds(
        self,
        num_values: int = 0,
        min_periods: int | None = None,
        center: bool | None = None,
        closed: str | None = None,
        step: int | None = None,
    ) -> tuple[Ints, Ints]:  # pandas asks for exactly these arguments
        return self.series_start, np.arange(num_values, dtype=np.int64)
