"""The types of the spec's keys, and what each accepts in plain words.

A string among the metadata of an ``Annotated`` type says in plain words what the type expects; the
messages of `load` and the reference of `explain` are made of them.
"""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator, Field, JsonValue
from pydantic.fields import FieldInfo

MAX_INT = 2**31 - 1


def _float_to_int(value: object) -> object:
    """Let ``1e4`` and ``24.0`` be whole numbers; refuse numbers that no array could hold."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise ValueError(f"expected a whole number of at most {MAX_INT}, found a larger one")
    return value


def _parse_bool(value: object) -> object:
    """Let yes, no, on and off, which YAML 1.2 reads as text, mean what their writer meant."""
    words = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
    return words.get(value.lower(), value) if isinstance(value, str) else value


def _int_to_str(value: object) -> object:
    """Let a whole number be a name: columns called 2024 and series called 7 are common."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _to_list(value: object) -> object:
    """Let one item stand for a list of one."""
    single = isinstance(value, str | int | float) and value != "auto"
    return [value] if single else value


def _unescape_tab(value: object) -> object:
    r"""Read an unquoted ``\t`` as the tab it stands for."""
    return "\t" if value == "\\t" else value


Auto = Literal["auto"]
Bool = Annotated[bool, Field(strict=True), BeforeValidator(_parse_bool), "true or false"]
NonNegativeInt = Annotated[
    int, Field(strict=True, ge=0), BeforeValidator(_float_to_int), "a whole number of at least 0"
]
PositiveInt = Annotated[
    int, Field(strict=True, ge=1), BeforeValidator(_float_to_int), "a whole number of at least 1"
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
SeasonLengths = Annotated[
    tuple[PositiveInt, ...],
    Field(min_length=1, max_length=2),
    BeforeValidator(_to_list, json_schema_input_type=int | list[int]),
    "one or two whole numbers of at least 1",
]
NonEmptyStr = Annotated[str, Field(strict=True, min_length=1), BeforeValidator(_int_to_str), "text"]
_NonEmptyStrs = Annotated[
    tuple[NonEmptyStr, ...],
    BeforeValidator(_to_list, json_schema_input_type=str | int | list[str | int]),
]
ColumnNames = Annotated[_NonEmptyStrs, "one or more column names"]
TextList = Annotated[_NonEmptyStrs, "one or more texts"]
FilePatterns = Annotated[
    tuple[NonEmptyStr, ...],
    Field(min_length=1),
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
Options = Annotated[dict[str, JsonValue], "a group of keys and values"]
Separator = Annotated[Literal["auto", ",", ";", "\t", "|"], BeforeValidator(_unescape_tab)]
FiniteFloat = Annotated[float, Field(strict=True, allow_inf_nan=False), "a number"]
HalfFraction = Annotated[float, Field(strict=True, ge=0, le=0.5), "a number from 0 to 0.5"]

DuplicateMethod = Literal["error", "first", "last", "mean", "sum"]
LossName = Literal[
    "quantile", "mae", "mse", "rmse", "huber", "smape", "mase", "normal", "student_t",
    "log_normal", "negative_binomial", "poisson", "tweedie", "mixture",
]  # fmt: skip
ResampleMethod = Literal["sum", "mean", "median", "min", "max", "first", "last"]
ImputationMethod = Literal[
    "mask", "masked_constant", "ffill", "bfill", "mean", "median", "mode", "constant", "zero", "linear",
    "time", "spline", "seasonal", "knn", "random_forest", "svr", "rnn",
]  # fmt: skip
TransformMethod = Literal[
    "none", "log", "log1p", "box_cox", "yeo_johnson", "difference", "seasonal_difference"
]
CalendarCycle = Literal[
    "second_of_minute", "minute_of_hour", "hour_of_day", "day_of_week", "day_of_month",
    "day_of_year", "week_of_year", "month_of_year", "quarter_of_year",
]  # fmt: skip
ThousandsSeparator = Literal["auto", "none", ",", ".", " ", "'"]
PER_COLUMN = "a group with one of them a column"
CalendarCycles = Annotated[
    tuple[CalendarCycle, ...],
    BeforeValidator(_to_list, json_schema_input_type=CalendarCycle | list[CalendarCycle]),
    "a list of " + ", ".join(get_args(CalendarCycle)),
]


def describe_field(field: FieldInfo) -> str:
    """What `field` accepts, in plain words: ``auto or a whole number of at least 1``."""
    for note in field.metadata:
        if isinstance(note, str):
            return note
    return _describe_annotation(field.annotation)


def allowed_values(annotation: Any) -> list[str]:
    """The words that a field of this type accepts, [] where it takes none by name."""
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [word for part in get_args(annotation) for word in allowed_values(part)]


def _describe_annotation(annotation: Any) -> str:
    if annotation is type(None):
        return "null"
    if get_origin(annotation) is Annotated:
        notes = [note for note in annotation.__metadata__ if isinstance(note, str)]
        return notes[0] if notes else _describe_annotation(annotation.__origin__)
    if get_origin(annotation) is dict:
        return "a group of keys and values"
    if get_origin(annotation) in (types.UnionType, Union):
        return " or ".join(_describe_annotation(part) for part in get_args(annotation))
    words = [word.replace("\t", "\\t") for word in allowed_values(annotation)]
    # A punctuation mark standing alone would be lost in a sentence.
    words = [word if word[0].isalpha() else f'"{word}"' for word in words]
    return words[0] if len(words) == 1 else "one of " + ", ".join(words)
