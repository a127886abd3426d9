"""The sections data and clean: the files, their columns, and the steps to regular series."""

from __future__ import annotations

import codecs
import zoneinfo
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from rnnforecast.errors import DataError, Problem, closest_match, did_you_mean
from rnnforecast.registry import FILE_FORMATS
from rnnforecast.spec.locations import absolute_location, query_problem
from rnnforecast.spec.types import (
    PER_COLUMN,
    Auto,
    ColumnNames,
    DuplicateMethod,
    FilePatterns,
    FiniteFloat,
    HalfFraction,
    ImputerName,
    NonEmptyStr,
    NonNegativeInt,
    OutlierRuleName,
    PositiveFloat,
    PositiveInt,
    ResampleMethod,
    Separator,
    SheetName,
    SpecSection,
    TextList,
    ThousandsSeparator,
    TimeColumns,
    TransformMethod,
    check_unique,
)

NAMED_TIME_FORMATS = (
    *("unix_s", "unix_ms", "unix_us", "unix_ns", "excel", "decimal_year", "integer"),
)
JOINED_TIME = "ds"
"""The name of the time in tables where several columns make it."""
DIFFERENCE_TRANSFORMS = ("difference", "seasonal_difference")


_LABELS = [str(FILE_FORMATS.literal(name, "LABEL")) for name in FILE_FORMATS.names()]
_FORMATS = f"{', '.join(_LABELS[:-1])} or {_LABELS[-1]}"


def check_file_name(item: str) -> None:
    """DataError for the name of a file or folder that is not UTF-8."""
    shown = item.encode(errors="replace").decode()
    if shown != item:
        found = "the name is not UTF-8, so that it cannot be written to a spec or a run folder"
        raise DataError(Problem(shown, found, "rename the file or folder"))


