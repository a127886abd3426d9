"""Filling gaps by plan: which method serves which target, and what the fitted ones have learnt."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from rnnforecast.data.cleaning import imputation_sklearn as impute_learned
from rnnforecast.data.cleaning.imputation import FilledValues, FillMethod, fill_missing_columns
from rnnforecast.data.cleaning.imputation_sklearn import FittedImputer
from rnnforecast.data.cleaning.transforms import Transform
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time import calendar_features as calendar
from rnnforecast.errors import Problem, SpecError
from rnnforecast.types import Bools, Floats, Ints

ValueT = TypeVar("ValueT")

FITTED_METHODS = impute_learned.SKLEARN_METHODS
"""Methods that are fitted to the training part and stored."""

RnnImputerFunction = Callable[[Floats, Bools, Ints], tuple[Floats, Floats, Ints]]
"""`(values [N, C], observed [N, C], offsets [S + 1])` to inputs, causal and known_from, all
`[N, C]`, see `impute.Filled`: the recurrent imputer, which lives with the networks."""


@dataclass(frozen=True)
class ImputationPlan:
    """How gaps are filled, settled once `methods` and `values` have an entry a target."""

    methods: Any = "mask"
    """One for all targets or a mapping by name; settled a tuple."""
    fill_values: Any = 0.0
    """What `constant` and `special` put in, likewise; settled on the scale of the transform."""
    max_gap: int | None = None
    season: int = 1
    seed: int = 1
    fitted_imputers: Mapping[str, FittedImputer] = field(default_factory=dict)
    rnn_weights: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    """Of the recurrent imputer."""

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is too large for them is in `arrays`."""
        return {
            "methods": list(self.methods),
            "fill_values": list(self.fill_values)
            if isinstance(self.fill_values, tuple)
            else self.fill_values,
            "max_gap": self.max_gap,
            "season": self.season,
            "seed": self.seed,
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The samples of the fitted methods and the weights of the recurrent one."""
        parts = {method: learned.arrays() for method, learned in self.fitted_imputers.items()}
        parts["rnn"] = dict(self.rnn_weights)
        return {f"{part}.{name}": a for part, held in parts.items() for name, a in held.items()}

    @classmethod
    def from_json(
        cls, stored: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> ImputationPlan:
        """The plan that `to_json` and `arrays` wrote."""
        parts: dict[str, dict[str, npt.NDArray[Any]]] = {}
        for name, array in arrays.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = array
        weights = parts.pop("rnn", {})
        settled = {name: tuple(stored[name]) for name in ("methods", "fill_values")}
        learned = {
            method: FittedImputer.from_arrays(method, held) for method, held in parts.items()
        }
        return cls(**{**stored, **settled}, fitted_imputers=learned, rnn_weights=weights)

    def for_targets(self, names: Sequence[str]) -> ImputationPlan:
        """With one method and one value a target. SpecError for a name that is no target."""
        methods = per_target(self.methods, names, "clean.missing", "mask")
        values = per_target(self.fill_values, names, "clean.fill_value", 0.0)
        return replace(
            self,
            methods=tuple("constant" if method == "zero" else method for method in methods),
            fill_values=tuple(
                0.0 if method == "zero" else float(value)
                for method, value in zip(methods, values, strict=True)
            ),
        )

    def to_transformed_scale(self, transform: Transform, names: Sequence[str]) -> ImputationPlan:
        """With the fill values on the scale of a transform. SpecError where one has no place there.

        A plan is put on its scale once, when it is learnt.
        """
        values = transform.apply(np.array([self.fill_values], dtype=np.float64))[0]
        problems = [
            Problem(
                "clean.missing",
                f"{given:g} cannot stand in for missing values of '{name}': it has no place on the"
                " scale of clean.transform",
                "set another clean.fill_value, or another transform such as log1p",
            )
            for name, method, given, value in zip(
                names, self.methods, self.fill_values, values, strict=True
            )
            if method in ("constant", "masked_constant") and np.isnan(value)
        ]
        if problems:
            raise SpecError(*problems)
        return replace(self, fill_values=tuple(np.nan_to_num(values).tolist()))

    def columns_of_method(self, method: str) -> list[int]:
        """The targets that ask for the method."""
        return [c for c, name in enumerate(self.methods) if name == method]

    def fit(
        self, values: Floats, observed_mask: Bools, panel: Panel, train_mask: Bools
    ) -> ImputationPlan:
        """The plan with the fitted methods fitted to the rows `told [N]`."""
        if not set(FITTED_METHODS) & set(self.methods):
            return self
        cycles = _calendar_cycles(panel)
        learned: dict[str, FittedImputer] = {
            method: impute_learned.fit_sklearn_imputer(
                values[:, columns],
                observed_mask[:, columns],
                panel.offsets,
                train_mask,
                method,
                season=self.season,
                calendar=cycles,
                seed=self.seed,
            )
            for method in FITTED_METHODS
            if (columns := self.columns_of_method(method))
        }
        return replace(self, fitted_imputers=learned)

    def apply(
        self,
        values: Floats,
        observed_mask: Bools,
        panel: Panel,
        rnn_imputer: RnnImputerFunction | None,
    ) -> FilledValues:
        """`values [N, C]` without gaps."""
        simple: list[FillMethod] = [
            "mask" if m in (*FITTED_METHODS, "rnn") else m for m in self.methods
        ]
        filled = fill_missing_columns(
            values,
            observed_mask,
            panel.offsets,
            simple,
            timestamps=_timestamps_as_floats(panel) if "time" in self.methods else None,
            season=self.season,
            fill_values=self.fill_values,
            max_gap=self.max_gap,
            known_from=panel.available_after,
        )
        sure, may_fill = observed_mask, ~observed_mask & filled.input_mask
        if panel.available_after is not None:
            # what is drawn between two observations is not known yet, nor that nothing will be
            known = panel.available_after <= np.arange(len(observed_mask))[:, None]
            sure, may_fill = observed_mask & known, may_fill & known
        if self.max_gap is not None:
            may_fill &= filled.elapsed <= self.max_gap
        for method, learned in self.fitted_imputers.items():
            columns = self.columns_of_method(method)
            inputs = impute_learned.apply_sklearn_imputer(
                learned,
                values[:, columns],
                sure[:, columns],
                panel.offsets,
                calendar=_calendar_cycles(panel),
            )
            filled = self._insert_estimates(filled, columns, may_fill, inputs, inputs, None)
        if columns := self.columns_of_method("rnn"):
            assert rnn_imputer is not None
            found = rnn_imputer(values[:, columns], sure[:, columns], panel.offsets)
            filled = self._insert_estimates(filled, columns, may_fill, *found)
        return filled

    def _insert_estimates(
        self,
        filled: FilledValues,
        columns: list[int],
        fillable_mask: Bools,
        inputs: Floats,
        causal_inputs: Floats,
        known_from: Ints | None,
    ) -> FilledValues:
        """The estimates `[N, len(columns)]` in place of the stand-ins of `mask`, in the cells that
        `may_fill [N, C]` names."""
        gap = fillable_mask[:, columns]
        parts = {
            name: getattr(filled, name).copy() for name in ("inputs", "value_mask", "causal_inputs")
        }
        parts["inputs"][:, columns] = np.where(gap, inputs, parts["inputs"][:, columns])
        parts["causal_inputs"][:, columns] = np.where(
            gap, causal_inputs, parts["causal_inputs"][:, columns]
        )
        parts["value_mask"][:, columns] |= gap
        known = filled.known_from
        if known is not None or known_from is not None:
            own = np.broadcast_to(np.arange(len(gap))[:, None], fillable_mask.shape)
            known = own.copy() if known is None else known.copy()
            asked = own[:, columns] if known_from is None else known_from
            known[:, columns] = np.where(gap, asked, known[:, columns])
        return replace(filled, **parts, known_from=known)


def _timestamps_as_floats(panel: Panel) -> Floats:
    return panel.flat_timestamps().astype(np.int64).astype(np.float64)


def _calendar_cycles(panel: Panel) -> Floats:
    """`[N, D]` sine and cosine of the calendar's cycles."""
    if panel.frequency.kind == "integer":
        return np.zeros((len(panel.targets), 0))
    names = calendar.select_cycles(panel.frequency, "auto")
    return np.asarray(calendar.cycle_features(panel.flat_timestamps(), names), dtype=np.float64)


def per_target(
    value: Mapping[str, ValueT] | ValueT, names: Sequence[str], key: str, default: ValueT
) -> tuple[ValueT, ...]:
    """One value a target; a group names some of them. SpecError for a name that is no target."""
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
