"""The last observed value as a placeholder; the value mask still marks the cell as missing."""

from __future__ import annotations

from rnnforecast.data.cleaning.imputation import ImputerOptions
from rnnforecast.data.cleaning.observations import ObservationIndex
from rnnforecast.types import Floats

TRAITS = ("masks",)


def fill(index: ObservationIndex, options: ImputerOptions) -> Floats:
    """`[N, C]` values of missing cells; ignored elsewhere."""
    return index.forward_filled
