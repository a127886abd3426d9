"""Types of the spec's keys, each with a description of the values that it accepts.

A string in the metadata of an ``Annotated`` type describes the accepted values. The messages of
`load` and the tables of `reference` are built from these descriptions.
"""

from __future__ import annotations

import re
import types
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    JsonValue,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from rnnforecast.datetimes import parse_duration
from rnnforecast.registry import (
    BACKBONES,
    BASE_FORECASTS,
    DECODERS,
    IMPUTERS,
    LOSSES,
    OUTLIER_RULES,
    WINDOW_SCALERS,
    Registry,
)

MAX_INT = 2**31 - 1
_MEMORY_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) ?([KMGT])(i?)B", re.IGNORECASE)


class SpecSection(BaseModel):
    """The base class of all sections: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Component:
    """The type of a key that names a component of `registry`, or one of `others` such as auto."""

    registry: Registry
    others: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """All accepted values."""
        return (*self.others, *self.registry.names())

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The schema of a literal with these values; called by pydantic."""
        return core_schema.literal_schema(list(self.names()))


def _float_to_int(value: object) -> object:
    """Converts ``1e4`` and ``24.0`` to int; refuses numbers beyond `MAX_INT`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise ValueError(f"expected a whole number of at most {MAX_INT}, found a larger one")
    return value


def _parse_bool(value: object) -> object:
    """Converts yes, no, on and off, which YAML 1.2 reads as text, and true and false in quotes."""
    words = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
    return words.get(value.lower(), value) if isinstance(value, str) else value


def _int_to_str(value: object) -> object:
    """Converts a whole number to text: columns named 2024 and series named 7 are common."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _to_list(value: object) -> object:
    """Wraps a single item, other than auto, in a list."""
    single = isinstance(value, str | int | float) and value != "auto"
    return [value] if single else value


