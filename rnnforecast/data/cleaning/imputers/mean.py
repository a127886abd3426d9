"""The mean of the earlier observed values of the series."""

from __future__ import annotations

from rnnforecast.data.cleaning.imputation import ImputerOptions
from rnnforecast.data.cleaning.observations import ObservationIndex, expanding_statistic
from rnnforecast.types import Floats

TRAITS = ()


def fill(index: ObservationIndex, options: ImputerOptions) -> Floats:
    """`[N, C]` values of missing cells; ignored elsewhere."""
    return expanding_statistic(index.values, index.observed_mask, index.offsets, "mean")