class DataSpec(SpecSection):
    """The data files and the role of each column."""

    path: FilePatterns = Field(
        description=f"{_FORMATS} files, folders or patterns, relative to the folder of the"
        " spec, or URLs: https, s3, gs and others of fsspec, and databases, such as"
        " postgresql+psycopg://${PGUSER}:${PGPASSWORD}@host/sales?table=daily, with variables of"
        ' the environment. A lone "-" reads standard input.',
        examples=["sales.csv"],
    )
    query: NonEmptyStr | None = Field(
        None,
        description="The SELECT that reads the data, for URLs of databases in path that end in no"
        " ?table=NAME.",
        examples=["SELECT day, store, units FROM sales WHERE day >= '2020-01-01'"],
    )
    time: TimeColumns = Field(
        "auto",
        description="The column with the timestamps, or several whose cells are joined by a space,"
        " such as [Year, Month]; the forecast then has one column ds.",
        examples=["date"],
    )
    series: Auto | ColumnNames = Field(
        "auto", description="The columns that identify a series; [] means one series."
    )
    targets: Auto | ColumnNames = Field("auto", description="The columns to forecast.")
    layout: Literal["auto", "dates_as_rows", "dates_as_columns"] = Field(
        "auto",
        description="Whether a row holds the values of one time, or the values of one series at all"
        " times, with dates in the header; auto looks at the header.",
    )
    header_line: Auto | NonNegativeInt = Field(
        "auto",
        description="The line with the names of the columns, counted from 1; 0 if there is none,"
        " so that columns are named column_1, column_2 and so on.",
    )
    sheet: Annotated[PositiveInt | SheetName, "the number or name of a sheet"] = Field(
        1, description="The sheet of an Excel workbook, by name or by number from 1."
    )
    separator: Separator = Field("auto", description="The separator of columns.")
    decimal: Literal["auto", ".", ","] = Field("auto", description="The decimal mark of numbers.")
    thousands: ThousandsSeparator = Field("auto", description="The thousands separator of numbers.")
    missing_values: TextList = Field(
        (),
        description="Texts in columns of numbers that mean a missing value, besides blank, NA, N/A,"
        " NaN, null and None.",
        examples=[["closed", "-"]],
    )
    encoding: NonEmptyStr = Field(
        "auto",
        description="The encoding of text files, such as latin-1; auto is UTF-8, or UTF-16 with a"
        " byte-order mark.",
    )
    time_format: NonEmptyStr | None = Field(
        None,
        description="The format of the timestamps, such as %d/%m/%Y, %G-W%V for ISO weeks or %Y-Q%q"
        " for quarters; unix_s, unix_ms, unix_us or unix_ns for seconds or fractions of them since"
        " 1970; excel, decimal_year, or integer for a count of steps; null infers it.",
    )
    timezone: NonEmptyStr | None = Field(
        None,
        description="The time zone of timestamps without an offset, and of the forecasts, such as"
        " Europe/Berlin; null leaves timestamps as they are.",
    )

    known_at: NonEmptyStr | None = Field(
        None,
        description="The column that says when a row became known, such as the day of a revision or"
        " of a weather forecast. Of several rows of one series and time the one that became known"
        " last counts; a backtest reads only those that were known at each cutoff.",
        examples=["published"],
    )

    @property
    def time_columns(self) -> tuple[str, ...]:
        """The columns of the time; empty if they are inferred."""
        names = (self.time,) if isinstance(self.time, str) else self.time
        return () if self.time == "auto" else names

    @property
    def time_name(self) -> str:
        """The name of the time in tables."""
        return self.time if isinstance(self.time, str) else JOINED_TIME

    def source_paths(self, spec_file: Path) -> tuple[str, ...]:
        """The files of `path` as absolute paths; URLs and a dash, standard input, stay."""
        folder = spec_file.resolve().parent
        return tuple(absolute_location(item, folder) for item in self.path)

    @field_validator("path", "time", "series", "targets")
    @classmethod
    def _check_names(
        cls, names: str | tuple[str, ...], info: ValidationInfo
    ) -> str | tuple[str, ...]:
        if not isinstance(names, str):
            check_unique(names)
            if not names and info.field_name == "targets":
                raise ValueError("expected at least one column, found an empty list")
        return names

    @field_validator("query")
    @classmethod
    def _check_query(cls, query: str | None) -> str | None:
        if query is not None and (found := query_problem(query)):
            raise ValueError(found)
        return query

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, encoding: str) -> str:
        try:
            name = "utf-8" if encoding == "auto" else encoding
            "a".encode(name)  # refuses codecs that are not text encodings, such as bz2
            codecs.getincrementaldecoder(name)  # needed to read files in parts
        except (LookupError, ValueError):
            raise ValueError(
                f"expected an encoding such as utf-8, latin-1 or cp1252, found '{encoding}'"
            ) from None
        return encoding

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, timezone: str | None) -> str | None:
        if timezone is None or timezone in (known := zoneinfo.available_timezones()):
            return timezone
        names = {zone.rsplit("/", 1)[-1].lower(): zone for zone in sorted(known)}
        city = timezone.strip().replace(" ", "_")
        near = names.get(city.lower()) or closest_match(city, known, cutoff=0.5)
        if near is None and (city_name := closest_match(city, names, cutoff=0.7)):
            near = names[city_name]
        hint = f" — {did_you_mean(near)}" if near else ""
        raise ValueError(f"expected a time zone such as Europe/Berlin, found '{timezone}'{hint}")

    @field_validator("time_format")
    @classmethod
    def _check_time_format(cls, time_format: str | None) -> str | None:
        if time_format is None or time_format in NAMED_TIME_FORMATS or "%" in time_format:
            return time_format
        hint = did_you_mean(closest_match(time_format, NAMED_TIME_FORMATS))
        raise ValueError(
            f"expected a format with % codes such as %d/%m/%Y, or one of"
            f" {', '.join(NAMED_TIME_FORMATS)}, found '{time_format}'"
            + (f" — {hint}" if hint else "")
        )


