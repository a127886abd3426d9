"""The covariates of a network in words: what each of its input columns is made from, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rnnforecast.data.features.covariates import MAX_SCALED_VALUE, Covariate
from rnnforecast.data.features.features import FeaturePlan
from rnnforecast.data.time import calendar_features as calendar
from rnnforecast.data.time.frequency import Frequency

ColumnDescriptions = dict[str, list[dict[str, Any]]]

INPUT_TABLES = {"past": "past", "future": "future", "static": "static"}
"""What the network calls the covariates of each role."""


def describe_input_columns(
    plan: FeaturePlan, frequency: Frequency, *, is_irregular: bool
) -> ColumnDescriptions:
    """Of each input (``past``, ``past_codes``, ``known`` …) its columns in order: `name`, what it
    `is`, and of a category its `codes`. `gaps`: rows need not be regular."""
    found: ColumnDescriptions = {
        f"{name}{kind}": [] for name in INPUT_TABLES.values() for kind in ("", "_codes")
    }
    for one in plan.covariates.covariates:
        kind = "_codes" if one.kind == "category" else ""
        found[INPUT_TABLES[one.role] + kind] += (
            _describe_category(one) if kind else _describe_numbers(one)
        )
    if is_irregular:
        found["past"].append(_description("time since the row before", "log(1 + x), x in steps"))
    found["future"] += _describe_time_features(plan, frequency)
    return {name: told for name, told in found.items() if told}


def _description(name: str, meaning: str) -> dict[str, Any]:
    return {"name": name, "is": meaning}


def _describe_category(covariate: Covariate) -> list[dict[str, Any]]:
    codes = {word: code for code, word in enumerate(covariate.vocabulary, 1)}
    return [
        _description(covariate.columns[0], "a code; 0 is blank or unseen in training")
        | {"codes": codes}
    ]


def _describe_numbers(covariate: Covariate) -> Iterator[dict[str, Any]]:
    if covariate.kind == "number":
        for name, mean, scale in zip(
            covariate.columns, covariate.mean, covariate.scale, strict=True
        ):
            how = f"(x - {mean!r}) / {scale!r}, within ±{MAX_SCALED_VALUE:g}; a blank takes the last value"
            yield _description(name, how)
    else:
        name = (
            f"{covariate.columns[0]} … {covariate.columns[-1]}"
            if len(covariate.columns) > 1
            else covariate.columns[0]
        )
        for part in range(1, len(covariate.scale) + 1):
            yield _description(
                f"{name}, part {part}", f"of the run's own reduction of this {covariate.kind}"
            )
    if covariate.has_missing_indicator:
        yield from (
            _description(f"{name} known", "1 where it was not blank, else 0")
            for name in covariate.columns
        )


def _describe_time_features(plan: FeaturePlan, frequency: Frequency) -> Iterator[dict[str, Any]]:
    for cycle in plan.calendar:
        for wave in ("sine", "cosine"):
            yield _description(
                f"{cycle}, {wave}", f"{wave} of 2π times the share of the cycle gone by"
            )
    if plan.holidays:
        for name in calendar.holiday_feature_names(frequency, plan.holiday_window):
            yield _description(name, f"public holidays of {plan.holidays}; 1 for one, else 0")
    if plan.age:
        yield _description(
            "age", f"log(1 + n) / log(1 + {calendar.AGE_SCALE:g}), n steps since the series began"
        )
