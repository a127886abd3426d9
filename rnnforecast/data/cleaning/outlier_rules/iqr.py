"""Q1 - threshold · IQR to Q3 + threshold · IQR of all earlier values.

Source: Tukey 1977, Exploratory Data Analysis, ch. 2 (quartiles and "far out").
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnforecast.data.cleaning.observations import RowWindowIndexer
from rnnforecast.data.cleaning.outliers import (
    MIN_HISTORY,
    MIN_RELATIVE_SCALE,
    Limits,
    ObservedHistory,
)

TRAITS = ()
DEFAULT_THRESHOLD = 3.0


def limits(history: ObservedHistory, threshold: float) -> Limits:
    """Limits `[n]` around the quartiles of all earlier values of the series."""
    x = history.values
    indexer = RowWindowIndexer(history.series_start, np.arange(x.size, dtype=np.int64))
    before = pd.Series(x).rolling(indexer, min_periods=max(history.season, MIN_HISTORY))
    q1, q3 = (before.quantile(q).to_numpy() for q in (0.25, 0.75))
    reach = threshold * np.maximum(q3 - q1, MIN_RELATIVE_SCALE * np.maximum(np.abs(q1), np.abs(q3)))
    reach = np.where(reach > 0, reach, np.nan)
    return q1 - reach, q3 + reach
