"""What `train` and `check` do alike: spec and data become a clean panel and settled settings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rnnforecast.data.cleaning.imputation_plan import ImputationPlan
from rnnforecast.data.cleaning.transforms import Bounds
from rnnforecast.data.cleaning_plan import (
    AlignedData,
    CleanedData,
    CleaningPlan,
    OutlierRules,
    align_table,
    build_inputs,
    build_train_mask,
    fit_cleaning_plan,
    read_table,
)
from rnnforecast.data.features.features import FeaturePlan
from rnnforecast.data.io.read_options import ReadOptions
from rnnforecast.data.io.table import Table
from rnnforecast.data.windows.split import Split, split_series
from rnnforecast.errors import Problem, SpecError
from rnnforecast.output.forecast_table import forecast_columns
from rnnforecast.output.path_tables import check_column_names
from rnnforecast.pipeline.auto import (
    AutoChoice,
    resolve_auto,
    resolve_member_specs,
    resolve_season,
)
from rnnforecast.pipeline.rnn_imputation import fit_rnn_imputer, load_rnn_imputer
from rnnforecast.registry import LOSSES
from rnnforecast.spec.compatibility import find_incompatibilities
from rnnforecast.spec.load import read_spec
from rnnforecast.spec.spec import Spec


@dataclass(frozen=True)
class PreparedData:
    """All that is decided before the first step of training."""

    given_spec: Spec
    """As the file and `--set` say it."""
    inherited_spec: Spec
    """The same, with what it takes over from the run that it starts from."""
    spec: Spec
    """With every `auto` settled."""
    choices: list[AutoChoice]
    plan: CleaningPlan
    table: Table
    """As read."""
    cleaned: CleanedData
    split: Split
    source: tuple[str, ...]
    """The files of the spec, absolute."""
    spec_folder: Path
    """The folder of the spec."""


def build_cleaning_plan(spec: Spec) -> CleaningPlan:
    """The cleaning plan the spec asks for, with what it leaves open as `auto`."""
    data, clean, features = spec.data, spec.clean, spec.features
    return CleaningPlan(
        read_options=ReadOptions(
            data=data,
            covariates=(*features.past, *features.future, *features.static),
            categorical=(*features.categorical, *features.text),
        ),
        clean=clean,
        outliers=OutlierRules(
            clean.outliers,
            clean.outlier_action,
            None if clean.outlier_threshold == "auto" else clean.outlier_threshold,
        ),
        imputation=ImputationPlan(
            methods=clean.missing,
            fill_values=clean.fill_value,
            max_gap=clean.max_gap,
            seed=spec.training.seed,
        ),
        features=FeaturePlan(
            past=features.past,
            future=features.future,
            static=features.static,
            text=features.text,
            text_size=features.text_size,
            vector_size=features.vector_size,
            calendar=features.calendar,
            age=features.age,
            holidays=features.holidays or "",
            holiday_window=features.holiday_window,
            missing_future=features.missing_future,
        ),
        transform_methods=clean.transform,
    )


def prepare(path: Path, overrides: Sequence[str] = ()) -> PreparedData:
    """Reads the spec at `path` and its data, cleans them and settles every `auto`.

    SpecError or DataError with all problems of their kind.
    """
    spec = read_spec(path, overrides)
    source = spec.data.source_paths(path)
    plan = build_cleaning_plan(spec)
    return prepare_aligned(
        spec, align_table(plan, read_table(plan, source)), plan, source, path.resolve().parent
    )


def prepare_aligned(
    given_spec: Spec,
    aligned: AlignedData,
    plan: CleaningPlan,
    source: tuple[str, ...],
    spec_folder: Path,
) -> PreparedData:
    """Learns what is still open in `plan` and `given` from a table that is laid on its calendar;
    `base` is the folder of the spec."""
    spec = _inherit_spec(given_spec, spec_folder)
    panel, roles = aligned.panel, aligned.table.roles
    # names that would clash in the forecast are better known before training than after
    asked = spec.forecast
    forecast_columns(roles.series, roles.targets, time_column=roles.time, levels=asked.quantiles)
    check_column_names(roles.series, totals=bool(asked.totals))
    check_column_names([*roles.series, roles.time], paths=bool(asked.sample_paths))
    settled, choices = resolve_season(spec, panel)
    season, horizon = int(settled.window.season), spec.window.horizon
    parts = split_series(
        panel.lengths,
        horizon=horizon,
        season=season,
        channels=1 if spec.model.channels == "joint" else panel.observed_mask.shape[1],
    )
    plan, treated = fit_cleaning_plan(plan, aligned, season=season, train_end=parts.train_end)
    plan = replace(
        fit_rnn_imputer(plan, treated, panel, build_train_mask(panel, parts.train_end)),
        bounds=_forecast_bounds(spec, plan),
    )
    cleaned = build_inputs(
        plan, aligned, treated, horizon=horizon, rnn_imputer=load_rnn_imputer(plan)
    )
    settled, more = resolve_auto(settled, cleaned)
    _check_compatible(resolve_member_specs(spec, settled, cleaned))
    settled = settled.model_copy(
        update={
            "data": spec.data.model_copy(
                update={
                    "time": plan.read_options.data.time,
                    "series": plan.read_options.data.series,
                    "targets": plan.read_options.data.targets,
                }
            ),
            "clean": spec.clean.model_copy(
                update={
                    "frequency": plan.clean.frequency,
                    "min_length": plan.clean.min_observed_values,
                }
            ),
        }
    )
    choices = [*_column_choices(spec, plan), *choices, *more]
    return PreparedData(
        given_spec, spec, settled, choices, plan, aligned.table, cleaned, parts, source, spec_folder
    )


def _inherit_spec(spec: Spec, spec_folder: Path) -> Spec:
    """The spec with what it takes over from another run; that loads the networks' library."""
    if spec.training.start_from is None:
        return spec
    from rnnforecast.pipeline.finetune import inherit_spec

    return inherit_spec(spec, spec_folder)


