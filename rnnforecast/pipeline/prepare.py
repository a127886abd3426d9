"""What `train` and `check` do alike: spec and data become a clean panel and settled settings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rnnforecast.data.cleaning.imputation_plan import FillPlan
from rnnforecast.data.cleaning.transforms import Bounds
from rnnforecast.data.cleaning_plan import (
    Cleaned,
    CleaningPlan,
    Laid,
    OutlierRules,
    before,
    finish,
    lay,
    learn,
    read_table,
)
from rnnforecast.data.features.features import FeaturePlan
from rnnforecast.data.io.read_options import AUTO, Reading
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.regularize import Rules
from rnnforecast.data.windows.split import Split, split
from rnnforecast.errors import Problem, SpecError
from rnnforecast.models.compatibility import MEANS
from rnnforecast.output.forecast_table import forecast_columns
from rnnforecast.output.path_tables import refuse_names
from rnnforecast.pipeline.auto import Choice, resolve, resolve_season
from rnnforecast.pipeline.load_spec import load_spec, refused_among, source_of
from rnnforecast.pipeline.members import members_of
from rnnforecast.pipeline.rnn_imputation import estimate_of, fitted
from rnnforecast.spec.model import Spec


@dataclass(frozen=True)
class Prepared:
    """All that is decided before the first step of training."""

    given: Spec
    """As the file and `--set` say it."""
    opened: Spec
    """The same, with what it takes over from the run that it starts from."""
    spec: Spec
    """With every `auto` settled."""
    choices: list[Choice]
    plan: CleaningPlan
    table: Table
    """As read."""
    cleaned: Cleaned
    split: Split
    source: tuple[str, ...]
    """The files of the spec, absolute."""
    base: Path
    """The folder of the spec."""


def plan_of(spec: Spec) -> CleaningPlan:
    """The cleaning plan the spec asks for, with what it leaves open as `auto`."""
    data, clean, features = spec.data, spec.clean, spec.features
    return CleaningPlan(
        reading=Reading(
            time=data.time,
            series=AUTO if data.series == "auto" else data.series,
            targets=AUTO if data.targets == "auto" else data.targets,
            covariates=(*features.past, *features.future, *features.static),
            words=(*features.categorical, *features.text),
            separator=data.separator,
            decimal=data.decimal,
            thousands=data.thousands,
            missing_values=data.missing_values,
            encoding=data.encoding,
            time_format=data.time_format,
            timezone=data.timezone or "",
        ),
        rules=Rules(
            frequency=clean.frequency,
            irregular=clean.irregular,
            tolerance=clean.tolerance,
            resample=clean.resample if isinstance(clean.resample, str) else None,
            resample_columns=clean.resample if isinstance(clean.resample, dict) else {},
            partial=clean.partial,
            zone=data.timezone or "",
            ambiguous_hour=clean.ambiguous_hour,
            missing_hour=clean.missing_hour,
            duplicates=clean.duplicates,
            minimum_length=1 if clean.minimum_length == "auto" else clean.minimum_length,
            maximum_length=clean.maximum_length,
            longest_gap=clean.longest_gap,
            ahead=bool(features.future),
        ),
        outliers=OutlierRules(
            clean.outliers,
            clean.outlier_action,
            None if clean.outlier_threshold == "auto" else clean.outlier_threshold,
        ),
        filling=FillPlan(
            methods=clean.missing,
            values=clean.fill_value,
            longest_gap=clean.longest_gap,
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
        methods=clean.transform,
    )


def prepare(path: Path, overrides: Sequence[str] = ()) -> Prepared:
    """Reads the spec at `path` and its data, cleans them and settles every `auto`.

    SpecError or DataError with all problems of their kind.
    """
    spec = load_spec(path, overrides)
    source = source_of(spec, path)
    plan = plan_of(spec)
    return settle(spec, lay(plan, read_table(plan, source)), plan, source, path.resolve().parent)


def settle(
    given_spec: Spec, aligned: Laid, plan: CleaningPlan, source: tuple[str, ...], spec_folder: Path
) -> Prepared:
    """Learns what is still open in `plan` and `given` from a table that is laid on its calendar;
    `base` is the folder of the spec."""
    spec = _opened(given_spec, spec_folder)
    panel, roles = aligned.panel, aligned.table.roles
    # names that would clash in the forecast are better known before training than after
    asked = spec.forecast
    forecast_columns(roles.series, roles.targets, time=roles.time, levels=asked.quantiles)
    refuse_names(roles.series, totals=bool(asked.totals))
    refuse_names([*roles.series, roles.time], paths=bool(asked.paths))
    settled, choices = resolve_season(spec, panel)
    season, horizon = int(settled.window.season), spec.window.horizon
    parts = split(
        panel.lengths,
        horizon=horizon,
        season=season,
        channels=1 if spec.model.channels == "joint" else panel.observed.shape[1],
    )
    plan, treated = learn(plan, aligned, season=season, train_end=parts.train_end)
    plan = replace(
        fitted(plan, treated, panel, before(panel, parts.train_end)), bounds=_bounds(spec, plan)
    )
    cleaned = finish(plan, aligned, treated, horizon=horizon, rnn_imputer=estimate_of(plan))
    settled, more = resolve(settled, cleaned)
    _check_together(members_of(spec, settled, cleaned))
    settled = settled.model_copy(
        update={
            "data": spec.data.model_copy(
                update={
                    "time": plan.reading.time,
                    "series": plan.reading.series,
                    "targets": plan.reading.targets,
                }
            ),
            "clean": spec.clean.model_copy(
                update={
                    "frequency": plan.rules.frequency,
                    "minimum_length": plan.rules.minimum_length,
                }
            ),
        }
    )
    choices = [*_columns_chosen(spec, plan), *choices, *more]
    return Prepared(given_spec, spec, settled, choices, plan, aligned.table, cleaned, parts, source, spec_folder)


def _opened(spec: Spec, spec_folder: Path) -> Spec:
    """The spec with what it takes over from another run; that loads the networks' library."""
    if spec.training.start_from is None:
        return spec
    from rnnforecast.pipeline.finetune import inherited

    return inherited(spec, spec_folder)


