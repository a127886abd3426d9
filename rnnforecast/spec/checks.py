"""The section checks: the limits of what is found before a forecast, and those of a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core.core_schema import ValidationInfo

from rnnforecast.spec.types import FiniteFloat, SpecSection

LEVELS = ("warn", "error")


def _read_off(value: object) -> object:
    """Converts false, as which YAML 1.1 reads off."""
    return "off" if value is False else value


Limit: TypeAlias = Annotated[FiniteFloat | Literal["auto", "off"], BeforeValidator(_read_off)]


class Limits(BaseModel):
    """The limits of one check: beyond `warn` it warns, beyond `error` nothing is published."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    warn: Limit = "off"
    error: Limit = "off"


CheckLimits = Annotated[
    Limits, "a number, auto, off, or a group of warn and error with one of these each"
]


def _limits(
    warn: float | str, error: float | str = "off", *, description: str, auto: str = ""
) -> Any:
    """A key of the section; `auto` says what auto is, if it may be."""
    meaning = f"{description}; auto: {auto}." if auto else f"{description}."
    default = Limits.model_validate({"warn": warn, "error": error})
    return Field(default, description=meaning, json_schema_extra={"has_auto": bool(auto)})


class ChecksSpec(SpecSection):
    """What is checked before a forecast. A number is the limit of a warning; beyond the limit
    error nothing is published, and the exit code is 7."""

    data_age: CheckLimits = _limits(
        "auto",
        description="The age of the data: complete periods since the latest step",
        auto="the age at training, and for a warning three periods or a day more, for an error a"
        " horizon more; off where the data ended ten horizons or more before the training",
    )
    model_age: CheckLimits = _limits(
        "auto",
        description="Days since the run was trained, or between the ends of the training data and"
        " of the data",
        auto="180 days, and at least three periods",
    )
    ends_before_training: CheckLimits = _limits(
        0, description="Periods by which the data end before the training data did"
    )
    unchanged_data: CheckLimits = _limits(
        "auto",
        description="Complete periods since a forecast was first made from the very same data",
        auto="0; off where that of data_age is off",
    )
    future_timestamps: CheckLimits = _limits(
        "auto",
        description="Periods by which observed values lie after now",
        auto="those at training, and a period or a day more",
    )
    far_future: CheckLimits = _limits(
        "auto",
        description="Periods by which the last row of a series lies after that of the others",
        auto="those at training, and a horizon, a season or eight periods more",
    )
    empty_last_period: CheckLimits = _limits(
        0.5,
        description="The share of series whose last period is zero or blank, beyond the usual one"
        " of that day of the season",
    )
    missing_rows: CheckLimits = _limits(
        0.2,
        description="The share of the values of the last season that is missing, of those that are"
        " usually there",
    )
    vanished_series: CheckLimits = _limits(
        0.1, description="The share of the series of the training that are gone"
    )
    new_series: CheckLimits = _limits(
        0.2, description="The share of the series that were not in the training data"
    )
    renamed_series: CheckLimits = _limits(
        0,
        description="New series whose values in the training were those of one that is gone",
    )
    level_shift: CheckLimits = _limits(
        5,
        100,
        description="The factor by which the median series lies above or below all it was in the"
        " training",
    )
    total_shift: CheckLimits = _limits(
        5, description="The same of the sum of all series that were in the training"
    )
    series_shift: CheckLimits = _limits(
        100, description="The same of a single series, the one that changed most"
    )
    spread_shift: CheckLimits = _limits(
        10,
        description="The factor by which the changes from step to step of the median series are"
        " larger or smaller than ever in the training",
    )
    last_values_shift: CheckLimits = _limits(
        20,
        description="The factor by which the last value of the median series lies above the highest"
        " level of the training",
    )
    missing_covariates: CheckLimits = _limits(
        0.75,
        description="The share of the usual values, other than zero, of a covariate known ahead"
        " that is missing over the horizon",
    )
    constant_covariates: CheckLimits = _limits(
        0.5,
        description="The share of series in which a covariate known ahead is constant over the"
        " horizon, beyond the usual share",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _complete(cls, value: object, info: ValidationInfo) -> object:
        """A number is the limit of a warning; what a group lacks is the default."""
        key = str(info.field_name)
        field = cls.model_fields[key]
        default: Limits = field.default
        if isinstance(value, Limits):
            return value
        if _read_off(value) == "off":
            return Limits()
        if not isinstance(value, Mapping):
            value = {"warn": value}
        has_auto = isinstance(field.json_schema_extra, dict) and field.json_schema_extra["has_auto"]
        if "auto" in value.values() and not has_auto:
            raise ValueError("there is no automatic limit of this key: give a number, or off")
        return default.model_dump() | dict(value)


JOB_LIMITS: dict[str, float | str] = {
    "data_age": "auto",
    "ends_before_training": 3,
    "empty_last_period": 0.9,
    "missing_rows": 0.5,
    "vanished_series": 0.4,
    "level_shift": 10,
    "total_shift": 100,
    "spread_shift": 100,
    "last_values_shift": 200,
    "missing_covariates": 0.99,
}
"""Limits beyond which a job publishes nothing, where the spec leaves the default."""


def job_checks(checks: ChecksSpec) -> ChecksSpec:
    """The limits of a job: `JOB_LIMITS` where a key has its default error limit."""
    defaults, changed = ChecksSpec(), {}
    for key, limit in JOB_LIMITS.items():
        given: Limits = getattr(checks, key)
        if given.error == getattr(defaults, key).error and given != Limits():
            changed[key] = given.model_copy(update={"error": limit})
    return checks.model_copy(update=changed)


JOB_CHECKS = job_checks(ChecksSpec())
"""The limits of a job whose spec names none."""
