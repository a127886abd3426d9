"""Options of reading: the spec's data section, and the covariates."""

from __future__ import annotations

from dataclasses import dataclass

from rnnforecast.spec.data import DataSpec


@dataclass(frozen=True)
class ReadOptions:
    """How files are read, and which covariates."""

    data: DataSpec
    covariates: tuple[str, ...] = ()
    """Names and patterns; once resolved, names only."""
    categorical: tuple[str, ...] = ()
    """Covariates that are read as text."""
    numeric: tuple[str, ...] = ()
    """Covariates that are read as numbers; the type of all others is inferred from their cells."""
    known_time_format: str | None = None
    """The value of `data.time_format` that was inferred at training; kept where it fits."""
    known_marks: tuple[str, str] | None = None
    """The decimal mark and thousands separator of the numbers at training; they decide where
    numbers could be read in two ways."""
