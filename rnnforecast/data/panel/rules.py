"""Aggregation rules of each column for rows of the same timestamp or period."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.data.io.table import Table
from rnnforecast.registry import IMPUTERS
from rnnforecast.spec.data import CleanSpec
from rnnforecast.types import Floats


def values_by_rule(clean: CleanSpec, targets: Sequence[str]) -> Floats:
    """[C] the value that a step without one has by `clean.missing`; NaN for targets whose missing
    values are unknown."""
    methods, fill_value = clean.missing, clean.fill_value
    values = np.full(len(targets), np.nan)
    for column, name in enumerate(targets):
        method = methods if isinstance(methods, str) else methods.get(name, "mask")
        traits = IMPUTERS.traits(method)
        if "value" not in traits:
            continue
        given = fill_value.get(name, 0.0) if isinstance(fill_value, dict) else fill_value
        values[column] = given if "needs_value" in traits else 0.0
    return values


def duplicate_aggregations(clean: CleanSpec, table: Table, *, refused: str = "first") -> list[str]:
    """The rules for repeated timestamps, one for each column of `SortedRows.values`; `refused` is
    that of a spec that refuses them.

    Where targets are summed, numeric covariates take the mean: a price does not double with sales.
    """
    rule = refused if clean.duplicates == "error" else clean.duplicates
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


def has_common_bounds(clean: CleanSpec, targets: Sequence[str]) -> bool:
    """Whether the first and last step of a series depend on the rows of all others."""
    if clean.resample is not None:  # periods that the files cover in part only
        return True
    has_rule = clean.irregular != "keep" and not np.isnan(values_by_rule(clean, targets)).all()
    given = (clean.start, clean.end)
    return "earliest" in given or "latest" in given or (has_rule and "auto" in given)
