"""Which columns of the tables that a network reads belong to which covariate, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rnnforecast.data.features.covariates import Covariate
from rnnforecast.data.features.features import FeaturePlan
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.calendar_features import holiday_feature_names


@dataclass(frozen=True)
class CovariateSlice:
    """One covariate: a column, several that are read together, or a part of the calendar."""

    name: str
    table: str
    """``past``, ``known``, ``static`` or one of them with ``_codes``."""
    columns: slice


def covariate_slices(plan: FeaturePlan, panel: Panel) -> list[CovariateSlice]:
    """All covariates of a settled plan, in the order of the tables of `features.build`."""
    tables = {"past": "past", "future": "future", "static": "static"}
    ends: dict[str, int] = {}
    found = []
    parts = [
        (
            tables[one.role] + "_codes" * (one.kind == "category"),
            _covariate_name(one),
            _covariate_width(one),
        )
        for one in plan.covariates.covariates
    ]
    for table, name, width in [*parts, *_time_feature_slices(plan, panel)]:
        begin = ends.get(table, 0)
        ends[table] = begin + width
        found.append(CovariateSlice(name, table, slice(begin, begin + width)))
    return found


def _time_feature_slices(plan: FeaturePlan, panel: Panel) -> Iterator[tuple[str, str, int]]:
    if panel.irregular_timestamps is not None:
        yield "past", "time since the row before", 1
    for cycle in plan.calendar if isinstance(plan.calendar, tuple) else ():
        yield "future", cycle.replace("_", " "), 2  # sine and cosine
    if plan.holidays:
        yield "future", "holidays", len(holiday_feature_names(panel.frequency, plan.holiday_window))
    if plan.age:
        yield "future", "age", 1


def _covariate_name(covariate: Covariate) -> str:
    first, *others = covariate.columns
    return first if not others else f"{first} … {others[-1]}"


def _covariate_width(covariate: Covariate) -> int:
    if covariate.kind == "category":
        return 1
    return len(covariate.scale) + len(covariate.columns) * covariate.has_missing_indicator
