"""The spec as frozen objects: eight sections, every key with its type, default and meaning.

This file, `inputs` and `training` are the one place that knows the keys: the messages of `load`,
the reference and the JSON schema of `explain` all come from the annotations there and in `types`.
"""

from __future__ import annotations

import difflib
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from rnnforecast.spec.data import CleanSpec, DataSpec, FeaturesSpec, SpecSection
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.spec.types import (
    Auto,
    Bool,
    Fraction,
    NonEmptyStr,
    NonNegativeInt,
    Options,
    ParameterGrid,
    PositiveInt,
    PositiveInts,
    Quantiles,
    SeasonLengths,
    UnitFloat,
    describe_field,
)


class WindowSpec(SpecSection):
    """How far the network looks back and ahead, in steps of the frequency."""

    horizon: PositiveInt = Field(description="How many steps ahead to forecast.", examples=[24])
    lookback: Auto | PositiveInt = Field(
        "auto", description="How many past steps the network reads."
    )
    patch_length: Auto | PositiveInt = Field(
        "auto",
        description="How many steps the network reads at once, usually one season; 1 reads"
        " step by step.",
    )
    season: Auto | PositiveInt = Field(
        "auto", description="The length of the season, in steps; 1 means no season."
    )

    @field_validator("patch_length")
    @classmethod
    def _check_patch_length(cls, patch_length: str | int, info: ValidationInfo) -> str | int:
        lookback = info.data.get("lookback")
        if isinstance(patch_length, int) and isinstance(lookback, int) and patch_length > lookback:
            raise ValueError(
                f"expected at most the lookback of {lookback} steps, found {patch_length}"
            )
        return patch_length


