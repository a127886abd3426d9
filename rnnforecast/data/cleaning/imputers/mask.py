"""The last observed value as a placeholder; the cell is marked as missing for the network."""

from __future__ import annotations

from rnnforecast.data.cleaning.imputation import ImputerOptions
from rnnforecast.data.cleaning.observations import ObservationIndex
from rnnforecast.types import Floats

TRAITS = ("masks",)


def fill(index: ObservationIndex, options: ImputerOptions) -> Floats:
    """`[N, C]` values for missing cells."""
    return index.forward_filled
