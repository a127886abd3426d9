"""The spec as frozen objects: seven sections, every key with its type, default and meaning.

This file and `inputs` are the one place that knows the keys: the messages of `load`, the reference
and the JSON schema of `explain` all come from the annotations there and in `types`.
"""

from __future__ import annotations

import difflib
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from rnnforecast.spec.inputs import Clean, Data, Features, Section
from rnnforecast.spec.types import (
    Auto,
    Count,
    Flag,
    Name,
    NotNegative,
    Options,
    Positive,
    Quantiles,
    Share,
    Whole,
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
    channels: Literal["independent", "joint"] = Field(
        "independent",
        description="Whether each target is forecast from its own past by one shared network, or"
        " all targets of a series together.",
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
    non_negative: Auto | Flag = Field(
        "auto",
        description="Whether forecasts stop at 0; auto: where no training value is below.",
    )
    whole_numbers: Auto | Flag = Field(
        "auto",
        description="Whether forecasts are rounded to whole numbers; auto: where all training"
        " values are whole, but for the loss mse, whose forecast is a mean.",
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
    features: Features = Features()
    window: Window
    model: Model = Model()
    training: Training = Training()
    forecast: Forecast = Forecast()


SECTIONS: dict[str, type[Section]] = {
    "data": Data,
    "clean": Clean,
    "features": Features,
    "window": Window,
    "model": Model,
    "training": Training,
    "forecast": Forecast,
}
