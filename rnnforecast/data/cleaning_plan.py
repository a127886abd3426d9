"""The cleaning plan: how a file becomes what the network reads, learnt once and then only applied.

`lay` brings the rows on to a calendar, `learn` settles on the training part all that is still
open, and `clean` does to a new file exactly what was done then: the same columns, calendar, rules,
scales, vocabularies and fills. The plan is stored with the run, as plain values and arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from rnnforecast.data.cleaning import outliers as outliers_of
from rnnforecast.data.cleaning import transforms as transform_of
from rnnforecast.data.cleaning.imputation import FilledValues
from rnnforecast.data.cleaning.imputation_plan import ImputationPlan, RnnImputerFunction, per_target
from rnnforecast.data.cleaning.outliers import Outliers
from rnnforecast.data.cleaning.transforms import Bounds, Transform
from rnnforecast.data.features import features as features_of
from rnnforecast.data.features.features import FeaturePlan, FeatureTables
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.table import Table, read_files
from rnnforecast.data.panel.changes import CleaningChanges
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.regularize import preview_changes, regularize
from rnnforecast.spec.data import CleanSpec
from rnnforecast.types import Bools, Floats, Ints


@dataclass(frozen=True)
class OutlierRules:
    """How outliers are found and what becomes of them, see `outliers`."""

    method: outliers_of.OutlierMethod = "none"
    action: outliers_of.OutlierAction = "missing"
    threshold: float | None = None


@dataclass(frozen=True)
class CleaningPlan:
    """Every decision between the file and what the network reads."""

    read_options: ReadOptions
    clean: CleanSpec = field(default_factory=CleanSpec)
    outliers: OutlierRules = field(default_factory=OutlierRules)
    imputation: ImputationPlan = field(default_factory=ImputationPlan)
    features: FeaturePlan = field(default_factory=FeaturePlan)
    transform_methods: Mapping[str, str] | str = "none"
    """The transform of the targets, as the spec names it."""
    season: int = 1
    transform: Transform = field(default_factory=lambda: Transform((), ()))
    bounds: Bounds = field(default_factory=lambda: Bounds((), ()))

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `from_json` reads them beside `arrays`."""
        read_options = vars(self.read_options) | {"data": self.read_options.data.model_dump()}
        return vars(self) | {
            "read_options": read_options,
            "clean": self.clean.model_dump(),
            "outliers": asdict(self.outliers),
            "transform": asdict(self.transform),
            "bounds": asdict(self.bounds),
            "imputation": self.imputation.to_json(),
            "features": self.features.to_json(),
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What is too large for plain values."""
        parts = {"imputation": self.imputation.arrays(), "features": self.features.arrays()}
        return {
            f"{part}.{name}": array for part, held in parts.items() for name, array in held.items()
        }

    @classmethod
    def from_json(
        cls, stored: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> CleaningPlan:
        """The plan that `to_json` and `arrays` wrote."""

        def part(name: str) -> dict[str, npt.NDArray[Any]]:
            return {
                key.removeprefix(f"{name}."): array
                for key, array in arrays.items()
                if key.startswith(f"{name}.")
            }

        plain = {
            "read_options": TypeAdapter(ReadOptions).validate_python(stored["read_options"]),
            "clean": CleanSpec.model_validate(stored["clean"]),
            "outliers": TypeAdapter(OutlierRules).validate_python(stored["outliers"]),
            "transform": Transform.from_json(stored["transform"]),
            "bounds": Bounds.from_json(stored["bounds"]),
            "imputation": ImputationPlan.from_json(stored["imputation"], part("imputation")),
            "features": FeaturePlan.from_json(stored["features"], part("features")),
        }
        return cls(**{**stored, **plain})


@dataclass(frozen=True)
class AlignedData:
    """A table on its calendar, in original units."""

    table: Table
    """What it says of its columns; the rows are in the panel."""
    panel: Panel
    changes: CleaningChanges


@dataclass(frozen=True)
class TransformedTargets:
    """The targets of a panel on the way to the network; `[N, C]` each."""

    values: Floats
    """Without outliers and transformed; NaN if missing."""
    target_mask: Bools
    """The values that are learnt from."""
    outliers: Outliers


@dataclass(frozen=True)
class CleanedData:
    """All that the network and the scores need of the data."""

    panel: Panel
    """Targets in original units, as they were observed: what scores compare with."""
    values: Floats
    """[N, C] as the network is to forecast them: without outliers, transformed; NaN if missing."""
    target_mask: Bools
    """[N, C] the values that are learnt from."""
    filled: FilledValues
    """`values` without gaps."""
    features: FeatureTables
    changes: CleaningChanges
    outliers: Outliers
    outside_domain_count: Ints
    """[C] values that the transform has no place for; taken as missing."""


def read_table(plan: CleaningPlan, source: Sequence[str]) -> Table:
    """The table that `source` (files, folders, patterns, or ``-``) holds, not yet cleaned."""
    return read_files(source, plan.read_options)


def align_table(plan: CleaningPlan, table: Table, *, skip_faulty: bool = False) -> AlignedData:
    """The panel that the plan's rules make of `table`.

    With `skip_faulty` a series that the plan cannot repair is left out by name
    (`changes.skipped`) and the others go on. DataError where nothing is left.
    """
    panel, changes = regularize(
        table,
        plan.clean,
        timezone=plan.read_options.data.timezone,
        keep_future_rows=bool(plan.features.future),
        skip_invalid_series=skip_faulty,
    )
    return AlignedData(table.without_rows(), panel, changes)


def preview_table(plan: CleaningPlan, table: Table) -> CleaningChanges:
    """What `align_table` would change, with the problems listed instead of raised."""
    return preview_changes(
        table,
        plan.clean,
        timezone=plan.read_options.data.timezone,
        keep_future_rows=bool(plan.features.future),
    )


def fit_cleaning_plan(
    plan: CleaningPlan,
    aligned: AlignedData,
    *,
    season: int,
    train_end: Ints,
) -> tuple[CleaningPlan, TransformedTargets]:
    """Settles what is still open in `plan`; `finish` then cleans with it.

    Scales, powers, vocabularies and imputers are learnt from the steps before `train_end [S]`
    alone; where that is none at all, from the whole series. Only the weights of the recurrent
    imputer are left to others. DataError where the data do not fit what is asked for.
    """
    table, panel = aligned.table, aligned.panel
    told = build_train_mask(panel, train_end)  # [N]
    known = panel.observed_mask & told[:, None]
    names = panel.target_names
    methods = per_target(plan.transform_methods, names, "clean.transform", "none")
    elementwise = ["none" if m.endswith("difference") else m for m in methods]
    transform = transform_of.fit_target_transform(panel.targets, known, elementwise, names=names)  # type: ignore[arg-type]
    filling = replace(plan.imputation, season=season).for_targets(names)
    plan = replace(
        plan,
        read_options=table.roles.resolve(plan.read_options),
        clean=plan.clean.model_copy(update={"frequency": panel.frequency.alias}),
        season=season,
        transform=transform,
        bounds=transform_of.fit_bounds(panel.targets, known),
        imputation=filling.to_transformed_scale(transform, names),
    )
    treated = transform_targets(plan, panel)
    filling = plan.imputation.fit(treated.values, treated.target_mask, panel, told)
    features = features_of.fit_features(plan.features, table, panel, told)
    return replace(plan, imputation=filling, features=features), treated


def transform_targets(plan: CleaningPlan, panel: Panel) -> TransformedTargets:
    """The targets of a panel as a settled plan has them learnt, gaps and all."""
    rules = plan.outliers
    found = outliers_of.find_outliers(
        panel.targets,
        panel.observed_mask,
        panel.offsets,
        method=rules.method,
        threshold=rules.threshold,
        season=plan.season,
    )
    values, observed = outliers_of.apply_outlier_action(
        panel.targets, panel.observed_mask, found, rules.action
    )
    values = plan.transform.apply(values)
    return TransformedTargets(values, observed & ~np.isnan(values), found)


def build_inputs(
    plan: CleaningPlan,
    aligned: AlignedData,
    transformed: TransformedTargets,
    *,
    horizon: int,
    rnn_imputer: RnnImputerFunction | None = None,
    required_steps: int = 0,
) -> CleanedData:
    """What a settled plan makes of a table that is laid and treated, with covariates for `horizon`
    steps ahead. `estimate` is the imputer of `missing: rnn`.

    DataError where a covariate is not known for the `needed` first of them and nothing may stand in
    for it.
    """
    panel = aligned.panel
    return CleanedData(
        panel=panel,
        values=transformed.values,
        target_mask=transformed.target_mask,
        filled=plan.imputation.apply(
            transformed.values, transformed.target_mask, panel, rnn_imputer
        ),
        features=features_of.build_features(
            plan.features,
            aligned.table,
            panel,
            horizon=horizon,
            season=plan.season,
            required_steps=required_steps,
        ),
        changes=aligned.changes,
        outliers=transformed.outliers,
        outside_domain_count=plan.transform.count_outside_domain(panel.targets),
    )


def build_train_mask(panel: Panel, train_end: Ints) -> Bools:
    """[N] the rows before `train_end [S]`; all where there would be none."""
    step = np.arange(len(panel.targets)) - np.repeat(panel.offsets[:-1], panel.lengths)
    told = step < np.repeat(train_end, panel.lengths)
    return told if (panel.observed_mask & told[:, None]).any() else np.ones_like(told)
