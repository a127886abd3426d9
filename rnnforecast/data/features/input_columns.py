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
"""Names of the array fields of `FeatureTables`."""


@dataclass(frozen=True)
class InputColumns:
    """The columns of one covariate, of a group encoded together, or of a calendar feature."""

    name: str
    table: str
    """One of `TABLES`."""
    columns: slice
    descriptions: tuple[dict[str, Any], ...]
    """For each column its ``name``, its ``meaning``, and the ``codes`` of a category."""


def input_columns(
    plan: FeaturePlan, frequency: Frequency, *, is_irregular: bool
) -> list[InputColumns]:
    """All input columns of a fitted plan, in the order in which `build_features` stacks them."""
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
        table: [text for group in groups if group.table == table for text in group.descriptions]
        for table in TABLES
    }
    return {table: columns for table, columns in tables.items() if columns}


def _groups(
    plan: FeaturePlan, frequency: Frequency, is_irregular: bool
) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Table, name and descriptions of each group of columns."""
    for covariate in plan.covariates.covariates:
        name = _group_name(covariate)
        if covariate.kind == "category":
            yield f"{covariate.role}_codes", name, [_describe_category(covariate)]
        else:
            yield covariate.role, name, list(_describe_numbers(covariate))
    if is_irregular:
        name = "time since the previous row"
        yield "past", name, [_description(name, "log(1 + x), x in steps")]
    for cycle in plan.calendar:
        waves = [
            _description(f"{cycle}, {wave}", f"{wave} of 2π times the elapsed share of the cycle")
            for wave in ("sine", "cosine")
        ]
        yield "future", cycle.replace("_", " "), waves
    if plan.spec.holidays:
        names = calendar.holiday_feature_names(frequency, plan.spec.holiday_window)
        if names == ("holidays",):
            meaning = "the number of public holidays in the step"
        else:
            meaning = "1 if the day (or the day N days ahead or ago) is a public holiday, else 0"
        meaning += f"; holidays of {plan.spec.holidays}"
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
        limit = (
            f"clipped to ±{MAX_SCALED_VALUE:g}; a blank takes the last value, or the mean if there"
            " is none"
        )
        for name, mean, scale in zip(
            covariate.columns, covariate.mean, covariate.scale, strict=True
        ):
            yield _description(name, f"(x - {mean!r}) / {scale!r}, {limit}")
    else:
        meaning = "scaled component of the PCA fitted in this run"
        for part in range(1, len(covariate.scale) + 1):
            yield _description(f"{_group_name(covariate)}, part {part}", meaning)
    if covariate.has_missing_indicator:
        for name in covariate.columns:
            yield _description(f"{name} known", "1 if the value was not blank, else 0")
