"""The section training: optimizer, learning rate, loss and its weights, sampling of windows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from rnnforecast.spec.types import (
    Auto,
    Bool,
    Fraction,
    HorizonWeights,
    LossName,
    MemorySize,
    NamePatterns,
    NonEmptyStr,
    NonNegativeFloat,
    NonNegativeInt,
    Options,
    PositiveFloat,
    PositiveInt,
    SpecSection,
)


class TrainingSpec(SpecSection):
    """How the network is trained."""

    preset: Literal["fast", "balanced", "best"] = Field(
        "balanced",
        description="How much time is spent: fast for a first look, balanced for one network, best"
        " for an ensemble. It decides the keys that are auto.",
    )
    time_budget: PositiveFloat | None = Field(
        None,
        description="The minutes that an ensemble may take: no further network is trained that"
        " would not be finished in time; null: no limit.",
    )
    memory_budget: MemorySize | None = Field(
        None,
        description="The memory that reading and training may take; of data that need more, a"
        " sample of the series is used, by a hash of their ids and the seed; null: no limit.",
    )
    max_steps: Auto | PositiveInt = Field(
        "auto", description="The largest number of optimizer steps."
    )
    batch_size: Auto | PositiveInt = Field(
        "auto",
        description="The number of windows in a batch, over all processes.",
    )
    gradient_accumulation: PositiveInt = Field(
        1,
        description="The number of batches per optimizer step: equal to one batch of all their"
        " windows, in less memory.",
    )
    optimizer: Literal["adamw", "adam", "sgd", "rmsprop"] = Field(
        "adamw",
        description="The optimizer; sgd has a Nesterov momentum of 0.9 and needs a higher learning"
        " rate.",
    )
    learning_rate: Auto | PositiveFloat = Field("auto", description="The highest learning rate.")
    schedule: Literal["one_cycle", "cosine", "constant", "step", "plateau"] = Field(
        "one_cycle",
        description="How the learning rate changes during training; step: times 0.1 at half and at"
        " three quarters of the steps; plateau: times 0.3 after 3 validations without"
        " improvement.",
    )
    weight_decay: NonNegativeFloat = Field(
        0.01,
        description="The weight decay: decoupled from the gradient for adamw, an L2 penalty for the"
        " other optimizers.",
    )
    l1: NonNegativeFloat = Field(
        0.0, description="The factor of the L1 penalty on all weights except biases."
    )
    clip_norm: PositiveFloat | None = Field(
        1.0, description="The largest norm of the gradient; null: no limit."
    )
    clip_value: PositiveFloat | None = Field(
        1.0, description="The largest absolute value of an entry of the gradient; null: no limit."
    )
    swa_fraction: Fraction = Field(
        0.0,
        description="The share of the last steps whose weights are averaged (stochastic weight"
        " averaging); the average is used if its validation loss is the best, or if there is no"
        " validation.",
    )
    tbptt_steps: PositiveInt | None = Field(
        None,
        description="Truncated backpropagation through time: the number of last patches with a"
        " gradient; the state is carried over from earlier ones; null: all.",
    )
    loss: LossName = Field("quantile", description="The training loss, on normalized values.")
    loss_options: Options = Field(
        default_factory=dict,
        description="Options of the loss, by name.",
    )
    horizon_weight: Literal["equal", "decreasing"] | HorizonWeights = Field(
        "equal",
        description="The weight of each step of the horizon in the loss; decreasing: 1 over the"
        " square root of the step's number; or a list with a weight for each step.",
    )
    series_weight: Literal["equal", "scale"] = Field(
        "equal",
        description="The weight of each series in the loss; scale: in proportion to the mean"
        " absolute value of the series.",
    )
    window_weight: Literal["auto", "equal", "scale"] = Field(
        "auto",
        description="The weight of each window in the loss; scale: in proportion to the divisor of"
        " model.normalize, so that errors count in the units of the series; auto: scale if the"
        " divisor is a measure of spread and the loss is on normalized values.",
    )
    sample_series: Literal["length", "uniform", "scale"] = Field(
        "length",
        description="The probability of a series in a batch: in proportion to the square root of"
        " its observed length, equal for all, or in proportion to the square root of its mean"
        " absolute value.",
    )
    sample_origins: Literal["recent", "uniform"] = Field(
        "recent", description="Whether recent windows are sampled more often, or all equally."
    )
    early_stopping: Bool = Field(
        True, description="Whether to stop when the validation loss no longer improves."
    )
    patience: PositiveInt = Field(
        8, description="The number of validations without improvement before stopping."
    )
    holdout_series: PositiveInt = Field(
        10_000,
        description="The largest number of series whose held-out horizon is forecast and scored; of"
        " more, so many spread over all.",
    )
    final_fit: Bool = Field(
        True, description="Whether to train once more on all data, the held-out part included."
    )
    start_from: NonEmptyStr | None = Field(
        None,
        description="The run folder whose weights training starts from, relative to the folder of"
        " the spec; keys of window and model that are not set are then as in that run.",
    )
    freeze: NamePatterns = Field(
        (), description="The weights that are not trained, by patterns of their names."
    )
    seed: NonNegativeInt = Field(1, description="The seed of all random numbers.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="The device for training: processor (cpu) or graphics card (cuda, mps)."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="The floating-point type of the network's computations."
    )
    compile: Bool = Field(
        False,
        description="Whether to compile the network with torch.compile: takes a minute or more,"
        " pays off in long trainings on a graphics card; slower on a CPU.",
    )

    @field_validator("horizon_weight")
    @classmethod
    def _check_horizon_weight(cls, weights: str | tuple[float, ...]) -> str | tuple[float, ...]:
        if not isinstance(weights, str) and not any(weights):
            raise ValueError("expected at least one number above 0, found zeros only")
        return weights
