"""The section ensemble: the number of networks, and the keys in which they differ."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from rnnforecast.errors import closest_match, did_you_mean
from rnnforecast.spec.model import ModelSpec, WindowSpec
from rnnforecast.spec.training import TrainingSpec
from rnnforecast.spec.types import (
    Auto,
    ParameterGrid,
    SmallPositiveInt,
    SpecSection,
    UnitFloat,
    validate_value,
)

ENSEMBLE_SECTIONS: dict[str, type[SpecSection]] = {
    "window": WindowSpec,
    "model": ModelSpec,
    "training": TrainingSpec,
}
"""Sections in which the networks of an ensemble may differ."""

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
"""Keys of these sections that all networks share."""


class EnsembleSpec(SpecSection):
    """Several networks, trained in parallel, whose forecasts are combined."""

    members: Auto | SmallPositiveInt = Field(
        "auto",
        description="The number of networks; each has its own seed. auto: one, as many as the"
        " preset best has, or one for each combination of the values of vary.",
    )
    vary: Auto | ParameterGrid = Field(
        "auto",
        description="The keys in which the networks differ: a key such as window.lookback and the"
        " values that they take in turn; auto: none, or those of the preset best.",
        examples=[{"window.lookback": [168, 336], "training.loss": ["quantile", "mae"]}],
    )
    combine: Literal["median", "mean", "weights"] = Field(
        "median",
        description="How forecasts are combined, quantile by quantile; weights: a mean with the"
        " weights that are best on the validation part.",
    )
    network_weight: Auto | UnitFloat = Field(
        "auto",
        description="The weight of the networks in the forecast; statistical methods (structural"
        " models, theta), fitted to each series alone, have the rest. auto: the best weight"
        " on the validation part, small with few values; 1: networks only.",
        examples=[1.0],
    )

    @field_validator("vary")
    @classmethod
    def _check_vary(cls, vary: str | dict[str, list[Any]]) -> str | dict[str, list[Any]]:
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
                near = closest_match(key, allowed, cutoff=0.5)
                hint = f" — {did_you_mean(near)}" if near else ""
                raise ValueError(f"'{key}' is no key that networks can differ in{hint}")
            vary[key] = [_validate_varied_value(key, value) for value in values]
        return vary


def _validate_varied_value(key: str, value: object) -> Any:
    """The validated value of a key, in plain types; ValueError if the key does not accept it."""
    section, name = key.split(".")
    try:
        return validate_value(ENSEMBLE_SECTIONS[section], name, value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
