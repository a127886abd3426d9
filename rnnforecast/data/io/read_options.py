"""What is read and how it is written, as a plan that is settled by the first table read with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table

AUTO_COLUMNS = ("auto",)
"""In place of the columns' names: to be recognised."""


@dataclass(frozen=True)
class ReadOptions:
    """The columns by role and the way files are written; plain values, stored with a run."""

    time: str = "auto"
    series: tuple[str, ...] = AUTO_COLUMNS
    targets: tuple[str, ...] = AUTO_COLUMNS
    covariates: tuple[str, ...] = ()
    """Names and patterns; once settled names, in the order the network knows them by."""
    categorical: tuple[str, ...] = ()
    """Covariates that are read as text; the others by what they look like until settled."""
    numeric: tuple[str, ...] = ()
    separator: str = "auto"
    decimal: str = "auto"
    thousands: str = "auto"
    missing_values: tuple[str, ...] = ()
    encoding: str = "auto"
    time_format: str | None = None
    timezone: str = ""

    def to_kwargs(self) -> dict[str, Any]:
        """Those of `read.read`."""
        return {
            "time": self.time,
            "series": _auto_or_list(self.series),
            "targets": _auto_or_list(self.targets),
            "covariates": list(self.covariates),
            "categorical": list(self.categorical),
            "numeric": list(self.numeric),
            "separator": self.separator,
            "decimal": self.decimal,
            "thousands": self.thousands,
            "missing_values": self.missing_values,
            "encoding": self.encoding,
            "time_format": self.time_format,
            "allow_mixed_offsets": bool(self.timezone),
        }

    def resolve(self, table: Table) -> ReadOptions:
        """With the roles and kinds of columns that the table has."""
        words = tuple(name for name, column in table.covariates.items() if column.is_categorical)
        return replace(
            self,
            time=table.roles.time,
            series=table.roles.series,
            targets=table.roles.targets,
            covariates=tuple(table.covariates),
            categorical=words,
            numeric=tuple(name for name in table.covariates if name not in words),
        )


def _auto_or_list(names: Sequence[str]) -> str | list[str]:
    return "auto" if tuple(names) == AUTO_COLUMNS else list(names)
