"""Transforms of the targets with their inverse, and the bounds of forecasts.

The transforms are elementwise and monotonic, so quantiles are inverted one by one; a mean is not
(see `back_transformed_mean`). The power of Box-Cox and Yeo-Johnson is fitted to the training part
and kept between 0 and 2: with a negative power, transformed values have a finite upper end, and any
forecast beyond it would be infinite in original units.

Sources: Box and Cox 1964, An analysis of transformations; Yeo and Johnson 2000, A new family of
power transformations; Hyndman and Athanasopoulos, Forecasting: principles and practice, 3rd ed.,
ch. 3.1 (transforms), 5.6 (means).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Bools, Floats, Ints

METHODS = ("none", "log", "log1p", "box_cox", "yeo_johnson")
LOWER_BOUNDS = {"log": 0.0, "box_cox": 0.0, "log1p": -1.0}
"""Values must be greater than this; other methods take any value."""
MAX_FIT_VALUES = 100_000
"""The largest number of values that the power of a target is fitted to."""
POWER_RANGE = (0.0, 2.0)
"""The range of fitted powers."""
_EPSILON = float(np.finfo(np.float64).eps)
_LOG_MAX = float(np.log(np.finfo(np.float64).max))
_MAX = float(np.exp(_LOG_MAX))


@dataclass(frozen=True)
class Transform:
    """The method and the power of each target."""

    methods: tuple[str, ...]
    """[C]"""
    powers: tuple[float, ...]
    """[C] the lambda of Box-Cox and Yeo-Johnson; 1 where the method has none."""

    def apply(self, values: Floats) -> Floats:
        """`[N, C]` transformed values; NaN where the value is missing or outside the domain.
        Without any transform, the same array."""
        if set(self.methods) <= {"none"}:
            return values
        scaled = self._apply_per_target(_forward, values, 1)
        return np.where(np.isfinite(scaled), scaled, np.nan)

    def inverse(self, values: Floats, axis: int = -1) -> Floats:
        """`values` in original units, same shape; `axis` is the axis of the targets (-2 for
        `[..., C, Q]`).

        A number outside the range of the transform gives the original value at the end of the
        range, an overflow the largest float.
        """
        return self._apply_per_target(_inverse, values, axis)

    def count_outside_domain(self, values: Floats) -> Ints:
        """`[C]` the number of values `[N, C]` outside the domain of each target's transform."""
        outside = np.isfinite(values) & np.isnan(self.apply(values))
        return np.asarray(outside.sum(axis=0), dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain names and numbers, as `from_json` reads them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Transform:
        """The transform that `to_json` wrote. ValueError for an unknown method."""
        unknown = set(stored["methods"]) - set(METHODS)
        if unknown:
            raise ValueError(f"unknown transforms: {', '.join(sorted(unknown))}")
        return cls(tuple(stored["methods"]), tuple(float(power) for power in stored["powers"]))

    def _apply_per_target(
        self,
        function: Callable[[Floats, str, float], Floats],
        values: Floats,
        axis: int,
    ) -> Floats:
        """`function` applied to the values of each target, in a new array."""
        result = np.array(values, dtype=np.float64)
        columns = np.moveaxis(result, axis, 0)
        for c, (method, power) in enumerate(zip(self.methods, self.powers, strict=True)):
            columns[c] = function(columns[c], method, power)
        return result


def fit_target_transform(
    values: Floats, train_mask: Bools, methods: Sequence[str], *, names: Sequence[str]
) -> Transform:
    """The transform with `methods`, its powers fitted by maximum likelihood.

    scikit-learn fits one power to all series of a target; it is clipped to `POWER_RANGE`, and 1
    with fewer than two different values.

    Args:
        values: `[N, C]` original units; cells outside `train_mask` may hold anything.
        train_mask: `[N, C]` the observed values of the training part.
        methods: `[C]` names in `METHODS`.
        names: `[C]` of the targets, for the errors.

    Raises:
        DataError: for all targets with values outside the domain of their method.
    """
    problems: list[Problem] = []
    powers: list[float] = []
    for c, (name, method) in enumerate(zip(names, methods, strict=True)):
        x = values[train_mask[:, c], c]
        if x.size and not x.min() > LOWER_BOUNDS.get(method, -np.inf):
            problems.append(_domain_problem(name, method, x))
        elif method in ("box_cox", "yeo_johnson"):
            powers.append(_fit_power(x, method))
        else:
            powers.append(1.0)
    if problems:
        raise DataError(*problems)
    return Transform(tuple(methods), tuple(powers))


def _domain_problem(name: str, method: str, x: Floats) -> Problem:
    bound = LOWER_BOUNDS[method]
    outside = np.count_nonzero(x <= bound)
    return Problem(
        f"target {name!r}",
        f"the transform {method} needs values greater than {bound:g}, but {outside:,} of "
        f"{x.size:,} are not; the smallest is {x.min():g}",
        "use the transform yeo_johnson, which takes any value",
    )


def _fit_power(x: Floats, method: str) -> float:
    """scikit-learn's power of at most `MAX_FIT_VALUES` values, clipped to `POWER_RANGE`."""
    from sklearn.preprocessing import PowerTransformer  # slow to import (about a second)

    x = np.sort(x)
    if x.size > MAX_FIT_VALUES:  # evenly spaced quantiles: like a random sample, but reproducible
        x = x[np.linspace(0, x.size - 1, MAX_FIT_VALUES).round().astype(np.int64)]
    if x.size == 0 or x[0] == x[-1]:
        return 1.0
    transformer = PowerTransformer(method=method.replace("_", "-"), standardize=False)
    with warnings.catch_warnings():  # the search tries powers far outside the range
        warnings.simplefilter("ignore", (RuntimeWarning, UserWarning))
        power = float(transformer.fit(x[:, None]).lambdas_[0])
    return float(np.clip(power, *POWER_RANGE)) if np.isfinite(power) else 1.0


def _forward(y: Floats, method: str, power: float) -> Floats:
    """Transformed values of one target; NaN where `y` is missing or outside the domain."""
    if method == "none":
        return y
    y = np.where(y > LOWER_BOUNDS.get(method, -np.inf), y, np.nan)
    if method == "log":
        return np.log(y)
    if method == "log1p":
        return np.log1p(y)
    from scipy.special import boxcox, boxcox1p  # slow to import

    with np.errstate(over="ignore"):  # `Transform.apply` replaces infinite values by NaN
        if method == "box_cox":
            return np.asarray(boxcox(y, power))
        size = np.abs(y)
        signed = np.where(y < 0, -boxcox1p(size, 2.0 - power), boxcox1p(size, power))
        return np.asarray(signed)


def _inverse(z: Floats, method: str, power: float) -> Floats:
    """Values of one target in original units."""
    if method == "none":
        return z
    if method == "log":
        return np.exp(np.minimum(z, _LOG_MAX))
    if method == "log1p":
        return np.expm1(np.minimum(z, _LOG_MAX))
    from scipy.special import inv_boxcox, inv_boxcox1p  # slow to import

    if method == "box_cox":
        values = _within_scale(inv_boxcox, z, power)
    else:
        size = np.abs(z)
        values = np.where(
            z < 0,
            -_within_scale(inv_boxcox1p, size, 2.0 - power),
            _within_scale(inv_boxcox1p, size, power),
        )
    return np.clip(values, -_MAX, _MAX)


def _within_scale(inverse: Any, z: Floats, power: float) -> Floats:
    """`inverse(z, power)`; outside the range of the transform, the value at the end of the
    range."""
    if abs(power) < _EPSILON:  # scipy's formula has no correct digit there
        power = 0.0
    end = 0.0 if power > 0 else np.inf
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return np.where(power * z <= -1.0, end, inverse(z, power))


def back_transformed_mean(transform: Transform, center: Floats, deviations: Floats) -> Floats:
    """The mean in original units of a distribution of transformed values, `[..., C]`.

    It is the mean of inverted values. The inverse of the mean would be the median if the
    distribution is symmetric, and too low for a log (Jensen's inequality).

    Args:
        center: `[..., C]` transformed.
        deviations: `[..., C, n]` distances from `center` of n equiprobable points of the
            distribution: its quantiles at (i - 0.5) / n, or n samples.
    """
    values = transform.inverse(center[..., None] + deviations, axis=-2)
    values = values / deviations.shape[-1]  # before the sum: huge values do not overflow
    return np.asarray(values.sum(axis=-1))


@dataclass(frozen=True)
class Bounds:
    """Whether the forecasts of each target are clipped at 0, and rounded; `[C]` each."""

    non_negative: tuple[bool, ...]
    integer_valued: tuple[bool, ...]

    def apply(self, values: Floats, axis: int = -1) -> Floats:
        """`values` in original units within the bounds, same shape; `axis` is the axis of the
        targets (-2 for `[..., C, Q]`).

        Rounding is to whole numbers, halves to even. Quantiles stay in order.
        """
        result = np.array(values, dtype=np.float64)
        columns = np.moveaxis(result, axis, 0)
        for c in np.flatnonzero(self.non_negative):
            columns[c] = np.maximum(columns[c], 0.0)
        for c in np.flatnonzero(self.integer_valued):
            columns[c] = np.round(columns[c]) + 0.0  # no -0
        return result

    def without_rounding(self) -> Bounds:
        """The bounds that do not round."""
        return replace(self, integer_valued=(False,) * len(self.integer_valued))

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `from_json` reads them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Bounds:
        """The bounds that `to_json` wrote."""
        return cls(tuple(stored["non_negative"]), tuple(stored["integer_valued"]))


def fit_bounds(values: Floats, observed_mask: Bools) -> Bounds:
    """The bounds that all observed values `[N, C]` of each target keep; none without a value."""
    known = np.where(observed_mask, values, 0.0)
    has_values = observed_mask.any(axis=0)
    non_negative = has_values & np.all(known >= 0, axis=0)
    whole = has_values & np.all(known == np.round(known), axis=0)
    return Bounds(tuple(map(bool, non_negative)), tuple(map(bool, whole)))
