"""The spec as frozen objects: six sections, every key with its type, default and meaning.

This file is the one place that knows the keys: the messages of `load`, the reference and the
JSON schema of `explain` all come from the annotations here. A string among the metadata of an
``Annotated`` type says in plain words what the type expects.
"""

from __future__ import annotations

import difflib
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

LARGEST = 2**31 - 1


def _whole(value: object) -> object:
    """Let ``1e4`` and ``24.0`` be whole numbers; refuse numbers that no array could hold."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError(f"expected a whole number of at most {LARGEST}, found a larger one")
    return value


def _true_or_false(value: object) -> object:
    """Let yes, no, on and off, which YAML 1.2 reads as text, mean what their writer meant."""
    words = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
    return words.get(value.lower(), value) if isinstance(value, str) else value


def _text(value: object) -> object:
    """Let a whole number be a name: columns called 2024 and series called 7 are common."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _listed(value: object) -> object:
    """Let one item stand for a list of one."""
    single = isinstance(value, str | int | float) and value != "auto"
    return [value] if single else value


def _tab(value: object) -> object:
    r"""Read an unquoted ``\t`` as the tab it stands for."""
    return "\t" if value == "\\t" else value


Auto = Literal["auto"]
Flag = Annotated[bool, Field(strict=True), BeforeValidator(_true_or_false), "true or false"]
Whole = Annotated[
    int, Field(strict=True, ge=0), BeforeValidator(_whole), "a whole number of at least 0"
]
Count = Annotated[
    int, Field(strict=True, ge=1), BeforeValidator(_whole), "a whole number of at least 1"
]
Positive = Annotated[
    float, Field(strict=True, gt=0, allow_inf_nan=False), "a number greater than 0"
]
NotNegative = Annotated[
    float, Field(strict=True, ge=0, allow_inf_nan=False), "a number of at least 0"
]
Share = Annotated[float, Field(strict=True, ge=0, lt=1), "a number from 0 to below 1"]
Name = Annotated[str, Field(strict=True, min_length=1), BeforeValidator(_text), "text"]
Columns = Annotated[
    tuple[Name, ...],
    BeforeValidator(_listed, json_schema_input_type=str | int | list[str | int]),
    "one or more column names",
]
Files = Annotated[
    tuple[Name, ...],
    Field(min_length=1),
    BeforeValidator(_listed, json_schema_input_type=str | list[str]),
    "a file, a folder or a pattern such as data/*.csv, or a list of them",
]
Quantiles = Annotated[
    tuple[Annotated[float, Field(strict=True, gt=0, lt=1)], ...],
    Field(min_length=1),
    BeforeValidator(_listed, json_schema_input_type=float | list[float]),
    "a list of numbers between 0 and 1, both excluded",
]
Options = Annotated[dict[str, JsonValue], "a group of keys and values"]
Separator = Annotated[Literal["auto", ",", ";", "\t", "|"], BeforeValidator(_tab)]


def expected(field: FieldInfo) -> str:
    """What `field` accepts, in plain words: ``auto or a whole number of at least 1``."""
    for note in field.metadata:
        if isinstance(note, str):
            return note
    return _words(field.annotation)


def choices(annotation: Any) -> list[str]:
    """The words that a field of this type accepts, [] where it takes none by name."""
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [word for part in get_args(annotation) for word in choices(part)]


def _words(annotation: Any) -> str:
    if annotation is type(None):
        return "null"
    if get_origin(annotation) is Annotated:
        notes = [note for note in annotation.__metadata__ if isinstance(note, str)]
        return notes[0] if notes else _words(annotation.__origin__)
    if get_origin(annotation) in (types.UnionType, Union):
        return " or ".join(_words(part) for part in get_args(annotation))
    words = [word.replace("\t", "\\t") for word in choices(annotation)]
    # A punctuation mark standing alone would be lost in a sentence.
    words = [word if word[0].isalpha() else f'"{word}"' for word in words]
    return words[0] if len(words) == 1 else "one of " + ", ".join(words)


