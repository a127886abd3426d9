"""`clean.fill_value` as a placeholder; the cell is marked as missing for the network."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.cleaning.imputation import ImputerOptions
from rnnforecast.data.cleaning.observations import ObservationIndex
from rnnforecast.types import Floats

TRAITS = ("masks", "constant", "needs_value")


def fill(index: ObservationIndex, options: ImputerOptions) -> Floats:
    """`[N, C]` values for missing cells."""
    return np.full_like(index.values, options.fill_value)