class CleanSpec(SpecSection):
    """How the rows become regular series."""

    frequency: NonEmptyStr = Field(
        "auto",
        description="The step between two rows of a series: h, 15min, D, B (business days),"
        " W-SUN, MS or ME (month starts or ends), BME (their last weekday), QS, QE, YS, YE,"
        " C:Mon-Sat (open days) or h:08-18 and 30min:Mon-Fri:09:30-16:00 (open hours, from the"
        " first row of a day to the last), or a whole number for an integer time column. auto takes"
        " days and hours that never have a row as closed.",
    )
    irregular: Literal["error", "snap", "interpolate", "keep"] = Field(
        "error",
        description="What to do with rows between two steps: refuse them, move them to the nearest"
        " step, interpolate linearly in time, or keep the rows as the steps and add the time"
        " between two rows as an input of the network.",
    )
    tolerance: HalfFraction = Field(
        0.25,
        description="The largest distance that irregular: snap moves a row, as a share of a step.",
    )
    resample: ResampleMethod | Annotated[dict[NonEmptyStr, ResampleMethod], PER_COLUMN] | None = (
        Field(
            None,
            description="How the rows of one period are aggregated, for data finer than the"
            " frequency; null: no resampling.",
        )
    )
    partial_periods: Literal["drop", "keep"] = Field(
        "drop",
        description="What to do with a first or last period that the rows cover in part only, when"
        " resampling.",
    )
    ambiguous_hour: Literal["error", "earlier", "later", "infer"] = Field(
        "error",
        description="Which hour is meant by a local hour that occurs twice when clocks go back;"
        " infer decides by the order of the rows.",
    )
    nonexistent_hour: Literal["error", "shift_forward", "drop"] = Field(
        "error",
        description="What to do with rows at a local hour that is skipped when clocks go forward.",
    )
    duplicates: DuplicateMethod = Field(
        "error", description="What to do with several rows of one series at one time."
    )
    far_rows: Literal["error", "keep"] = Field(
        "error",
        description="What to do with up to three rows at an end of a series that are far from its"
        " other rows, as with a wrong year: refuse them, or keep them and all steps between.",
    )
    missing: ImputerName | Annotated[dict[NonEmptyStr, ImputerName], PER_COLUMN] = Field(
        "mask",
        description="What missing values of the targets are, for all targets or by name. zero and"
        " constant: a step without a value has that value, as if it stood in the file. All others"
        " impute unknown values, which never count in a score; mask adds a mask as an input.",
    )
    fill_value: FiniteFloat | Annotated[dict[NonEmptyStr, FiniteFloat], PER_COLUMN] = Field(
        0.0,
        description="The value of missing: constant and masked_constant, in the unit of the data.",
    )
    start: Literal["auto", "each", "earliest"] = Field(
        "auto",
        description="Where series begin: each with its first value, or all with the earliest value"
        " of the files; auto is earliest with missing: zero and constant, but for series that are"
        " clearly newer than the files, and each otherwise.",
    )
    end: Literal["auto", "each", "latest"] = Field(
        "auto",
        description="Where series end: each with its last value, or all with the latest value of"
        " the files; auto is latest with missing: zero and constant, and each otherwise.",
    )
    max_gap: PositiveInt | None = Field(
        None,
        description="The largest number of steps of a gap that are filled, the others stay masked;"
        " null: all.",
    )
    implausible: Literal["missing", "keep"] = Field(
        "missing",
        description="What to do with a value more than 1,000 times the largest usual one of its"
        " series and column (10 times for 99999999 and other codes of missing values), or a code"
        " such as -9999 where no other value is negative; `check` names them: take it as missing,"
        " a covariate as the largest usual value or for -9999 the mean; or keep it.",
    )
    outliers: OutlierRuleName = Field(
        "none",
        description="How outliers are detected: by the distance from the median of earlier values,"
        " from their quartiles, or from the value one season before.",
    )
    outlier_action: Literal["missing", "clip", "flag"] = Field(
        "missing",
        description="What to do with an outlier: replace it by a missing value, clip it to the"
        " limit that it exceeds, or only count it. Scores always use the original value.",
    )
    outlier_threshold: Auto | PositiveFloat = Field(
        "auto",
        description="The distance of an outlier, in robust standard deviations or interquartile"
        " ranges.",
    )
    transform: TransformMethod | Annotated[dict[NonEmptyStr, TransformMethod], PER_COLUMN] = Field(
        "none",
        description="The transform of the targets before the network, inverted for the forecast.",
    )
    deseasonalize: Literal["auto", "none", "year"] = Field(
        "auto",
        description="Whether the course of the year of each series is estimated from its training"
        " part, removed before the network and put back into the forecast; auto decides by"
        " forecasts within the training part, for steps of up to two weeks and at least two"
        " years.",
    )
    min_length: Auto | PositiveInt = Field(
        "auto",
        description="Series with fewer observed values, counted in steps, are skipped and"
        " reported.",
    )
    max_length: PositiveInt | None = Field(
        None, description="The number of last steps of a series that are used; null: all."
    )

    @property
    def min_observed_values(self) -> int:
        """`min_length`, with 1 in place of auto."""
        return 1 if self.min_length == "auto" else self.min_length

    @property
    def missing_methods(self) -> tuple[str, ...]:
        """The methods in `missing`, sorted."""
        methods = self.missing.values() if isinstance(self.missing, dict) else [self.missing]
        return tuple(sorted(set(methods)))

    @property
    def difference_transforms(self) -> tuple[str, ...]:
        """The transforms that take differences, sorted."""
        methods = self.transform.values() if isinstance(self.transform, dict) else [self.transform]
        return tuple(sorted(set(methods).intersection(DIFFERENCE_TRANSFORMS)))

    @field_validator("transform")
    @classmethod
    def _check_transform(cls, transform: str | dict[str, str]) -> str | dict[str, str]:
        if isinstance(transform, dict) and len(set(transform.values())) > 1:
            for name, method in transform.items():
                if method in DIFFERENCE_TRANSFORMS:
                    raise ValueError(
                        f"'{method}' applies to all targets or to none; found it for '{name}'"
                        " besides another transform"
                    )
        return transform
