"""Change since the same phase a season ago: its median ± threshold · 1.4826 · MAD.

Median and MAD are over the last two seasons of changes, at least 25. A value is also compared with
the same phase two seasons ago.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.data.cleaning.outliers import (
    MIN_HISTORY,
    Limits,
    ObservedHistory,
    robust_std,
    trailing_stats,
)

TRAITS = ()
DEFAULT_THRESHOLD = 8.0


def limits(history: ObservedHistory, threshold: float) -> Limits:
    """Limits `[n]` around the last two observed values of the same phase, shifted by the median
    change.

    With one value only, a normal value would be flagged a season after an outlier.
    """
    x, series_start, season = history.values, history.series_start, history.season
    order = np.argsort(history.phase, kind="stable")
    earlier = np.full((2, x.size), np.nan)
    for back in (1, 2):
        here, there = order[back:], order[:-back]
        same = history.phase[here] == history.phase[there]
        earlier[back - 1, here[same]] = x[there[same]]
    known = np.flatnonzero(~np.isnan(earlier[0]))  # [m] all but the first value of each phase
    first = np.searchsorted(known, series_start[known])
    changes = trailing_stats((x - earlier[0])[known], first, season, MIN_HISTORY)
    level = trailing_stats(np.abs(x), series_start, season, MIN_HISTORY).median
    center, reach = np.full(x.size, np.nan), np.full(x.size, np.nan)
    center[known] = changes.median
    reach[known] = threshold * robust_std(changes, level[known])
    return earlier.min(axis=0) + center - reach, earlier.max(axis=0) + center + reach
