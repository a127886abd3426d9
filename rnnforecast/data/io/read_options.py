"""Options of reading: the spec's data section, and the covariates by kind."""

from __future__ import annotations

from dataclasses import dataclass

from rnnforecast.spec.data import DataSpec


@dataclass(frozen=True)
class ReadOptions:
    """How files are read and which columns besides the time, series and targets."""

    data: DataSpec
    covariates: tuple[str, ...] = ()
    """Names and patterns; once resolved, names in the order of the network's inputs."""
    categorical: tuple[str, ...] = ()
    """Covariates read as text; those in neither list are inferred from their cells."""
    numeric: tuple[str, ...] = ()
