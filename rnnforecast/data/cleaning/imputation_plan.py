"""The imputation plan: the method of each target, and the fitted imputers."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from rnnforecast.data.cleaning.imputation import (
    Estimates,
    FilledValues,
    FittedImputer,
    ImputerMethod,
    ImputerOptions,
    impute_columns,
)
from rnnforecast.data.cleaning.transforms import Transform
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time import calendar_features as calendar
from rnnforecast.errors import Problem, SpecError
from rnnforecast.registry import IMPUTERS
from rnnforecast.spec.data import CleanSpec
from rnnforecast.types import Bools, Floats

ValueT = TypeVar("ValueT")
NetworkImputers = Mapping[str, ImputerMethod]
"""The methods that train a network, by name; they are passed in from a higher layer."""


@dataclass(frozen=True)
class ImputationPlan:
    """How gaps are filled."""

    methods: tuple[str, ...] = ()
    """`[C]` names in `IMPUTERS`."""
    fill_values: tuple[float, ...] = ()
    """`[C]` transformed, for methods that fill a constant."""
    max_gap: int | None = None
    season: int = 1
    seed: int = 1
    imputers: Mapping[str, FittedImputer] = field(default_factory=dict)
    """By method."""

    @classmethod
    def build(
        cls,
        clean: CleanSpec,
        names: Sequence[str],
        transform: Transform,
        *,
        season: int,
        seed: int,
    ) -> ImputationPlan:
        """The plan for the targets `names`, not yet fitted; see `check_fill_values`."""
        methods = per_target(clean.missing, names, "clean.missing", "mask")
        values = transform.apply(np.array([_fill_values(clean, names)], dtype=np.float64))[0]
        methods = tuple("mask" if "value" in IMPUTERS.traits(name) else name for name in methods)
        fill_values = tuple(np.nan_to_num(values).tolist())
        return cls(methods, fill_values, clean.max_gap, season, seed)

    def to_json(self) -> dict[str, Any]:
        """Plain values; the fitted imputers are in `arrays`."""
        return {
            "methods": list(self.methods),
            "fill_values": list(self.fill_values),
            "max_gap": self.max_gap,
            "season": self.season,
            "seed": self.seed,
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of the fitted imputers, by names such as ``knn.sample``."""
        return {
            f"{method}.{name}": array
            for method, imputer in self.imputers.items()
            for name, array in imputer.arrays().items()
        }

    @classmethod
    def from_json(
        cls,
        stored: Mapping[str, Any],
        arrays: Mapping[str, npt.NDArray[Any]],
        network_imputers: NetworkImputers,
    ) -> ImputationPlan:
        """The plan that `to_json` and `arrays` wrote."""
        parts: dict[str, dict[str, npt.NDArray[Any]]] = {}
        for key, array in arrays.items():
            method, _, name = key.partition(".")
            parts.setdefault(method, {})[name] = array
        imputers = {
            method: _imputer_method(method, network_imputers).from_arrays(held)
            for method, held in parts.items()
        }
        targets = {name: tuple(stored[name]) for name in ("methods", "fill_values")}
        return cls(**{**stored, **targets}, imputers=imputers)

    def fit(
        self,
        values: Floats,
        target_mask: Bools,
        panel: Panel,
        train_mask: Bools,
        network_imputers: NetworkImputers,
    ) -> ImputationPlan:
        """The plan with its fitted methods fitted to the rows `train_mask [N]`."""
        options = self._options(panel)
        imputers = {}
        for method, columns in self._fitted_columns().items():
            imputers[method] = _imputer_method(method, network_imputers).fit(
                values[:, columns], target_mask[:, columns], panel.offsets, train_mask, options
            )
        return replace(self, imputers=imputers)

    def apply(self, values: Floats, target_mask: Bools, panel: Panel) -> FilledValues:
        """`values [N, C]` with their gaps filled."""
        options, fitted = self._options(panel), self._fitted_columns()
        filled = impute_columns(
            values,
            target_mask,
            panel.offsets,
            ["mask" if method in fitted else method for method in self.methods],
            options=[replace(options, fill_value=value) for value in self.fill_values],
            max_gap=self.max_gap,
            known_from=panel.available_after,
        )
        final_mask, fillable = target_mask, ~target_mask & filled.input_mask
        if panel.available_after is not None:
            # whether these cells get an interpolated value is known later only
            known = panel.available_after <= np.arange(len(target_mask))[:, None]
            final_mask, fillable = target_mask & known, fillable & known
        if self.max_gap is not None:
            fillable &= filled.elapsed <= self.max_gap
        for method, columns in fitted.items():
            estimates = self.imputers[method].estimate(
                values[:, columns], final_mask[:, columns], panel.offsets, options
            )
            filled = _insert_estimates(filled, columns, fillable, estimates)
        return filled

    def _fitted_columns(self) -> dict[str, list[int]]:
        """The targets of each fitted method."""
        return {
            method: [c for c, name in enumerate(self.methods) if name == method]
            for method in IMPUTERS.having("fitted")
            if method in self.methods
        }

    def _options(self, panel: Panel) -> ImputerOptions:
        traits = {trait for method in self.methods for trait in IMPUTERS.traits(method)}
        return ImputerOptions(
            season=self.season,
            seed=self.seed,
            timestamps=_timestamps_as_floats(panel) if "needs_timestamps" in traits else None,
            calendar=_calendar_cycles(panel) if "needs_calendar" in traits else None,
        )


