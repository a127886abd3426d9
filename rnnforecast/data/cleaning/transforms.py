"""Targets on another scale: power transforms with their exact inverse, and differences.

The transforms act on each value by itself and keep the order, so quantiles may be undone one by
one; a mean may not (see `back_transformed_mean`). The power of Box-Cox and Yeo-Johnson is learnt on
the training part and kept between 0 and 2. Below 0 a Box-Cox scale ends at a finite number, and
everything forecast beyond that would be infinite; within 0 to 2 both can undo any number.

Sources: Box and Cox 1964, An analysis of transformations; Yeo and Johnson 2000, A new family of
power transformations; Hyndman and Athanasopoulos, Forecasting: principles and practice, 3rd ed.,
ch. 3.1 (transforms), 5.6 (means), 9.1 (differences).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Bools, Floats, Ints

TransformMethod = Literal["none", "log", "log1p", "box_cox", "yeo_johnson"]

LOWER_BOUNDS: dict[TransformMethod, float] = {"log": 0.0, "box_cox": 0.0, "log1p": -1.0}
"""What the values must be greater than; not named: any value will do."""
MAX_FIT_VALUES = 100_000
"""The most values of a target that its power is learnt from."""
POWER_RANGE = (0.0, 2.0)
"""The powers allowed, see above."""
_EPSILON = float(np.finfo(np.float64).eps)
_LOG_MAX = float(np.log(np.finfo(np.float64).max))


@dataclass(frozen=True)
class Transform:
    """One method and one power a target, in the order of the targets."""

    methods: tuple[TransformMethod, ...]
    """[C]"""
    powers: tuple[float, ...]
    """[C] the lambda of Box-Cox and Yeo-Johnson; 1 where the method has none."""

    def apply(self, values: Floats) -> Floats:
        """`[N, C]` on the new scale; NaN where the value is missing or has no place on it. The
        values themselves where no target has a transform."""
        if set(self.methods) <= {"none"}:
            return values
        scaled = self._apply_per_target(_forward, values, 1)
        return np.where(np.isfinite(scaled), scaled, np.nan)

    def inverse(self, values: Floats, axis: int = -1) -> Floats:
        """Original units, same shape; `axis` is that of the targets (-2 for `[..., C, Q]`).

        What lies beyond the end of a scale is the original value at that end, what is too large
        for a float the largest there is.
        """
        return self._apply_per_target(_inverse, values, axis)

    def count_outside_domain(self, values: Floats) -> Ints:
        """How many values of each target, of `[N, C]`, have no place on its scale; `[C]`."""
        lost = np.isfinite(values) & np.isnan(self.apply(values))
        return np.asarray(lost.sum(axis=0), dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Plain names and numbers; `from_json` gives the same transform back."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Transform:
        """What `to_json` gave. ValueError where it names an unknown method."""
        unknown = set(stored["methods"]) - set(get_args(TransformMethod))
        if unknown:
            raise ValueError(f"unknown transforms: {', '.join(sorted(unknown))}")
        return cls(tuple(stored["methods"]), tuple(float(power) for power in stored["powers"]))

    def _apply_per_target(
        self,
        function: Callable[[Floats, TransformMethod, float], Floats],
        values: Floats,
        axis: int,
    ) -> Floats:
        """The function on each target's part of `values`, in a new array."""
        result = np.array(values, dtype=np.float64)
        columns = np.moveaxis(result, axis, 0)
        for c, (method, power) in enumerate(zip(self.methods, self.powers, strict=True)):
            columns[c] = function(columns[c], method, power)
        return result


def fit_target_transform(
    values: Floats, train_mask: Bools, methods: Sequence[TransformMethod], *, names: Sequence[str]
) -> Transform:
    """The transform of these methods, its powers the likeliest for the told values.

    A power is scikit-learn's (maximum likelihood, all series together), held within `POWERS`; 1
    where fewer than two different values are told.

    Args:
        values: `[N, C]` original units; cells that are not told may hold anything.
        told: `[N, C]` what may be learnt from: the observed values of the training part.
        methods: `[C]`.
        names: `[C]` of the targets, for the errors.

    Raises DataError naming every target that has told values its method cannot take.
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


def _domain_problem(name: str, method: TransformMethod, x: Floats) -> Problem:
    bad = np.count_nonzero(x <= LOWER_BOUNDS[method])
    return Problem(
        f"target {name!r}",
        f"the transform {method} needs values greater than {LOWER_BOUNDS[method]:g}, but {bad:,} of "
        f"{x.size:,} are not; the smallest is {x.min():g}",
        "use the transform yeo_johnson, which takes any value",
    )


def _fit_power(x: Floats, method: TransformMethod) -> float:
    """scikit-learn's lambda of at most `SAMPLE` values, held within `POWERS`."""
    from sklearn.preprocessing import PowerTransformer  # a second to import

    x = np.sort(x)
    if x.size > MAX_FIT_VALUES:  # evenly spaced quantiles: as random ones, but the same every time
        x = x[np.linspace(0, x.size - 1, MAX_FIT_VALUES).round().astype(np.int64)]
    if x.size == 0 or x[0] == x[-1]:
        return 1.0
    learner = PowerTransformer(method=method.replace("_", "-"), standardize=False)
    with warnings.catch_warnings():  # of powers tried that are far outside those allowed
        warnings.simplefilter("ignore", (RuntimeWarning, UserWarning))
        power = float(learner.fit(x[:, None]).lambdas_[0])
    return float(np.clip(power, *POWER_RANGE)) if np.isfinite(power) else 1.0


