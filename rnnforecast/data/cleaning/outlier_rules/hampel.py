"""Median ± threshold · 1.4826 · MAD of the last two seasons of values, at least 25.

Sources: Hampel 1974, The influence curve and its role in robust estimation (median and MAD);
Pearson 2002, Outliers in process modeling and identification (the moving window; here it trails).
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
DEFAULT_THRESHOLD = 6.0


def limits(history: ObservedHistory, threshold: float) -> Limits:
    """Limits `[n]` around the trailing median."""
    stats = trailing_stats(
        history.values, history.series_start, history.season, max(history.season, MIN_HISTORY)
    )
    reach = threshold * robust_std(stats, np.abs(stats.median))
    return stats.median - reach, stats.median + reach