def _all_different(names: tuple[str, ...]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' is named twice")


class Section(BaseModel):
    """What all sections share: nothing can be changed later, nothing unknown is accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(Section):
    """Where the data is and which column plays which role."""

    path: Files = Field(
        description="CSV or Parquet files, folders or patterns, relative to the folder of the"
        ' spec; a lone "-" reads standard input.',
        examples=["sales.csv"],
    )
    time: Name = Field("auto", description="The column with the time stamps.")
    series: Auto | Columns = Field(
        "auto", description="The columns that name a series; [] means one series."
    )
    targets: Auto | Columns = Field("auto", description="The columns to forecast.")
    separator: Separator = Field("auto", description="The character between two columns.")
    decimal: Literal["auto", ".", ","] = Field("auto", description="The decimal mark of numbers.")
    time_format: Name | None = Field(
        None,
        description="The format of the time stamps, such as %d/%m/%Y; null recognises it.",
    )

    @field_validator("path")
    @classmethod
    def _paths_differ(cls, path: tuple[str, ...]) -> tuple[str, ...]:
        _all_different(path)
        return path

    @field_validator("series", "targets")
    @classmethod
    def _one_role_a_column(
        cls, columns: str | tuple[str, ...], info: ValidationInfo
    ) -> str | tuple[str, ...]:
        if isinstance(columns, str):
            return columns
        if info.field_name == "targets" and not columns:
            raise ValueError("expected at least one column, found an empty list")
        _all_different(columns)
        for role in ("time", "series"):
            taken = info.data.get(role, ())
            for name in (taken,) if isinstance(taken, str) else taken:
                if name in columns and taken != "auto":
                    raise ValueError(f"'{name}' is already given as data.{role}")
        return columns

    @field_validator("decimal")
    @classmethod
    def _decimal_is_no_separator(cls, decimal: str, info: ValidationInfo) -> str:
        if decimal == info.data.get("separator") == ",":
            raise ValueError("a comma cannot be both data.separator and data.decimal")
        return decimal

    @field_validator("time_format")
    @classmethod
    def _format_has_a_field(cls, time_format: str | None) -> str | None:
        if time_format is not None and "%" not in time_format:
            raise ValueError(
                f"expected a format with % codes such as %d/%m/%Y, found '{time_format}'"
            )
        return time_format


class Clean(Section):
    """How the raw rows become regular series."""

    frequency: Name = Field(
        "auto",
        description="The step between two rows of a series: h, 15min, D, B (business days),"
        " W-SUN, MS or ME (month starts or ends), QS, QE, YS, YE, or a whole number for an"
        " integer time column.",
    )
    duplicates: Literal["error", "first", "last", "mean", "sum"] = Field(
        "error", description="What to do with several rows of one series at one time."
    )
    missing: Literal["mask", "ffill", "mean", "median", "zero", "linear"] = Field(
        "mask",
        description="How missing values enter the network; mask tells it that they are missing"
        " and never scores them.",
    )
    minimum_length: Auto | Count = Field(
        "auto",
        description="Series with fewer observed values, in steps, are skipped and named.",
    )


class Window(Section):
    """How far the network looks back and ahead, in steps of the frequency."""

    horizon: Count = Field(description="How many steps ahead to forecast.", examples=[24])
    lookback: Auto | Count = Field("auto", description="How many past steps the network reads.")
    segment: Auto | Count = Field(
        "auto",
        description="How many steps the network reads at once, usually one season; 1 reads"
        " step by step.",
    )
    season: Auto | Count = Field(
        "auto", description="The length of the season, in steps; 1 means no season."
    )

    @field_validator("segment")
    @classmethod
    def _segment_fits(cls, segment: str | int, info: ValidationInfo) -> str | int:
        lookback = info.data.get("lookback")
        if isinstance(segment, int) and isinstance(lookback, int) and segment > lookback:
            raise ValueError(f"expected at most the lookback of {lookback} steps, found {segment}")
        return segment


class Model(Section):
    """The network and its parts."""

    backbone: Name = Field("gru", description="The recurrent network, by name.")
    hidden_size: Auto | Count = Field("auto", description="The size of the recurrent state.")
    layers: Count = Field(1, description="How many recurrent layers lie on top of each other.")
    dropout: Share = Field(
        0.1, description="The share of values set to zero at random while training."
    )
    decoder: Literal["auto", "direct", "parallel"] = Field(
        "auto", description="How the state becomes a forecast of all horizon steps."
    )
    normalize: Literal["auto", "log_mean", "mean", "standard", "robust", "last", "none"] = Field(
        "auto", description="How the level of each window is taken out and put back."
    )
    linear_first: Flag = Field(
        True, description="Add a linear map from lookback to horizon to the network's output."
    )
    options: Options = Field(
        default_factory=dict, description="Further options of the backbone, by name."
    )

    @field_validator("backbone")
    @classmethod
    def _backbone_is_known(cls, backbone: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get("backbones")
        if known is not None and backbone not in known:
            near = difflib.get_close_matches(backbone.lower(), known, 1, 0.5)
            hint = f" — did you mean '{near[0]}'?" if near else ""
            raise ValueError(f"expected one of {', '.join(known)}, found '{backbone}'{hint}")
        return backbone


class Training(Section):
    """How the network is fitted."""

    max_steps: Auto | Count = Field("auto", description="The number of weight updates at most.")
    batch_size: Auto | Count = Field("auto", description="The number of windows in an update.")
    learning_rate: Positive = Field(0.002, description="The highest learning rate.")
    schedule: Literal["one_cycle", "cosine", "constant"] = Field(
        "one_cycle", description="How the learning rate changes during training."
    )
    weight_decay: NotNegative = Field(
        0.01, description="How strongly weights are drawn towards zero."
    )
    clip_norm: Positive | None = Field(
        1.0, description="The gradient is scaled down to this norm; null leaves it."
    )
    clip_value: Positive | None = Field(
        1.0, description="Each entry of the gradient is cut to this size; null leaves it."
    )
    loss: Literal["quantile", "mae", "mse", "huber"] = Field(
        "quantile", description="The loss that training makes small, on normalised values."
    )
    early_stopping: Flag = Field(
        True, description="Stop when the validation loss no longer improves."
    )
    patience: Count = Field(
        8, description="The number of validations without improvement before stopping."
    )
    final_fit: Flag = Field(
        True, description="Train once more on all data, the held-out part included."
    )
    seed: Whole = Field(1, description="The seed of all random numbers.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where to train: processor (cpu) or graphics card (cuda, mps)."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="The number format of the network's arithmetic."
    )


class Forecast(Section):
    """What is forecast and written."""

    quantiles: Quantiles = Field(
        (0.025, 0.1, 0.5, 0.9, 0.975),
        description="The quantiles to forecast, kept in increasing order.",
    )
    plots: Whole = Field(12, description="The number of plots at most, one a series; 0 for none.")

    @field_validator("quantiles")
    @classmethod
    def _in_order(cls, quantiles: tuple[float, ...]) -> tuple[float, ...]:
        for level in quantiles:
            if quantiles.count(level) > 1:
                raise ValueError(f"the quantile {level} is named twice")
        return tuple(sorted(quantiles))


class Spec(Section):
    """A whole spec; only the data's path and the horizon have no default."""

    data: Data
    clean: Clean = Clean()
    window: Window
    model: Model = Model()
    training: Training = Training()
    forecast: Forecast = Forecast()


SECTIONS: dict[str, type[Section]] = {
    "data": Data,
    "clean": Clean,
    "window": Window,
    "model": Model,
    "training": Training,
    "forecast": Forecast,
}
