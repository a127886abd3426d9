"""Aggregation rules of each column for rows of the same timestamp or period."""

from __future__ import annotations

from rnnforecast.data.io.table import Table
from rnnforecast.spec.data import CleanSpec


def duplicate_aggregations(clean: CleanSpec, table: Table) -> list[str]:
    """The rules for repeated timestamps, one for each column of `SortedRows.values`.

    Where targets are summed, numeric covariates take the mean: a price does not double with sales.
    """
    rule = "first" if clean.duplicates == "error" else clean.duplicates
    numeric = "mean" if rule == "sum" else rule
    categorical = "last" if rule == "last" else "first"
    return [rule] * len(table.roles.targets) + [
        categorical if column.is_categorical else numeric for column in table.covariates.values()
    ]


def period_aggregations(clean: CleanSpec, table: Table) -> list[str]:
    """The rules for the rows of one period, one for each column of `SortedRows.values`."""
    by_column = clean.resample if isinstance(clean.resample, dict) else {}
    for_targets = clean.resample if isinstance(clean.resample, str) else "mean"
    default = dict.fromkeys(table.roles.targets, for_targets) | {
        name: "last" if column.is_categorical else "mean"
        for name, column in table.covariates.items()
    }
    return [by_column.get(name, rule) for name, rule in default.items()]