class ModelSpec(SpecSection):
    """The network and its parts."""

    backbone: NonEmptyStr = Field("gru", description="The recurrent network, by name.")
    hidden_size: Auto | PositiveInt = Field("auto", description="The size of the recurrent state.")
    layers: Auto | PositiveInt = Field(
        "auto", description="How many recurrent layers lie on top of each other."
    )
    residual: Auto | Bool = Field(
        "auto",
        description="Whether each layer adds to what the one below it says; auto: in dilated nets.",
    )
    layer_norm: Bool = Field(False, description="Normalise what each layer says over its units.")
    dropout: Fraction = Field(
        0.1, description="The share of values set to zero at random while training."
    )
    recurrent_dropout: Fraction = Field(
        0.0,
        description="The share of the state that is hidden from the recurrence while training, the"
        " same units at all steps of a window.",
    )
    zoneout: Fraction = Field(
        0.0, description="The share of units that keep their old value, anew at each step."
    )
    orthogonal_init: Bool = Field(False, description="Start the recurrent weights as rotations.")
    initial_state: Literal["zero", "learned"] = Field(
        "zero", description="The state before the first step of a window."
    )
    bidirectional: Bool = Field(
        False, description="Read the lookback backwards too, with a second network."
    )
    decoder: Literal["auto", "direct", "forking", "parallel", "recursive", "seq2seq"] = Field(
        "auto", description="How the state becomes a forecast of all horizon steps."
    )
    attention: Literal["additive", "multiplicative"] = Field(
        "additive", description="How the decoder seq2seq looks back at the lookback."
    )
    teacher_forcing: UnitFloat = Field(
        1.0,
        description="The share of windows in which the decoders recursive and seq2seq are still fed"
        " true values at the end of training; it starts at 1.",
    )
    normalize: Literal[
        "auto", "log_mean", "mean", "standard", "robust", "last", "none", "exponential_smoothing"
    ] = Field("auto", description="How the level of each window is taken out and put back.")
    smoothing_seasons: Auto | SeasonLengths = Field(
        "auto",
        description="The one or two seasons that exponential_smoothing learns for each series;"
        " auto: the season.",
    )
    base_forecast: Literal["auto", "linear", "theta", "none"] = Field(
        "auto",
        description="What the network's output is added to: a linear map from lookback to horizon,"
        " fitted by least squares and then learnt further, or the theta forecast of each window"
        " and such a map; auto: theta where it is ahead on the validation windows.",
    )
    channels: Literal["independent", "joint"] = Field(
        "independent",
        description="Whether each target is forecast from its own past by one shared network, or"
        " all targets of a series together.",
    )
    backbone_options: Options = Field(
        default_factory=dict, description="Further options of the backbone, by name."
    )

    @field_validator("backbone")
    @classmethod
    def _check_backbone(cls, backbone: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get("backbones")
        if known is not None and backbone not in known:
            near = difflib.get_close_matches(backbone.lower(), known, 1, 0.5)
            hint = f" — did you mean '{near[0]}'?" if near else ""
            raise ValueError(f"expected one of {', '.join(known)}, found '{backbone}'{hint}")
        return backbone


ENSEMBLE_SECTIONS: dict[str, type[SpecSection]] = {
    "window": WindowSpec,
    "model": ModelSpec,
    "training": TrainingSpec,
}
"""Sections that the networks of an ensemble may differ in."""

SHARED_KEYS = (
    "window.horizon",
    "window.season",
    "model.channels",
    "training.seed",
    "training.device",
    "training.final_fit",
    "training.start_from",
    "training.freeze",
    "training.time_budget",
)
"""Keys of them that all networks share."""


class EnsembleSpec(SpecSection):
    """Several networks, trained one after the other, whose forecasts are made into one."""

    members: Auto | PositiveInt = Field(
        "auto",
        description="How many networks are trained; each has its own seed. auto: one, or as many as"
        " the preset best has.",
    )
    vary: Auto | ParameterGrid = Field(
        "auto",
        description="What the networks differ in besides: a key such as window.lookback and the"
        " values that they take in turn; auto: nothing, or what the preset best says.",
        examples=[{"window.lookback": [168, 336], "training.loss": ["quantile", "mae"]}],
    )
    combine: Literal["median", "mean", "weights"] = Field(
        "median",
        description="How forecasts become one, quantile by quantile; weights: a mean weighted by"
        " what does best on the validation part.",
    )

    @field_validator("vary")
    @classmethod
    def _check_vary(
        cls, vary: str | dict[str, list[Any]], info: ValidationInfo
    ) -> str | dict[str, list[Any]]:
        if isinstance(vary, str):
            return vary
        allowed = [
            f"{section}.{name}"
            for section, keys in ENSEMBLE_SECTIONS.items()
            for name in keys.model_fields
            if f"{section}.{name}" not in SHARED_KEYS
        ]
        for key, values in vary.items():
            if key not in allowed:
                near = difflib.get_close_matches(key, allowed, 1, 0.5)
                hint = f" — did you mean '{near[0]}'?" if near else ""
                raise ValueError(f"'{key}' is no key that networks can differ in{hint}")
            vary[key] = [
                _validate_varied_value(key, value, values, info.context) for value in values
            ]
        return vary


def _validate_varied_value(key: str, value: object, values: list[Any], context: Any) -> object:
    """The value as the key takes it, in plain types; ValueError where it does not."""
    section, name = key.split(".")
    others = {"horizon": 1} if section == "window" else {}
    try:
        found = ENSEMBLE_SECTIONS[section].model_validate({**others, name: value}, context=context)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":  # what the key's own check says
            raise ValueError(f"{key}: {first['ctx']['error']}") from None
        given = ", ".join(map(str, values))
        field = ENSEMBLE_SECTIONS[section].model_fields[name]
        raise ValueError(f"{key}: expected {describe_field(field)} each, found {given}") from None
    return found.model_dump(mode="json")[name]


class ForecastSpec(SpecSection):
    """What is forecast and written."""

    quantiles: Quantiles = Field(
        (0.025, 0.1, 0.5, 0.9, 0.975),
        description="The quantiles to forecast, kept in increasing order.",
    )
    non_negative: Auto | Bool = Field(
        "auto",
        description="Whether forecasts stop at 0; auto: where no training value is below.",
    )
    whole_numbers: Auto | Bool = Field(
        "auto",
        description="Whether forecasts are rounded to whole numbers; auto: where all training"
        " values are whole, but for the loss mse, whose forecast is a mean.",
    )
    totals: PositiveInts = Field(
        (),
        description="Numbers of steps whose totals are forecast too, with intervals: 7 for that of"
        " the first seven.",
    )
    sample_paths: NonNegativeInt = Field(
        0, description="The number of sample paths that are written for each series."
    )
    plots: Auto | NonNegativeInt = Field(
        "auto",
        description="The number of plots at most, one a series; 0 for none; auto: 12, or 4 with the"
        " preset fast.",
    )

    @field_validator("quantiles")
    @classmethod
    def _sort_quantiles(cls, quantiles: tuple[float, ...]) -> tuple[float, ...]:
        for level in quantiles:
            if quantiles.count(level) > 1:
                raise ValueError(f"the quantile {level} is named twice")
        return tuple(sorted(quantiles))


class Spec(SpecSection):
    """A whole spec; only the data's path and the horizon have no default."""

    data: DataSpec
    clean: CleanSpec = CleanSpec()
    features: FeaturesSpec = FeaturesSpec()
    window: WindowSpec
    model: ModelSpec = ModelSpec()
    training: TrainingSpec = TrainingSpec()
    ensemble: EnsembleSpec = EnsembleSpec()
    forecast: ForecastSpec = ForecastSpec()


SECTIONS: dict[str, type[SpecSection]] = {
    "data": DataSpec,
    "clean": CleanSpec,
    "features": FeaturesSpec,
    "window": WindowSpec,
    "model": ModelSpec,
    "training": TrainingSpec,
    "ensemble": EnsembleSpec,
    "forecast": ForecastSpec,
}