def _forecast_bounds(spec: Spec, plan: CleaningPlan) -> Bounds:
    """What forecasts are held to: what the spec says, or else what the training values obey."""
    forecast, found = spec.forecast, plan.bounds
    count = len(found.integer_valued)
    non_negative, whole = forecast.non_negative, forecast.whole_numbers
    # the mean of whole numbers is no whole number
    means = "mean" in LOSSES.traits(spec.training.loss)
    obeyed = (False,) * count if means else found.integer_valued
    return Bounds(
        found.non_negative if non_negative == "auto" else (non_negative,) * count,
        obeyed if whole == "auto" else (whole,) * count,
    )


def _check_compatible(member_specs: Sequence[Spec]) -> None:
    problems = [Problem(*found) for found in find_incompatibilities(member_specs)]
    if problems:
        raise SpecError(*problems)


def hash_data(cleaned: CleanedData) -> str:
    """SHA-256 of the values, their places in time, the covariates and the series' names."""
    panel, features = cleaned.panel, cleaned.features
    found = hashlib.sha256(repr((panel.frequency.alias, panel.target_names)).encode())
    for part in (panel.offsets, panel.start, panel.phase, panel.targets, *features.tables()):
        found.update(np.ascontiguousarray(part).data)
    found.update("\0".join(panel.labels()).encode())
    return found.hexdigest()


def _column_choices(spec: Spec, plan: CleaningPlan) -> list[AutoChoice]:
    found = [
        AutoChoice("data.time", plan.read_options.data.time, "recognised"),
        AutoChoice("data.series", list(plan.read_options.data.series), "recognised"),
        AutoChoice("data.targets", list(plan.read_options.data.targets), "recognised"),
        AutoChoice("clean.frequency", plan.clean.frequency, "by the vote of the series"),
    ]
    given = (spec.data.time, spec.data.series, spec.data.targets, spec.clean.frequency)
    return [choice for choice, value in zip(found, given, strict=True) if value == "auto"]
