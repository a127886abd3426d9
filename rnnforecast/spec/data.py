"""The sections about the data: where they are, how they are cleaned, what is read besides."""

from __future__ import annotations

import codecs
import difflib
import zoneinfo
from fnmatch import fnmatch
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from rnnforecast.spec.types import (
    PER_COLUMN,
    Auto,
    Bool,
    CalendarCycles,
    ColumnNames,
    DuplicateMethod,
    FilePatterns,
    FiniteFloat,
    HalfFraction,
    ImputationMethod,
    NonEmptyStr,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ResampleMethod,
    Separator,
    TextList,
    ThousandsSeparator,
    TransformMethod,
)


def _check_unique(names: tuple[str, ...]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' is named twice")


class SpecSection(BaseModel):
    """What all sections share: nothing can be changed later, nothing unknown is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSpec(SpecSection):
    """Where the data is and which column plays which role."""

    path: FilePatterns = Field(
        description="CSV or Parquet files, folders or patterns, relative to the folder of the"
        ' spec; a lone "-" reads standard input.',
        examples=["sales.csv"],
    )
    time: NonEmptyStr = Field("auto", description="The column with the time stamps.")
    series: Auto | ColumnNames = Field(
        "auto", description="The columns that name a series; [] means one series."
    )
    targets: Auto | ColumnNames = Field("auto", description="The columns to forecast.")
    separator: Separator = Field("auto", description="The character between two columns.")
    decimal: Literal["auto", ".", ","] = Field("auto", description="The decimal mark of numbers.")
    thousands: ThousandsSeparator = Field(
        "auto", description="The mark between groups of three digits."
    )
    missing_values: TextList = Field(
        (),
        description="Texts in columns of numbers that say there is no value, besides blank, NA,"
        " N/A, NaN, null and None.",
        examples=[["closed", "-"]],
    )
    encoding: NonEmptyStr = Field(
        "auto",
        description="The encoding of text files, such as latin-1; auto is UTF-8, or UTF-16 with a"
        " byte-order mark.",
    )
    time_format: NonEmptyStr | None = Field(
        None,
        description="The format of the time stamps, such as %d/%m/%Y, or unix_s, unix_ms, unix_us"
        " or unix_ns for seconds or parts of them since 1970; null recognises it.",
    )
    timezone: NonEmptyStr | None = Field(
        None,
        description="The time zone that local stamps are in and forecasts are written in, such as"
        " Europe/Berlin; null takes stamps as they are.",
    )

    @field_validator("path")
    @classmethod
    def _check_paths(cls, path: tuple[str, ...]) -> tuple[str, ...]:
        _check_unique(path)
        return path

    @field_validator("series", "targets")
    @classmethod
    def _check_column_roles(
        cls, columns: str | tuple[str, ...], info: ValidationInfo
    ) -> str | tuple[str, ...]:
        if isinstance(columns, str):
            return columns
        if info.field_name == "targets" and not columns:
            raise ValueError("expected at least one column, found an empty list")
        _check_unique(columns)
        for role in ("time", "series"):
            taken = info.data.get(role, ())
            for name in (taken,) if isinstance(taken, str) else taken:
                if name in columns and taken != "auto":
                    raise ValueError(f"'{name}' is already given as data.{role}")
        return columns

    @field_validator("decimal")
    @classmethod
    def _check_decimal(cls, decimal: str, info: ValidationInfo) -> str:
        if decimal == info.data.get("separator") == ",":
            raise ValueError("a comma cannot be both data.separator and data.decimal")
        return decimal

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, encoding: str) -> str:
        try:
            codecs.lookup("utf-8" if encoding == "auto" else encoding)
        except LookupError:
            raise ValueError(
                f"expected an encoding such as utf-8, latin-1 or cp1252, found '{encoding}'"
            ) from None
        return encoding

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, timezone: str | None) -> str | None:
        if timezone is not None and timezone not in (known := zoneinfo.available_timezones()):
            near = difflib.get_close_matches(timezone, known, 1, 0.5)
            hint = f" — did you mean '{near[0]}'?" if near else ""
            raise ValueError(
                f"expected a time zone such as Europe/Berlin, found '{timezone}'{hint}"
            )
        return timezone

    @field_validator("time_format")
    @classmethod
    def _check_time_format(cls, time_format: str | None) -> str | None:
        if time_format in ("unix_s", "unix_ms", "unix_us", "unix_ns"):
            return time_format
        if time_format is not None and "%" not in time_format:
            raise ValueError(
                f"expected a format with % codes such as %d/%m/%Y, found '{time_format}'"
            )
        return time_format


class CleanSpec(SpecSection):
    """How the raw rows become regular series."""

    frequency: NonEmptyStr = Field(
        "auto",
        description="The step between two rows of a series: h, 15min, D, B (business days),"
        " W-SUN, MS or ME (month starts or ends), QS, QE, YS, YE, or a whole number for an"
        " integer time column.",
    )
    irregular: Literal["error", "snap", "interpolate", "keep"] = Field(
        "error",
        description="What to do with rows between two steps: refuse them, move them to the nearest"
        " step, draw lines on time between them, or keep the steps as they are and tell the"
        " network the time between two rows.",
    )
    tolerance: HalfFraction = Field(
        0.25, description="How far irregular: snap moves a row at most, as a share of a step."
    )
    resample: ResampleMethod | Annotated[dict[NonEmptyStr, ResampleMethod], PER_COLUMN] | None = (
        Field(
            None,
            description="How the rows of one period become one, for data finer than the frequency;"
            " null: they are not resampled.",
        )
    )
    partial_periods: Literal["drop", "keep"] = Field(
        "drop",
        description="What to do with a first or last period that the rows do not fill, when"
        " resampling.",
    )
    ambiguous_hour: Literal["error", "earlier", "later", "infer"] = Field(
        "error",
        description="Which one a local hour is that comes twice when clocks go back; infer tells"
        " by the order of the rows.",
    )
    nonexistent_hour: Literal["error", "shift_forward", "drop"] = Field(
        "error",
        description="What to do with rows at a local hour that clocks going forward skip.",
    )
    duplicates: DuplicateMethod = Field(
        "error", description="What to do with several rows of one series at one time."
    )
    missing: ImputationMethod | Annotated[dict[NonEmptyStr, ImputationMethod], PER_COLUMN] = Field(
        "mask",
        description="How missing values of the targets enter the network, for all targets or by"
        " name; mask tells it that they are missing. They are never scored.",
    )
    fill_value: FiniteFloat | Annotated[dict[NonEmptyStr, FiniteFloat], PER_COLUMN] = Field(
        0.0, description="The value that missing: constant and special put in, in the data's unit."
    )
    max_gap: PositiveInt | None = Field(
        None,
        description="Only so many steps of a gap are filled, the rest stays masked; null: all.",
    )
    outliers: Literal["none", "hampel", "iqr", "seasonal"] = Field(
        "none",
        description="How outliers are found: far from the median of the values before, from their"
        " quartiles, or from the value one season before.",
    )
    outlier_action: Literal["missing", "clip", "flag"] = Field(
        "missing",
        description="What to do with an outlier: take it as missing, move it to the edge of the"
        " usual range, or only count it. Scores always use the value as it was.",
    )
    outlier_threshold: Auto | PositiveFloat = Field(
        "auto", description="How many robust deviations (or quartile ranges) are too many."
    )
    transform: TransformMethod | Annotated[dict[NonEmptyStr, TransformMethod], PER_COLUMN] = Field(
        "none",
        description="What is done to the targets before the network sees them, and undone"
        " afterwards.",
    )
    min_length: Auto | PositiveInt = Field(
        "auto",
        description="Series with fewer observed values, in steps, are skipped and named.",
    )
    max_length: PositiveInt | None = Field(
        None, description="Only so many of the last steps of a series are used; null: all."
    )

    @property
    def min_observed_values(self) -> int:
        """`min_length`, with 1 in place of auto."""
        return 1 if self.min_length == "auto" else self.min_length

    @field_validator("transform")
    @classmethod
    def _check_transform(cls, transform: str | dict[str, str]) -> str | dict[str, str]:
        if isinstance(transform, dict) and len(set(transform.values())) > 1:
            for name, method in transform.items():
                if method.endswith("difference"):
                    raise ValueError(
                        f"'{method}' is done by the network, for all targets or none; found it for"
                        f" '{name}' beside another transform"
                    )
        return transform

    @field_validator("resample")
    @classmethod
    def _check_resample(
        cls, resample: str | dict[str, str] | None, info: ValidationInfo
    ) -> str | dict[str, str] | None:
        if resample is not None and info.data.get("irregular") == "keep":
            raise ValueError("clean.irregular: keep and resampling exclude each other: choose one")
        return resample


class FeaturesSpec(SpecSection):
    """What the network reads besides the past of the targets."""

    past: ColumnNames = Field(
        (),
        description="Columns known up to now only; a pattern such as emb_* stands for all columns"
        " it fits.",
    )
    future: ColumnNames = Field(
        (), description="Columns whose values are known ahead, such as prices."
    )
    static: ColumnNames = Field(
        (), description="Columns with one value a series, such as its region."
    )
    categorical: ColumnNames = Field(
        (), description="Those of the columns above whose numbers are names, not amounts."
    )
    text: ColumnNames = Field((), description="Those of the columns above that hold free text.")
    text_size: PositiveInt = Field(8, description="How many numbers a free text is reduced to.")
    vector_size: PositiveInt = Field(
        16, description="A pattern that stands for more columns is reduced to so many numbers."
    )
    calendar: Literal["none", "auto"] | CalendarCycles = Field(
        "none",
        description="Cycles of the calendar that the network is told, such as day_of_week; auto"
        " chooses by the frequency.",
    )
    age: Bool = Field(False, description="Tell the network how long a series has run.")
    holidays: NonEmptyStr | None = Field(
        None,
        description="A country such as DE, or a region such as DE-BY, whose public holidays the"
        " network is told.",
    )
    holiday_window: NonNegativeInt = Field(
        1, description="How many days before and after a holiday are told as well."
    )
    missing_future: Literal["error", "last", "seasonal"] = Field(
        "error",
        description="What stands in where a value ahead is missing at predict: nothing, the last"
        " value, or that of a season before.",
    )

    @field_validator("past", "future", "static")
    @classmethod
    def _check_covariate_roles(
        cls, columns: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        _check_unique(columns)
        for role in ("past", "future"):
            for name in columns if role != info.field_name else ():
                if name in info.data.get(role, ()):
                    raise ValueError(f"'{name}' is already given as features.{role}")
        return columns

    @field_validator("categorical", "text")
    @classmethod
    def _check_listed_columns(
        cls, columns: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        given = [name for role in ("past", "future", "static") for name in info.data.get(role, ())]
        for name in columns:
            if name not in given and not any(fnmatch(name, pattern) for pattern in given):
                raise ValueError(f"'{name}' is not among features.past, future and static")
            if info.field_name == "text" and name in info.data.get("categorical", ()):
                raise ValueError(f"'{name}' is already given as features.categorical")
        return columns