def _forward(y: Floats, method: TransformMethod, power: float) -> Floats:
    """One target on its new scale; NaN where `y` is missing or has no place there."""
    if method == "none":
        return y
    y = np.where(y > LOWER_BOUNDS.get(method, -np.inf), y, np.nan)
    if method == "log":
        return np.log(y)
    if method == "log1p":
        return np.log1p(y)
    if method == "box_cox":
        return _box_cox(np.log(y), power)
    size = np.log1p(np.abs(y))
    return np.where(y < 0, -_box_cox(size, 2.0 - power), _box_cox(size, power))


def _inverse(z: Floats, method: TransformMethod, power: float) -> Floats:
    """One target in original units."""
    if method == "none":
        return z
    if method == "log":
        return np.exp(np.minimum(z, _LOG_MAX))
    if method == "log1p":
        return np.expm1(np.minimum(z, _LOG_MAX))
    if method == "box_cox":
        return np.exp(_inverse_box_cox(z, power))
    size = np.abs(z)
    return np.where(
        z < 0,
        -np.expm1(_inverse_box_cox(size, 2.0 - power)),
        np.expm1(_inverse_box_cox(size, power)),
    )


def _box_cox(log_values: Floats, power: float) -> Floats:
    """`(u^power - 1) / power` of u = exp(log), and its limit `log` for a power of 0."""
    if abs(power) < _EPSILON:
        return log_values
    with np.errstate(over="ignore"):  # infinite: no place for it on this scale either
        return np.expm1(power * log_values) / power


def _inverse_box_cox(z: Floats, power: float) -> Floats:
    """The inverse of `_raise`, held within what `exp` can take."""
    if abs(power) >= _EPSILON:
        with np.errstate(divide="ignore", over="ignore"):  # at the ends of the scale, where u is 0
            z = np.log1p(np.maximum(power * z, -1.0)) / power
    return np.minimum(z, _LOG_MAX)


def back_transformed_mean(transform: Transform, center: Floats, deviations: Floats) -> Floats:
    """The mean in original units of a distribution on the transformed scale, `[..., C]`.

    The mean of what is undone, not what the mean is when undone: that is the median if the
    distribution is symmetric, and too low for a log (Jensen's inequality).

    Args:
        center: `[..., C]` transformed.
        spread: `[..., C, K]` the distribution's distances from `center` at K levels that stand for
            equal shares of it: its quantiles at (k - 0.5) / K, or K draws.
    """
    values = transform.inverse(center[..., None] + deviations, axis=-2)
    shares = (
        values / deviations.shape[-1]
    )  # divided before they are added: huge ones do not overflow
    return np.asarray(shares.sum(axis=-1))


@dataclass(frozen=True)
class Bounds:
    """What every value of a target obeys, and every forecast is made to."""

    non_negative: tuple[bool, ...]
    """[C]"""
    integer_valued: tuple[bool, ...]
    """[C] whole numbers only."""

    def apply(self, values: Floats, axis: int = -1) -> Floats:
        """Original units, same shape; `axis` is that of the targets (-2 for `[..., C, Q]`).

        Not below 0, and rounded to whole numbers, halves to the even one, where that is the rule.
        Quantiles stay in order.
        """
        result = np.array(values, dtype=np.float64)
        columns = np.moveaxis(result, axis, 0)
        for c in np.flatnonzero(self.non_negative):
            columns[c] = np.maximum(columns[c], 0.0)
        for c in np.flatnonzero(self.integer_valued):
            columns[c] = np.round(columns[c]) + 0.0  # no -0
        return result

    def to_json(self) -> dict[str, Any]:
        """Plain truth values; `from_json` gives the same bounds back."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Bounds:
        """What `to_json` gave."""
        return cls(tuple(stored["non_negative"]), tuple(stored["integer_valued"]))


def fit_bounds(values: Floats, observed_mask: Bools) -> Bounds:
    """The rules that all observed values `[N, C]` of a target obey; none if there is no value."""
    known = np.where(observed_mask, values, 0.0)
    some = observed_mask.any(axis=0)
    non_negative = some & np.all(known >= 0, axis=0)
    whole = some & np.all(known == np.round(known), axis=0)
    return Bounds(tuple(map(bool, non_negative)), tuple(map(bool, whole)))