def _imputer_method(method: str, network_imputers: NetworkImputers) -> ImputerMethod:
    if "needs_network" in IMPUTERS.traits(method):
        return network_imputers[method]
    module: Any = IMPUTERS.load(method)
    return module  # type: ignore[no-any-return]


def _insert_estimates(
    filled: FilledValues, columns: list[int], fillable: Bools, estimates: Estimates
) -> FilledValues:
    """`filled` with the estimates `[N, len(columns)]` in the cells `fillable [N, C]`."""
    gap = fillable[:, columns]
    inputs, causal = filled.inputs.copy(), filled.causal_inputs.copy()
    inputs[:, columns] = np.where(gap, estimates.inputs, inputs[:, columns])
    causal[:, columns] = np.where(gap, estimates.causal_inputs, causal[:, columns])
    value_mask = filled.value_mask.copy()
    value_mask[:, columns] |= gap
    known_from = filled.known_from
    if known_from is not None or estimates.known_from is not None:
        rows = np.broadcast_to(np.arange(len(gap))[:, None], fillable.shape)
        known_from = (rows if known_from is None else known_from).copy()
        own = rows[:, columns] if estimates.known_from is None else estimates.known_from
        known_from[:, columns] = np.where(gap, own, known_from[:, columns])
    return replace(
        filled, inputs=inputs, value_mask=value_mask, causal_inputs=causal, known_from=known_from
    )


def _timestamps_as_floats(panel: Panel) -> Floats:
    return panel.flat_timestamps().astype(np.int64).astype(np.float64)


def _calendar_cycles(panel: Panel) -> Floats:
    """`[N, D]` sine and cosine of the calendar's cycles."""
    if panel.frequency.kind == "integer":
        return np.zeros((len(panel.targets), 0))
    names = calendar.select_cycles(panel.frequency, "auto")
    return np.asarray(calendar.cycle_features(panel.flat_timestamps(), names), dtype=np.float64)


def check_fill_values(clean: CleanSpec, names: Sequence[str], transforms: Sequence[str]) -> None:
    """Raises SpecError for an unknown target in `clean.missing`, and for a value by it that is
    outside the domain of the transform, one of `transforms` [C] for each of the targets `names`."""
    methods = per_target(clean.missing, names, "clean.missing", "mask")
    given = _fill_values(clean, names)
    domains = Transform(tuple(transforms), (1.0,) * len(names))
    transformed = domains.apply(np.array([given], dtype=np.float64))[0]
    problems = [
        Problem(
            "clean.missing",
            f"{value:g} cannot replace missing values of '{name}': it is outside the domain of"
            " clean.transform",
            "set another clean.fill_value, or another transform such as log1p",
        )
        for name, method, value, result in zip(names, methods, given, transformed, strict=True)
        if {"constant", "value"}.intersection(IMPUTERS.traits(method)) and np.isnan(result)
    ]
    if problems:
        raise SpecError(*problems)


def _fill_values(clean: CleanSpec, names: Sequence[str]) -> tuple[float, ...]:
    """`[C]` the values of methods that need one, 0 for others; original units."""
    methods = per_target(clean.missing, names, "clean.missing", "mask")
    given = per_target(clean.fill_value, names, "clean.fill_value", 0.0)
    return tuple(
        float(value) if "needs_value" in IMPUTERS.traits(method) else 0.0
        for method, value in zip(methods, given, strict=True)
    )


def per_target(
    value: Mapping[str, ValueT] | ValueT, names: Sequence[str], key: str, default: ValueT
) -> tuple[ValueT, ...]:
    """One value per target; targets that a mapping does not name get `default`. SpecError for an
    unknown target."""
    if not isinstance(value, Mapping):
        return (value,) * len(names)
    problems = []
    for name in value:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1, 0.5)
            cure = f"did you mean '{near[0]}'?" if near else f"the targets are {', '.join(names)}"
            problems.append(Problem(key, f"'{name}' is no target", cure))
    if problems:
        raise SpecError(*problems)
    return tuple(value.get(name, default) for name in names)
