"""Linear interpolation between the neighboring observations, by timestamps."""

from __future__ import annotations

from rnnforecast.data.cleaning.imputation import ImputerOptions
from rnnforecast.data.cleaning.observations import ObservationIndex
from rnnforecast.types import Floats

TRAITS = ("looks_ahead", "needs_timestamps")


def fill(index: ObservationIndex, options: ImputerOptions) -> Floats:
    """`[N, C]` values of missing cells; ignored elsewhere."""
    if options.timestamps is None:
        raise ValueError("the method needs the timestamps of the rows")
    return index.interpolate(options.timestamps)
