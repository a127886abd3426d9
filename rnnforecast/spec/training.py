"""The section about fitting: steps and rates, what the loss counts, which windows are drawn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from rnnforecast.spec.data import SpecSection
from rnnforecast.spec.types import (
    Auto,
    Bool,
    Fraction,
    LossName,
    NonEmptyStr,
    NonNegativeFloat,
    NonNegativeInt,
    Options,
    PositiveFloat,
    PositiveInt,
)


def _to_list(value: object) -> object:
    """Let one pattern stand for a list of one."""
    return [value] if isinstance(value, str) else value


HorizonWeights = Annotated[
    tuple[NonNegativeFloat, ...], Field(min_length=1), "a list of numbers of at least 0"
]
NamePatterns = Annotated[
    tuple[NonEmptyStr, ...],
    BeforeValidator(_to_list, json_schema_input_type=str | list[str]),
    "one or more patterns such as backbone.*",
]


class TrainingSpec(SpecSection):
    """How the network is fitted."""

    preset: Literal["fast", "balanced", "best"] = Field(
        "balanced",
        description="How much time is spent: fast for a first look, balanced for one network, best"
        " for an ensemble. It settles what is left automatic.",
    )
    time_budget: PositiveFloat | None = Field(
        None,
        description="Minutes that the training may take: an ensemble gets no further network that"
        " would not be done in time.",
    )
    max_steps: Auto | PositiveInt = Field(
        "auto", description="The number of weight updates at most."
    )
    batch_size: Auto | PositiveInt = Field(
        "auto",
        description="The number of windows in a batch; several processes share them.",
    )
    gradient_accumulation: PositiveInt = Field(
        1,
        description="The number of batches in an update: the same as one batch of all their"
        " windows, in less memory.",
    )
    optimizer: Literal["adamw", "adam", "sgd", "rmsprop"] = Field(
        "adamw",
        description="How gradients become updates; sgd has Nesterov's momentum of 0.9 and wants a"
        " higher learning rate.",
    )
    learning_rate: Auto | PositiveFloat = Field("auto", description="The highest learning rate.")
    schedule: Literal["one_cycle", "cosine", "constant", "step", "plateau"] = Field(
        "one_cycle",
        description="How the learning rate changes during training; step: to a tenth at half and"
        " at three quarters of it; plateau: to three tenths after 3 validations without"
        " improvement.",
    )
    weight_decay: NonNegativeFloat = Field(
        0.01,
        description="How strongly weights are drawn towards zero: by a share of the learning rate"
        " for adamw, by the gradient of half their squares (L2) for the others.",
    )
    l1: NonNegativeFloat = Field(
        0.0, description="How much the sizes of all weights but the biases add to the loss."
    )
    clip_norm: PositiveFloat | None = Field(
        1.0, description="The gradient is scaled down to this norm; null leaves it."
    )
    clip_value: PositiveFloat | None = Field(
        1.0, description="Each entry of the gradient is cut to this size; null leaves it."
    )
    swa_fraction: Fraction = Field(
        0.0,
        description="The share of the steps, the last ones, whose weights are averaged; the average"
        " is kept if it validates best, or if nothing validates.",
    )
    tbptt_steps: PositiveInt | None = Field(
        None,
        description="Gradients reach back so many segments; earlier ones are read with the state"
        " carried on, but nothing is learnt through them; null for all.",
    )
    loss: LossName = Field(
        "quantile", description="The loss that training makes small, on normalised values."
    )
    loss_options: Options = Field(
        default_factory=dict,
        description="Further options of the loss, by name: power of tweedie, components of"
        " mixture.",
    )
    horizon_weight: Literal["equal", "decreasing"] | HorizonWeights = Field(
        "equal",
        description="How much each step ahead counts in the loss; decreasing: less by the root of"
        " its number; or a number for each step.",
    )
    series_weight: Literal["equal", "scale"] = Field(
        "equal",
        description="How much each series counts in the loss; scale: in proportion to the mean"
        " size of its values.",
    )
    window_weight: Literal["auto", "equal", "scale"] = Field(
        "auto",
        description="How much each window counts in the loss; scale: in proportion to what"
        " model.normalize divides it by, so that errors count in the units of the series; auto:"
        " scale where it divides by a spread, with a loss of normalised values.",
    )
    sample_series: Literal["length", "uniform", "scale"] = Field(
        "length",
        description="How often windows are drawn from a series: by the root of its observed"
        " length, all alike, or by the root of the mean size of its values.",
    )
    sample_origins: Literal["recent", "uniform"] = Field(
        "recent", description="Whether recent windows are drawn more often, or all alike."
    )
    early_stopping: Bool = Field(
        True, description="Stop when the validation loss no longer improves."
    )
    patience: PositiveInt = Field(
        8, description="The number of validations without improvement before stopping."
    )
    final_fit: Bool = Field(
        True, description="Train once more on all data, the held-out part included."
    )
    start_from: NonEmptyStr | None = Field(
        None,
        description="The run folder whose weights the training starts from, relative to the folder"
        " of the spec; keys of window and model that are not set are then as in that run.",
    )
    freeze: NamePatterns = Field(
        (), description="The weights that are left as they are, by patterns of their names."
    )
    seed: NonNegativeInt = Field(1, description="The seed of all random numbers.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where to train: processor (cpu) or graphics card (cuda, mps)."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="The number format of the network's arithmetic."
    )
    compile: Bool = Field(
        False,
        description="Translate the network for the device first: takes a minute or more, pays for"
        " long trainings on a graphics card.",
    )

    @field_validator("horizon_weight")
    @classmethod
    def _check_horizon_weight(cls, weights: str | tuple[float, ...]) -> str | tuple[float, ...]:
        if not isinstance(weights, str) and not any(weights):
            raise ValueError("expected at least one number above 0, found zeros only")
        return weights
