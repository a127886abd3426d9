"""Families of distributions: which raw numbers become which parameters, and on which scale.

All raw numbers zero is where training starts: wide enough to be surprised by nothing, about half of
the net's unit. The first raw number is the location: the mean of counts and of `tweedie`, the
median of `log_normal`, the centre of `mixture`'s first part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from rnnforecast.models.heads.distributions import (
    Distribution,
    LogNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    StudentT,
)
from rnnforecast.models.heads.mixtures import NormalMixture, Tweedie

INITIAL_SCALE = 0.5
"""The scale at the start: of the net's unit, or of the level if the net's unit is larger."""

INITIAL_DISPERSION = INITIAL_SCALE**2
"""The dispersion at the start, of a level of 1: it goes as the square of the deviation. It is
multiplied by the rough spread alone, not its square: too wide a start costs less than too narrow a
one, at which the first gradients would be huge."""

MIN_SCALE = 1e-3
"""On the same scale; without it a likelihood would have no bound."""

MIN_DISPERSION = 1e-6
"""Of a negative binomial: below it there is no telling it from a Poisson distribution."""

MIN_DF, INITIAL_DF = 2.001, 5.0
"""Degrees of freedom of a Student t: a variance there must be."""

LINEAR_MEAN_THRESHOLD = 0.1
"""From this share of the level's scale upwards a mean is the location itself."""

DistributionBuilder = Callable[[Tensor, Tensor, Tensor], Distribution]
"""`(location [B, H, C], the other raw numbers [B, H, C, P - 1], rough) -> distribution`; `rough`
is a guess of the spread relative to the level, a scalar of at most 1."""


@dataclass(frozen=True)
class DistributionFamily:
    """How a distribution is made of raw numbers."""

    n_params: int
    """Raw numbers a step and target, the location first."""
    domain: Literal["net", "ratio", "original"]
    """What it is a distribution of: the net's values, original ones over the level's scale, or
    original ones. On the latter two the location is positive."""
    build_distribution: DistributionBuilder


def shifted_softplus(raw: Tensor, value_at_zero: float) -> Tensor:
    """A positive number from any, `start` from zero: a softplus, so that it grows as `raw` does."""
    return functional.softplus(raw + math.log(math.expm1(value_at_zero)))


def positive_mean(location: Tensor) -> Tensor:
    """A positive mean from any `location`, both in scales of the level.

    It is the location itself from `BEND` upwards, so that a linear first forecast keeps its
    meaning, and goes on without a kink as a hyperbola, whose logarithm has a slope everywhere.
    """
    below = LINEAR_MEAN_THRESHOLD**2 / (
        2 * LINEAR_MEAN_THRESHOLD - location.clamp_max(LINEAR_MEAN_THRESHOLD)
    )
    return torch.where(location > LINEAR_MEAN_THRESHOLD, location, below)


def _positive_scale(raw: Tensor) -> Tensor:
    return shifted_softplus(raw, INITIAL_SCALE) + MIN_SCALE


def _build_normal(location: Tensor, other_params: Tensor, relative_scale: Tensor) -> Distribution:
    return Normal(location, _positive_scale(other_params[..., 0]))


def _build_student_t(
    location: Tensor, other_params: Tensor, relative_scale: Tensor
) -> Distribution:
    df = MIN_DF + shifted_softplus(other_params[..., 1], INITIAL_DF - MIN_DF)
    return StudentT(location, _positive_scale(other_params[..., 0]), df)


def _build_log_normal(
    location: Tensor, other_params: Tensor, relative_scale: Tensor
) -> Distribution:
    return LogNormal(location, relative_scale * _positive_scale(other_params[..., 0]))


def _build_negative_binomial(
    location: Tensor, other_params: Tensor, relative_scale: Tensor
) -> Distribution:
    return NegativeBinomial(
        location,
        relative_scale * shifted_softplus(other_params[..., 0], INITIAL_DISPERSION)
        + MIN_DISPERSION,
    )


def _build_poisson(location: Tensor, other_params: Tensor, relative_scale: Tensor) -> Distribution:
    return Poisson(location)


def _tweedie_builder(power: float) -> DistributionBuilder:
    def make(location: Tensor, rest: Tensor, rough: Tensor) -> Distribution:
        return Tweedie(
            location,
            rough * (shifted_softplus(rest[..., 0], INITIAL_DISPERSION) + MIN_SCALE),
            power,
        )

    return make


def _mixture_builder(n_components: int) -> DistributionBuilder:
    # parts that start alike would stay alike: they start to both sides of the first
    places = [INITIAL_SCALE * (-1) ** k * ((k + 1) // 2) for k in range(n_components)]

    def make(location: Tensor, rest: Tensor, rough: Tensor) -> Distribution:
        apart = functional.pad(rest[..., : n_components - 1], (1, 0)) + rest.new_tensor(places)
        loc = location.unsqueeze(-1) + apart
        return NormalMixture(
            rest[..., -n_components:].log_softmax(-1),
            loc,
            _positive_scale(rest[..., n_components - 1 : -n_components]),
        )

    return make


def tweedie_family(options: Mapping[str, object]) -> DistributionFamily:
    """Its `power` is an option, 1.5 by default."""
    power = options.get("power", 1.5)
    if not isinstance(power, float) or not 1.01 <= power <= 1.99:
        raise ValueError(f"power must be a number from 1.01 to 1.99, found {power!r}")
    return DistributionFamily(2, "ratio", _tweedie_builder(power))


def mixture_family(options: Mapping[str, object]) -> DistributionFamily:
    """The number of its parts is the option `components`, 3 by default."""
    parts = options.get("components", 3)
    if not isinstance(parts, int) or parts < 1:
        raise ValueError(f"components must be a whole number of at least 1, found {parts!r}")
    return DistributionFamily(3 * parts, "net", _mixture_builder(parts))


FAMILIES: dict[str, Callable[[Mapping[str, object]], DistributionFamily]] = {
    "normal": lambda options: DistributionFamily(2, "net", _build_normal),
    "student_t": lambda options: DistributionFamily(3, "net", _build_student_t),
    "log_normal": lambda options: DistributionFamily(2, "ratio", _build_log_normal),
    "negative_binomial": lambda options: DistributionFamily(
        2, "original", _build_negative_binomial
    ),
    "poisson": lambda options: DistributionFamily(1, "original", _build_poisson),
    "tweedie": tweedie_family,
    "mixture": mixture_family,
}