def _unwrap_single(value: object) -> object:
    """The item of a list of one."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


def _unescape_tab(value: object) -> object:
    r"""Converts an unquoted ``\t`` to a tab."""
    return "\t" if value == "\\t" else value


def _parse_duration(value: object) -> timedelta:
    return value if isinstance(value, timedelta) else parse_duration(str(value))


def memory_bytes(text: str) -> int:
    """The bytes of a size such as ``500MB``, ``2GB`` or ``1.5 GiB``; ValueError for other texts."""
    found = _MEMORY_SIZE.fullmatch(text.strip())
    if found is None or float(found[1]) == 0:
        raise ValueError(f"expected a size such as 500MB or 2GB, found '{text.strip()[:60]}'")
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** (1 + "KMGT".index(found[2].upper())))


def _check_memory_size(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"expected a size with a unit such as 500MB or 2GB, found {value}")
    if isinstance(value, str):
        memory_bytes(value)
    return value


Auto = Literal["auto"]
Duration = Annotated[
    timedelta,
    BeforeValidator(_parse_duration, json_schema_input_type=str),
    "a time such as 45s, 10m, 2h or 7d",
]
MemorySize = Annotated[
    str,
    Field(strict=True),
    BeforeValidator(_check_memory_size, json_schema_input_type=str),
    "a size such as 500MB or 2GB",
]
Bool = Annotated[bool, Field(strict=True), BeforeValidator(_parse_bool), "true or false"]
NonNegativeInt = Annotated[
    int, Field(strict=True, ge=0), BeforeValidator(_float_to_int), "a whole number of at least 0"
]
PositiveInt = Annotated[
    int, Field(strict=True, ge=1), BeforeValidator(_float_to_int), "a whole number of at least 1"
]
SmallPositiveInt = Annotated[
    int,
    Field(strict=True, ge=1, le=1000),
    BeforeValidator(_float_to_int),
    "a whole number from 1 to 1000",
]
PositiveFloat = Annotated[
    float, Field(strict=True, gt=0, allow_inf_nan=False), "a number greater than 0"
]
NonNegativeFloat = Annotated[
    float, Field(strict=True, ge=0, allow_inf_nan=False), "a number of at least 0"
]
Fraction = Annotated[float, Field(strict=True, ge=0, lt=1), "a number from 0 to below 1"]
PositiveInts = Annotated[
    tuple[PositiveInt, ...],
    BeforeValidator(_to_list, json_schema_input_type=int | list[int]),
    "a list of whole numbers of at least 1",
]
UnitFloat = Annotated[float, Field(strict=True, ge=0, le=1), "a number from 0 to 1"]
PositiveUnitFloat = Annotated[
    float, Field(strict=True, gt=0, le=1), "a number above 0, of at most 1"
]
SeasonLengths = Annotated[
    tuple[PositiveInt, ...],
    Field(min_length=1, max_length=2),
    BeforeValidator(_to_list, json_schema_input_type=int | list[int]),
    "one or two whole numbers of at least 1",
]
NonEmptyStr = Annotated[str, Field(strict=True, min_length=1), BeforeValidator(_int_to_str), "text"]
SheetName = Annotated[str, Field(strict=True, min_length=1), "text"]  # a number counts sheets
_NonEmptyStrs = Annotated[
    tuple[NonEmptyStr, ...],
    BeforeValidator(_to_list, json_schema_input_type=str | int | list[str | int]),
]
ColumnNames = Annotated[_NonEmptyStrs, "one or more column names"]
TimeColumns = Annotated[
    NonEmptyStr | Annotated[tuple[NonEmptyStr, ...], Field(min_length=1)],
    BeforeValidator(_unwrap_single),
    "a column name, or a list of several",
]
TextList = Annotated[_NonEmptyStrs, "one or more texts"]
FilePatterns = Annotated[  # empty for data in memory; `load` refuses that elsewhere
    tuple[NonEmptyStr, ...],
    BeforeValidator(_to_list, json_schema_input_type=str | list[str]),
    "a file, a folder or a pattern such as data/*.csv, or a list of them",
]
Quantiles = Annotated[
    tuple[Annotated[float, Field(strict=True, gt=0, lt=1)], ...],
    Field(min_length=1),
    BeforeValidator(_to_list, json_schema_input_type=float | list[float]),
    "a list of numbers between 0 and 1, both excluded",
]
ParameterGrid = Annotated[
    dict[str, Annotated[list[JsonValue], Field(min_length=1)]],
    "a group of keys with a list of values each",
]
SearchKeys = Annotated[
    dict[str, list[JsonValue] | dict[str, JsonValue]],
    Field(min_length=1),
    "a group of keys, each with a list of values or a range of low and high",
]
Options = Annotated[dict[str, JsonValue], "a group of keys and values"]
Separator = Annotated[Literal["auto", ",", ";", "\t", "|"], BeforeValidator(_unescape_tab)]
FiniteFloat = Annotated[float, Field(strict=True, allow_inf_nan=False), "a number"]
HalfFraction = Annotated[float, Field(strict=True, ge=0, le=0.5), "a number from 0 to 0.5"]

BackboneName = Annotated[str, Component(BACKBONES)]
DuplicateMethod = Literal["error", "first", "last", "mean", "sum"]
LossName = Annotated[str, Component(LOSSES)]
DecoderName = Annotated[str, Component(DECODERS, ("auto",))]
WindowScalerName = Annotated[str, Component(WINDOW_SCALERS, ("auto",))]
BaseForecastName = Annotated[str, Component(BASE_FORECASTS, ("auto",))]
ResampleMethod = Literal["sum", "mean", "median", "min", "max", "first", "last"]
ImputerName = Annotated[str, Component(IMPUTERS)]
OutlierRuleName = Annotated[str, Component(OUTLIER_RULES)]
TransformMethod = Literal[
    "none", "log", "log1p", "box_cox", "yeo_johnson", "difference", "seasonal_difference"
]
CalendarCycle = Literal[
    "second_of_minute", "minute_of_hour", "hour_of_day", "day_of_week", "day_of_month",
    "day_of_year", "week_of_year", "month_of_year", "quarter_of_year",
]  # fmt: skip
ThousandsSeparator = Literal["auto", "none", ",", ".", " ", "'"]
PER_COLUMN = "a group with one value per column"
CalendarCycles = Annotated[
    tuple[CalendarCycle, ...],
    BeforeValidator(_to_list, json_schema_input_type=CalendarCycle | list[CalendarCycle]),
    "a list of " + ", ".join(get_args(CalendarCycle)),
]
HorizonWeights = Annotated[
    tuple[NonNegativeFloat, ...], Field(min_length=1), "a list of numbers of at least 0"
]
NamePatterns = Annotated[
    tuple[NonEmptyStr, ...],
    BeforeValidator(_to_list, json_schema_input_type=str | list[str]),
    "one or more patterns such as backbone.*",
]


def validate_value(section: type[SpecSection], name: str, value: object) -> Any:
    """The valid value of a key of `section`, in plain types; ValueError if it is refused."""
    fields = section.model_fields
    required = {
        key: info.examples[0]
        for key, info in fields.items()
        if info.is_required() and info.examples
    }
    try:
        found = section.model_validate({**required, name: value})
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":  # the message of the key's own validator
            raise ValueError(str(first["ctx"]["error"])) from None
        raise ValueError(f"expected {describe_field(fields[name])}, found {value}") from None
    return found.model_dump(mode="json")[name]


def check_unique(names: tuple[str, ...]) -> None:
    """Raises ValueError if a name occurs twice."""
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' is named twice")


def describe_field(field: FieldInfo) -> str:
    """The values that `field` accepts: ``auto or a whole number of at least 1``."""
    return _describe(field.annotation, field.metadata)


def allowed_values(field: FieldInfo) -> list[str]:
    """The words that `field` accepts by name; empty if there are none."""
    return _words(field.annotation, field.metadata)


def _words(annotation: Any, metadata: Any = ()) -> list[str]:
    for note in metadata:
        if isinstance(note, Component):
            return list(note.names())
    if get_origin(annotation) is Annotated:
        return _words(annotation.__origin__, annotation.__metadata__)
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [word for part in get_args(annotation) for word in _words(part)]


def _describe(annotation: Any, metadata: Any = ()) -> str:
    notes = [note for note in metadata if isinstance(note, str)]
    if notes:
        return notes[0]
    if annotation is type(None):
        return "null"
    if get_origin(annotation) is Annotated:
        return _describe(annotation.__origin__, annotation.__metadata__)
    if get_origin(annotation) is dict:
        return "a group of keys and values"
    if get_origin(annotation) in (types.UnionType, Union):
        return " or ".join(_describe(part) for part in get_args(annotation))
    words = [word.replace("\t", "\\t") for word in _words(annotation, metadata)]
    # Punctuation is quoted: a single mark is easily overlooked.
    words = [word if word[0].isalpha() else f'"{word}"' for word in words]
    return words[0] if len(words) == 1 else "one of " + ", ".join(words)