def _bounds(spec: Spec, plan: CleaningPlan) -> Bounds:
    """What forecasts are held to: what the spec says, or else what the training values obey."""
    forecast, found = spec.forecast, plan.bounds
    count = len(found.whole)
    non_negative, whole = forecast.non_negative, forecast.whole_numbers
    # the mean of whole numbers is no whole number
    obeyed = (False,) * count if spec.training.loss in MEANS else found.whole
    return Bounds(
        found.non_negative if non_negative == "auto" else (non_negative,) * count,
        obeyed if whole == "auto" else (whole,) * count,
    )


def _check_together(member_specs: Sequence[Spec]) -> None:
    problems = [Problem(*found) for found in refused_among(member_specs)]
    if problems:
        raise SpecError(*problems)


def hash_of(cleaned: Cleaned) -> str:
    """SHA-256 of the values, their places in time, the covariates and the series' names."""
    panel, features = cleaned.panel, cleaned.features
    found = hashlib.sha256(repr((panel.frequency.alias, panel.targets_names)).encode())
    for part in (panel.offsets, panel.start, panel.phase, panel.targets, *features.tables()):
        found.update(np.ascontiguousarray(part).data)
    found.update("\0".join(panel.labels()).encode())
    return found.hexdigest()


def _columns_chosen(spec: Spec, plan: CleaningPlan) -> list[Choice]:
    found = [
        Choice("data.time", plan.reading.time, "recognised"),
        Choice("data.series", list(plan.reading.series), "recognised"),
        Choice("data.targets", list(plan.reading.targets), "recognised"),
        Choice("clean.frequency", plan.rules.frequency, "by the vote of the series"),
    ]
    given = (spec.data.time, spec.data.series, spec.data.targets, spec.clean.frequency)
    return [choice for choice, value in zip(found, given, strict=True) if value == "auto"]
