"""The combination of the statistical methods: the mean of their forecasts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.statistical import exponential_smoothing, theta
from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Floats

METHODS = {"theta": theta.forecast, "exponential smoothing": exponential_smoothing.forecast}

MIN_HISTORY, MIN_SEASONS = 300, 6
"""Steps and seasons of history that are read at most, the longer of both."""


def max_history(season: int, horizon: int) -> int:
    """The number of steps before the origin that the methods read."""
    return max(MIN_HISTORY, MIN_SEASONS * season, 3 * horizon)


def forecast(histories: Histories, *, season: int, horizon: int, levels: Sequence[float]) -> Floats:
    """Quantiles of the combination at `levels`, `[M, H, Q]`; NaN without a value."""
    forecasts = [
        method(histories, season=season, horizon=horizon).quantiles(levels)
        for method in METHODS.values()
    ]
    return np.asarray(np.mean(forecasts, axis=0))
