"""The sections window and model: the sizes of windows, and the parts of the network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rnnforecast.spec.types import (
    Auto,
    BackboneName,
    BaseForecastName,
    Bool,
    DecoderName,
    Fraction,
    Options,
    PositiveInt,
    SeasonLengths,
    SmallPositiveInt,
    SpecSection,
    UnitFloat,
    WindowScalerName,
)


class WindowSpec(SpecSection):
    """The lookback and the horizon, in steps of the frequency."""

    horizon: PositiveInt = Field(description="The number of steps to forecast.", examples=[24])
    lookback: Auto | PositiveInt = Field(
        "auto", description="The number of past steps that the network reads."
    )
    patch_length: Auto | PositiveInt = Field(
        "auto",
        description="The number of steps that the network reads at once, usually one season; 1"
        " reads step by step.",
    )
    season: Auto | PositiveInt = Field(
        "auto", description="The length of the season, in steps; 1 means no season."
    )


class ModelSpec(SpecSection):
    """The network and its parts."""

    backbone: BackboneName = Field("gru", description="The recurrent network, by name.")
    hidden_size: Auto | PositiveInt = Field("auto", description="The size of the hidden state.")
    layers: Auto | SmallPositiveInt = Field(
        "auto", description="The number of recurrent layers stacked on each other."
    )
    residual: Auto | Bool = Field(
        "auto",
        description="Whether a layer's input is added to its output; auto: as the backbone has it"
        " by default.",
    )
    layer_norm: Bool = Field(False, description="Layer normalization after each layer.")
    dropout: Fraction = Field(0.1, description="The dropout rate.")
    recurrent_dropout: Fraction = Field(
        0.0,
        description="The dropout on the recurrent connections, with one mask for all steps of a"
        " window.",
    )
    zoneout: Fraction = Field(
        0.0,
        description="The share of units that keep their previous value in training, drawn anew at"
        " each step.",
    )
    orthogonal_init: Bool = Field(
        False, description="Orthogonal initialization of the recurrent weights."
    )
    initial_state: Literal["zero", "learned"] = Field(
        "zero", description="The state before the first step of a window."
    )
    bidirectional: Bool = Field(
        False, description="Read the lookback backwards too, with a second network."
    )
    decoder: DecoderName = Field(
        "auto", description="How the state becomes a forecast of all horizon steps."
    )
    attention: Literal["additive", "multiplicative"] = Field(
        "additive", description="The attention of the decoder seq2seq over the lookback."
    )
    teacher_forcing: UnitFloat = Field(
        1.0,
        description="The share of windows in which the decoders recursive and seq2seq read true"
        " values at the end of training; it starts at 1.",
    )
    normalize: WindowScalerName = Field(
        "auto", description="How each window is scaled; inverted for the forecast."
    )
    smoothing_seasons: Auto | SeasonLengths = Field(
        "auto",
        description="The one or two seasons that exponential_smoothing has for each series; auto:"
        " the season.",
    )
    base_forecast: BaseForecastName = Field(
        "auto",
        description="The forecast that the network's output is added to: a linear map from"
        " lookback to horizon, fitted by least squares and trained further, or the theta forecast"
        " of each window and such a map; auto: theta where it is better on the validation windows.",
    )
    channels: Literal["independent", "joint"] = Field(
        "independent",
        description="Whether each target is forecast from its own past by one shared network, or"
        " all targets of a series together.",
    )
    backbone_options: Options = Field(
        default_factory=dict, description="Options of the backbone, by name."
    )
