"""Zero for every missing cell."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.cleaning.imputation import ImputerOptions
from rnnforecast.data.cleaning.observations import ObservationIndex
from rnnforecast.types import Floats

TRAITS = ("constant",)


def fill(index: ObservationIndex, options: ImputerOptions) -> Floats:
    """`[N, C]` values of missing cells; ignored elsewhere."""
    return np.zeros_like(index.values)
