"""The input columns of a network besides the targets: their names, positions and meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rnnforecast.data.features.covariates import MAX_SCALED_VALUE, Covariate
from rnnforecast.data.features.feature_plan import FeaturePlan
from rnnforecast.data.time import calendar_features as calendar
from rnnforecast.data.time.frequency import Frequency

TABLES = ("past", "past_codes", "future", "future_codes", "static", "static_codes")
"""Fields of `FeatureTables`."""


@dataclass(frozen=True)
class InputColumns:
    """The columns of one covariate, of several that are read together, or of a calendar feature."""

    name: str
    table: str
    """One of `TABLES`."""
    columns: slice
    descriptions: tuple[dict[str, Any], ...]
    """A column each: its ``name``, its ``meaning``, and the ``codes`` of a category."""


def input_columns(
    plan: FeaturePlan, frequency: Frequency, *, is_irregular: bool
) -> list[InputColumns]:
    """All input columns of a fitted plan, in the order of the tables of `build_features`."""
    ends = dict.fromkeys(TABLES, 0)
    result = []
    for table, name, columns in _groups(plan, frequency, is_irregular):
        begin, ends[table] = ends[table], ends[table] + len(columns)
        result.append(InputColumns(name, table, slice(begin, ends[table]), tuple(columns)))
    return result


def describe_input_columns(
    plan: FeaturePlan, frequency: Frequency, *, is_irregular: bool
) -> dict[str, list[dict[str, Any]]]:
    """The descriptions of the columns of each table that has any."""
    groups = input_columns(plan, frequency, is_irregular=is_irregular)
    tables = {
        table: [one for group in groups if group.table == table for one in group.descriptions]
        for table in TABLES
    }
    return {table: columns for table, columns in tables.items() if columns}


def _groups(
    plan: FeaturePlan, frequency: Frequency, is_irregular: bool
) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Table, name and descriptions of each group of columns."""
    for one in plan.covariates.covariates:
        if one.kind == "category":
            yield f"{one.role}_codes", _group_name(one), [_describe_category(one)]
        else:
            yield one.role, _group_name(one), list(_describe_numbers(one))
    if is_irregular:
        name = "time since the row before"
        yield "past", name, [_description(name, "log(1 + x), x in steps")]
    for cycle in plan.calendar:
        waves = [
            _description(f"{cycle}, {wave}", f"{wave} of 2π times the elapsed share of the cycle")
            for wave in ("sine", "cosine")
        ]
        yield "future", cycle.replace("_", " "), waves
    if plan.spec.holidays:
        meaning = f"public holidays of {plan.spec.holidays}; 1 for one, else 0"
        names = calendar.holiday_feature_names(frequency, plan.spec.holiday_window)
        yield "future", "holidays", [_description(name, meaning) for name in names]
    if plan.spec.age:
        meaning = f"log(1 + n) / log(1 + {calendar.AGE_SCALE:g}), n steps since the series began"
        yield "future", "age", [_description("age", meaning)]


def _description(name: str, meaning: str) -> dict[str, Any]:
    return {"name": name, "meaning": meaning}


def _group_name(covariate: Covariate) -> str:
    first, *others = covariate.columns
    return f"{first} … {others[-1]}" if others else first


def _describe_category(covariate: Covariate) -> dict[str, Any]:
    codes = {word: code for code, word in enumerate(covariate.vocabulary, 1)}
    meaning = "a code; 0 is blank or unseen in training"
    return _description(covariate.columns[0], meaning) | {"codes": codes}


def _describe_numbers(covariate: Covariate) -> Iterator[dict[str, Any]]:
    if covariate.kind == "number":
        limit = f"within ±{MAX_SCALED_VALUE:g}; a blank takes the last value"
        for name, mean, scale in zip(
            covariate.columns, covariate.mean, covariate.scale, strict=True
        ):
            yield _description(name, f"(x - {mean!r}) / {scale!r}, {limit}")
    else:
        meaning = f"of the run's own reduction of this {covariate.kind}"
        for part in range(1, len(covariate.scale) + 1):
            yield _description(f"{_group_name(covariate)}, part {part}", meaning)
    if covariate.has_missing_indicator:
        for name in covariate.columns:
            yield _description(f"{name} known", "1 where it was not blank, else 0")
