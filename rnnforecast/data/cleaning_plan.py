"""The cleaning plan: the fitted steps from an input file to the inputs of the network.

`fit_cleaning_plan` decides columns and frequency, and fits transform, vocabularies and imputers to
the training part. `prepare_data` reads files, aligns the rows to the time grid, transforms the
targets and builds the inputs as the plan says. The plan is stored with the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from rnnforecast.data.cleaning.imputation import FilledValues
from rnnforecast.data.cleaning.imputation_plan import (
    ImputationPlan,
    NetworkImputers,
    check_fill_values,
    per_target,
)
from rnnforecast.data.cleaning.outliers import Outliers, apply_outlier_action, find_outliers
from rnnforecast.data.cleaning.transforms import (
    Bounds,
    Transform,
    fit_bounds,
    fit_target_transform,
)
from rnnforecast.data.cleaning.yearly_season import YearlySeason
from rnnforecast.data.features.checks import check_future_known
from rnnforecast.data.features.feature_plan import FeaturePlan
from rnnforecast.data.features.features import FeatureTables, build_features, fit_features
from rnnforecast.data.io.frame_source import DataSource
from rnnforecast.data.io.known_at import take_known_at, with_known_at
from rnnforecast.data.io.memory_budget import SeriesSelection
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.table import Table, read_files
from rnnforecast.data.panel.changes import CleaningChanges
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.panel.regularize import preview_changes, regularize
from rnnforecast.data.panel.vintages import latest_vintages
from rnnforecast.spec.data import DIFFERENCE_TRANSFORMS, CleanSpec
from rnnforecast.types import Bools, Floats, Ints


@dataclass(frozen=True)
class CleaningPlan:
    """Every decision between the file and the inputs of the network."""

    read_options: ReadOptions
    clean: CleanSpec = field(default_factory=CleanSpec)
    features: FeaturePlan = field(default_factory=FeaturePlan)
    seed: int = 1
    """The seed of the imputers."""
    season: int = 1
    transform: Transform = field(default_factory=lambda: Transform((), ()))
    bounds: Bounds = field(default_factory=lambda: Bounds((), ()))
    imputation: ImputationPlan = field(default_factory=ImputationPlan)
    yearly_season: YearlySeason = field(default_factory=YearlySeason)
    """Removed after imputation, so that filled values mean what they mean in the data."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `from_json` reads them beside `arrays`."""
        return {
            "read_options": asdict(self.read_options)
            | {"data": self.read_options.data.model_dump()},
            "clean": self.clean.model_dump(),
            "features": self.features.to_json(),
            "seed": self.seed,
            "season": self.season,
            "transform": self.transform.to_json(),
            "bounds": self.bounds.to_json(),
            "imputation": self.imputation.to_json(),
            "yearly_season": self.yearly_season.to_json(),
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays of the fitted imputers, covariates and seasons, by name."""
        parts = {
            "imputation": self.imputation.arrays(),
            "features": self.features.arrays(),
            "yearly_season": self.yearly_season.arrays(),
        }
        return {
            f"{part}.{name}": array for part, held in parts.items() for name, array in held.items()
        }

    @classmethod
    def from_json(
        cls,
        stored: Mapping[str, Any],
        arrays: Mapping[str, npt.NDArray[Any]],
        network_imputers: NetworkImputers,
    ) -> CleaningPlan:
        """The plan whose `to_json` and `arrays` these are."""

        def part(name: str) -> dict[str, npt.NDArray[Any]]:
            return {
                key.removeprefix(f"{name}."): array
                for key, array in arrays.items()
                if key.startswith(f"{name}.")
            }

        return cls(
            read_options=TypeAdapter(ReadOptions).validate_python(stored["read_options"]),
            clean=CleanSpec.model_validate(stored["clean"]),
            features=FeaturePlan.from_json(stored["features"], part("features")),
            seed=stored["seed"],
            season=stored["season"],
            transform=Transform.from_json(stored["transform"]),
            bounds=Bounds.from_json(stored["bounds"]),
            imputation=ImputationPlan.from_json(
                stored["imputation"], part("imputation"), network_imputers
            ),
            yearly_season=YearlySeason.from_json(stored["yearly_season"], part("yearly_season")),
        )


@dataclass(frozen=True)
class AlignedData:
    """A table aligned to regular time grids, in original units."""

    table: Table
    """Its columns; the rows are in the panel."""
    panel: Panel
    changes: CleaningChanges
    """Of the whole files."""

    def before(self, ends: Ints) -> AlignedData:
        """The data as they were before the steps `ends [S]`, see `Panel.before`; series with an
        end of 0 or less are left out."""
        known = ends > 0
        panel = self.panel if known.all() else self.panel.filter_series(known)
        return replace(self, panel=panel.before(ends[known]))


@dataclass(frozen=True)
class TransformedTargets:
    """The targets of a panel after outlier action and transform; `[N, C]` each."""

    values: Floats
    """NaN if missing."""
    target_mask: Bools
    """Values that count in the loss."""
    outliers: Outliers


@dataclass(frozen=True)
class CleanedData:
    """Everything that the network and its evaluation need of the data."""

    table: Table
    """Its columns; the rows are in the panel."""
    panel: Panel
    """The targets are in original units, outliers included; scores compare with these."""
    values: Floats
    """[N, C] targets after outlier action and transform, without the yearly season; NaN if
    missing."""
    target_mask: Bools
    """[N, C] values that count in the loss."""
    filled: FilledValues
    """`values` with their gaps filled."""
    features: FeatureTables
    changes: CleaningChanges
    outliers: Outliers
    outside_domain_count: Ints
    """[C] the number of values outside the domain of the transform, taken as missing."""


def read_table(
    plan: CleaningPlan,
    source: Sequence[DataSource],
    *,
    skip_invalid_series: bool = False,
    repair_invalid_series: bool = False,
    refuse_mostly_invalid: bool = False,
    selection: SeriesSelection | None = None,
) -> Table:
    """The rows of `source` (files, folders, patterns, ``-`` for standard input, or data frames),
    not yet cleaned; with `skip_invalid_series` without series with a cell that cannot be read, with
    `repair_invalid_series` without such cells, unless most series have one and
    `refuse_mostly_invalid`. With a `selection` only some of the series."""
    options = with_known_at(plan.read_options)
    table = read_files(
        source,
        options,
        skip_invalid_series=skip_invalid_series,
        repair_invalid_series=repair_invalid_series,
        refuse_mostly_invalid=refuse_mostly_invalid,
        selection=selection,
    )
    known_at = plan.read_options.data.known_at
    return table if known_at is None else take_known_at(table, known_at)


def align_table(
    plan: CleaningPlan,
    table: Table,
    *,
    skip_invalid_series: bool = False,
    repair_invalid_series: bool = False,
) -> AlignedData:
    """`table` as a panel, aligned as the plan says.

    With `skip_invalid_series`, a series that the plan cannot repair is left out and named in
    `changes.skipped`; with `repair_invalid_series` it is named there too, and what is readable of
    it stays; otherwise it raises DataError. DataError if no series is left.
    """
    table = latest_vintages(table)
    panel, changes = regularize(
        table,
        plan.clean,
        timezone=plan.read_options.data.timezone,
        keep_future_rows=bool(plan.features.spec.future),
        skip_invalid_series=skip_invalid_series,
        repair_invalid_series=repair_invalid_series,
    )
    return AlignedData(table.without_rows(), panel, changes)


def preview_table(plan: CleaningPlan, table: Table) -> CleaningChanges:
    """What `align_table` would change, with the problems listed instead of raised."""
    return preview_changes(
        latest_vintages(table),
        plan.clean,
        timezone=plan.read_options.data.timezone,
        keep_future_rows=bool(plan.features.spec.future),
    )


def prepare_data(
    plan: CleaningPlan,
    source: Sequence[DataSource],
    *,
    horizon: int,
    required_steps: int = 0,
    repair_invalid_series: bool = False,
) -> CleanedData:
    """The inputs from the files `source` by a fitted plan, see `align_table` and `build_inputs`.

    Series that the plan cannot repair are left out, and those with a cell that cannot be read; with
    `repair_invalid_series` what is readable of them stays.
    """
    skip, repair = not repair_invalid_series, repair_invalid_series
    table = read_table(plan, source, skip_invalid_series=skip, repair_invalid_series=repair)
    aligned = align_table(plan, table, skip_invalid_series=skip, repair_invalid_series=repair)
    return build_inputs(
        plan,
        aligned,
        horizon=horizon,
        required_steps=required_steps,
        required_for_all=not repair_invalid_series,
    )


def fit_cleaning_plan(
    plan: CleaningPlan,
    aligned: AlignedData,
    *,
    season: int,
    train_end: Ints,
    network_imputers: NetworkImputers,
) -> tuple[CleaningPlan, TransformedTargets]:
    """The fitted plan, and the targets transformed by it.

    Transform, vocabularies, scales and imputers are fitted to the steps before `train_end [S]`
    alone, or to all steps if none of these has a value. DataError if the data do not fit the plan.
    """
    table, panel = aligned.table, aligned.panel
    train_mask = build_train_mask(panel, train_end)  # [N]
    known = panel.observed_mask & train_mask[:, None]
    names = panel.target_names
    methods = per_target(plan.clean.transform, names, "clean.transform", "none")
    # the network takes differences itself
    elementwise = ["none" if m in DIFFERENCE_TRANSFORMS else m for m in methods]
    check_fill_values(plan.clean, names, elementwise)
    transform = fit_target_transform(panel.targets, known, elementwise, names=names)
    plan = replace(
        plan,
        read_options=table.roles.resolve(plan.read_options),
        clean=plan.clean.model_copy(update={"frequency": panel.frequency.alias}),
        season=season,
        transform=transform,
        bounds=fit_bounds(panel.targets, known),
    )
    imputation = ImputationPlan.build(plan.clean, names, transform, season=season, seed=plan.seed)
    transformed = transform_targets(plan, panel)
    imputation = imputation.fit(
        transformed.values, transformed.target_mask, panel, train_mask, network_imputers
    )
    features = fit_features(plan.features, table, panel, train_mask)
    return replace(plan, imputation=imputation, features=features), transformed


def transform_targets(plan: CleaningPlan, panel: Panel) -> TransformedTargets:
    """The targets of a panel after outlier action and transform, gaps not filled."""
    clean = plan.clean
    threshold = clean.outlier_threshold
    outliers = find_outliers(
        panel.targets,
        panel.observed_mask,
        panel.offsets,
        method=clean.outliers,
        threshold=None if threshold == "auto" else threshold,
        season=plan.season,
    )
    values, observed = apply_outlier_action(
        panel.targets, panel.observed_mask, outliers, clean.outlier_action
    )
    values = plan.transform.apply(values)
    return TransformedTargets(values, observed & ~np.isnan(values), outliers)


def build_inputs(
    plan: CleaningPlan,
    aligned: AlignedData,
    *,
    horizon: int,
    required_steps: int = 0,
    required_for_all: bool = True,
    transformed: TransformedTargets | None = None,
) -> CleanedData:
    """The inputs from aligned data by a fitted plan, with covariates for `horizon` steps ahead.

    `transformed` are the targets transformed by the same plan, if already computed. DataError if a
    future covariate is missing in the first `required_steps` steps ahead and not to be replaced;
    unless `required_for_all`, only if no series has them.
    """
    table, panel = aligned.table, aligned.panel
    if transformed is None:
        transformed = transform_targets(plan, panel)
    filled = plan.imputation.apply(transformed.values, transformed.target_mask, panel)
    check_future_known(plan.features, table, panel, required_steps, for_all=required_for_all)
    return CleanedData(
        table=table,
        panel=panel,
        values=plan.yearly_season.remove(transformed.values, panel),
        target_mask=transformed.target_mask,
        filled=_without_season(plan, filled, panel),
        features=build_features(plan.features, table, panel, horizon=horizon, season=plan.season),
        changes=aligned.changes,
        outliers=transformed.outliers,
        outside_domain_count=plan.transform.count_outside_domain(panel.targets),
    )


def _without_season(plan: CleaningPlan, filled: FilledValues, panel: Panel) -> FilledValues:
    """The filled values without the yearly season; unchanged if there is none."""
    if not plan.yearly_season:
        return filled
    inputs = plan.yearly_season.remove(filled.inputs, panel)
    if filled.causal_inputs is filled.inputs:
        return replace(filled, inputs=inputs, causal_inputs=inputs)
    causal = plan.yearly_season.remove(filled.causal_inputs, panel)
    return replace(filled, inputs=inputs, causal_inputs=causal)


def build_train_mask(panel: Panel, train_end: Ints) -> Bools:
    """[N] the rows before `train_end [S]`; all rows if none of these has an observed target."""
    before = panel.mask_before(train_end)
    return before if (panel.observed_mask & before[:, None]).any() else np.ones_like(before)
