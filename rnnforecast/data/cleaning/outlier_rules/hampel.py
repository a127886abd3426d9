"""Median ± threshold · 1.4826 · MAD of the values before, two seasons or 25 of them.

Sources: Hampel 1974, The influence curve and its role in robust estimation (median and MAD);
Pearson 2002, Outliers in process modeling and identification (the moving window, here a trailing
one).
"""

from __future__ import annotations

import numpy as np

from rnnforecast.data.cleaning.outliers import (
    MIN_HISTORY,
    Fences,
    ObservedHistory,
    robust_std,
    trailing_stats,
)

TRAITS = ()
DEFAULT_THRESHOLD = 6.0


def fences(history: ObservedHistory, threshold: float) -> Fences:
    """Fences `[n]` around the trailing median."""
    stats = trailing_stats(
        history.values, history.series_start, history.season, max(history.season, MIN_HISTORY)
    )
    reach = threshold * robust_std(stats, np.abs(stats.median))
    return stats.median - reach, stats.median + reach
