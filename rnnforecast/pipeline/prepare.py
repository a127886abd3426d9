"""Preparation of training: the fitted cleaning plan, the cleaned data, the resolved spec."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rnnforecast.data.cleaning.transforms import Bounds
from rnnforecast.data.cleaning_plan import (
    AlignedData,
    CleanedData,
    CleaningPlan,
    align_table,
    build_inputs,
    fit_cleaning_plan,
    read_table,
)
from rnnforecast.data.features.checks import unknown_future_problems
from rnnforecast.data.features.feature_plan import FeaturePlan
from rnnforecast.data.io.column_roles import ColumnRoles
from rnnforecast.data.io.frame_source import DataSource
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.windows.split import Split, split_series
from rnnforecast.errors import DataError, Problem, SpecError
from rnnforecast.output.forecast_frame import forecast_columns
from rnnforecast.output.path_tables import check_column_names
from rnnforecast.pipeline.auto import (
    AutoChoice,
    resolve_auto,
    resolve_member_specs,
    resolve_season,
)
from rnnforecast.pipeline.auto_calendar import choose_calendar
from rnnforecast.pipeline.auto_season import statistical_seasons
from rnnforecast.pipeline.deseasonalize import fit_yearly_season
from rnnforecast.pipeline.rnn_imputation import NETWORK_IMPUTERS
from rnnforecast.pipeline.training_memory import memory_budget
from rnnforecast.registry import LOSSES
from rnnforecast.spec.compatibility import find_incompatibilities
from rnnforecast.spec.load import read_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.spec.unused_keys import find_unused_keys


@dataclass(frozen=True)
class PreparedData:
    """Everything that is decided before the first step of training."""

    given_spec: Spec
    """The spec file with the values of `--set`."""
    inherited_spec: Spec
    """`given_spec` with the keys inherited from the run of `training.start_from`."""
    spec: Spec
    """`inherited_spec` with every `auto` resolved that has a rule."""
    choices: list[AutoChoice]
    plan: CleaningPlan
    cleaned: CleanedData
    split: Split
    source: tuple[str, ...]
    """Absolute paths of the data files; empty if a part of the data is in memory."""
    spec_folder: Path
    unused_keys: tuple[Problem, ...] = ()
    """Given keys without an effect, see `find_unused_keys`."""

    @property
    def statistical_seasons(self) -> tuple[int, ...]:
        """See `pipeline.auto_season`."""
        return statistical_seasons(
            self.cleaned.panel.frequency,
            int(self.spec.window.season),
            is_given=self.inherited_spec.window.season != "auto",
        )

    def unknown_future_problems(self) -> list[Problem]:
        """Why `predict` would fail with these data: covariates that are not known in all steps of
        the horizon."""
        return unknown_future_problems(
            self.plan.features,
            self.cleaned.table,
            self.cleaned.panel,
            self.spec.window.horizon,
            horizon_key="window.horizon",
        )


def build_cleaning_plan(spec: Spec) -> CleaningPlan:
    """The cleaning plan of a spec, not yet fitted."""
    features = spec.features
    return CleaningPlan(
        read_options=ReadOptions(
            data=spec.data,
            covariates=(*features.past, *features.future, *features.static),
            categorical=(*features.categorical, *features.text),
        ),
        clean=spec.clean,
        features=FeaturePlan(features),
        seed=spec.training.seed,
    )


def prepare(path: Path, overrides: Sequence[str] = ()) -> PreparedData:
    """Reads the spec at `path` and its data, fits the cleaning plan and resolves every `auto`.

    Raises SpecError or DataError with all problems of their kind.
    """
    spec = read_spec(path, overrides)
    return prepare_source(spec, spec.data.source_paths(path), path.resolve().parent)


def prepare_source(
    given_spec: Spec, source: Sequence[DataSource], spec_folder: Path
) -> PreparedData:
    """As `prepare`, for files as absolute paths, or data frames.

    `training.start_from` is relative to `spec_folder`.
    """
    table = read_training_table(given_spec, source)
    return prepare_table(given_spec, table, source, spec_folder)


def read_training_table(spec: Spec, source: Sequence[DataSource]) -> Table:
    """The rows that a training with this spec reads: of more than `training.memory_budget` holds,
    those of a sample of the series."""
    return read_table(build_cleaning_plan(spec), source, selection=memory_budget(spec))


def prepare_table(
    given_spec: Spec, table: Table, source: Sequence[DataSource], spec_folder: Path
) -> PreparedData:
    """As `prepare`, for a table that has already been read."""
    aligned = align_table(build_cleaning_plan(given_spec), table)
    return prepare_aligned(given_spec, aligned, source, spec_folder)


def prepare_aligned(
    given_spec: Spec, aligned: AlignedData, source: Sequence[DataSource], spec_folder: Path
) -> PreparedData:
    """As `prepare`, for data on their time grid, which may be cut with `AlignedData.before`."""
    plan, panel = build_cleaning_plan(given_spec), aligned.panel
    spec = _inherit_spec(given_spec, spec_folder)
    check_output_columns(spec, aligned.table.roles)
    _check_lookback(given_spec, panel)
    resolved, choices = resolve_season(spec, panel)
    season, horizon = int(resolved.window.season), spec.window.horizon
    split = split_series(
        panel.lengths,
        horizon=horizon,
        season=season,
        channels=1 if spec.model.channels == "joint" else panel.observed_mask.shape[1],
    )
    plan, transformed = fit_cleaning_plan(
        plan,
        aligned,
        season=season,
        train_end=split.train_end,
        network_imputers=NETWORK_IMPUTERS,
    )
    plan = replace(plan, bounds=forecast_bounds(spec, plan))
    plan, season_choices = fit_yearly_season(resolved, plan, panel, transformed, split)
    cleaned = build_inputs(plan, aligned, horizon=horizon, transformed=transformed)
    plan, cleaned, calendar_choices = choose_calendar(resolved, plan, aligned, cleaned, split)
    resolved, more_choices = resolve_auto(resolved, cleaned)
    member_specs = resolve_member_specs(spec, resolved, cleaned)
    _check_compatible(member_specs)
    return PreparedData(
        given_spec=given_spec,
        inherited_spec=spec,
        spec=with_inferred_columns(resolved, plan),
        choices=[
            *_column_choices(spec, plan),
            *choices,
            *season_choices,
            *calendar_choices,
            *more_choices,
        ],
        plan=plan,
        cleaned=cleaned,
        split=split,
        source=file_paths(source),
        spec_folder=spec_folder,
        unused_keys=tuple(find_unused_keys(spec, member_specs)),
    )


def file_paths(source: Sequence[DataSource]) -> tuple[str, ...]:
    """The paths of the data; empty if a part of the data is in memory."""
    paths = tuple(item for item in source if isinstance(item, str))
    return paths if len(paths) == len(source) else ()


def check_output_columns(spec: Spec, roles: ColumnRoles) -> None:
    """Raises DataError if column names would clash in the tables of `predict`."""
    forecast = spec.forecast
    forecast_columns(roles.series, roles.targets, time_column=roles.time, levels=forecast.quantiles)
    check_column_names(roles.series, totals=bool(forecast.totals))
    check_column_names([*roles.series, roles.time], paths=bool(forecast.sample_paths))


def _check_lookback(given_spec: Spec, panel: Panel) -> None:
    """Raises DataError for a given lookback that no series fills."""
    lookbacks: list[object] = [given_spec.window.lookback]
    vary = given_spec.ensemble.vary
    lookbacks += vary.get("window.lookback", []) if isinstance(vary, Mapping) else []
    given = [lookback for lookback in lookbacks if isinstance(lookback, int)]
    longest = int(panel.lengths.max())
    if given and max(given) > longest:
        found = f"longer than the longest series, which has {longest:,} steps"
        cure = f"set it to {max(longest - given_spec.window.horizon, 1)} or less, or to auto"
        raise DataError(Problem(f"window.lookback: {max(given)}", found, cure))


def with_inferred_columns(spec: Spec, plan: CleaningPlan) -> Spec:
    """The spec with the columns, the frequency, `clean.min_length` and the calendar of the fitted
    plan."""
    data = plan.read_options.data
    columns = {"time": data.time, "series": data.series, "targets": data.targets}
    clean = {
        "frequency": plan.clean.frequency,
        "min_length": plan.clean.min_observed_values,
        "deseasonalize": plan.clean.deseasonalize,
    }
    return spec.model_copy(
        update={
            "data": spec.data.model_copy(update=columns),
            "clean": spec.clean.model_copy(update=clean),
            "features": plan.features.spec,
        }
    )


def _inherit_spec(spec: Spec, spec_folder: Path) -> Spec:
    """The spec with the keys inherited from the run of `training.start_from`; loads torch."""
    if spec.training.start_from is None:
        return spec
    from rnnforecast.pipeline.finetune import inherit_spec

    return inherit_spec(spec, spec_folder)


def forecast_bounds(spec: Spec, plan: CleaningPlan) -> Bounds:
    """Bounds of the forecasts: those of the spec, else those that the training values satisfy."""
    forecast, observed = spec.forecast, plan.bounds
    n_targets = len(observed.integer_valued)
    non_negative, whole = forecast.non_negative, forecast.whole_numbers
    # a mean of whole numbers need not be whole
    is_mean = "mean" in LOSSES.traits(spec.training.loss)
    integer_valued = (False,) * n_targets if is_mean else observed.integer_valued
    return Bounds(
        observed.non_negative if non_negative == "auto" else (non_negative,) * n_targets,
        integer_valued if whole == "auto" else (whole,) * n_targets,
    )


def _check_compatible(member_specs: Sequence[Spec]) -> None:
    problems = [Problem(*found) for found in find_incompatibilities(member_specs)]
    if problems:
        raise SpecError(*problems)


def hash_data(cleaned: CleanedData) -> str:
    """SHA-256 of the values, their timestamps, the covariates and the names of the series."""
    panel, features = cleaned.panel, cleaned.features
    digest = hashlib.sha256(repr((panel.frequency.alias, panel.target_names)).encode())
    for part in (panel.offsets, panel.start, panel.phase, panel.targets, *features.tables()):
        digest.update(np.ascontiguousarray(part).data)
    digest.update("\0".join(panel.labels()).encode())
    return digest.hexdigest()


def _column_choices(spec: Spec, plan: CleaningPlan) -> list[AutoChoice]:
    found = [
        AutoChoice("data.time", ", ".join(plan.read_options.data.time_columns), "recognized"),
        AutoChoice("data.series", list(plan.read_options.data.series), "recognized"),
        AutoChoice("data.targets", list(plan.read_options.data.targets), "recognized"),
        AutoChoice("clean.frequency", plan.clean.frequency, "by the vote of the series"),
    ]
    given = (spec.data.time, spec.data.series, spec.data.targets, spec.clean.frequency)
    return [choice for choice, value in zip(found, given, strict=True) if value == "auto"]
