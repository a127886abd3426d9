"""What is read and how it is written, as a plan that is settled by the first table read with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table

AUTO = ("auto",)
"""In place of the columns' names: to be recognised."""


@dataclass(frozen=True)
class Reading:
    """The columns by role and the way files are written; plain values, stored with a run."""

    time: str = "auto"
    series: tuple[str, ...] = AUTO
    targets: tuple[str, ...] = AUTO
    covariates: tuple[str, ...] = ()
    """Names and patterns; once settled names, in the order the network knows them by."""
    words: tuple[str, ...] = ()
    """Covariates that are read as text; the others by what they look like until settled."""
    numbers: tuple[str, ...] = ()
    separator: str = "auto"
    decimal: str = "auto"
    thousands: str = "auto"
    missing_values: tuple[str, ...] = ()
    encoding: str = "auto"
    time_format: str | None = None
    timezone: str = ""

    def arguments(self) -> dict[str, Any]:
        """Those of `read.read`."""
        return {
            "time": self.time,
            "series": _open(self.series),
            "targets": _open(self.targets),
            "covariates": list(self.covariates),
            "words": list(self.words),
            "numbers": list(self.numbers),
            "separator": self.separator,
            "decimal": self.decimal,
            "thousands": self.thousands,
            "missing": self.missing_values,
            "encoding": self.encoding,
            "time_format": self.time_format,
            "offsets_may_differ": bool(self.timezone),
        }

    def settled(self, table: Table) -> Reading:
        """With the roles and kinds of columns that the table has."""
        words = tuple(name for name, column in table.covariates.items() if column.is_words)
        return replace(
            self,
            time=table.roles.time,
            series=table.roles.series,
            targets=table.roles.targets,
            covariates=tuple(table.covariates),
            words=words,
            numbers=tuple(name for name in table.covariates if name not in words),
        )


def _open(names: Sequence[str]) -> str | list[str]:
    return "auto" if tuple(names) == AUTO else list(names)
