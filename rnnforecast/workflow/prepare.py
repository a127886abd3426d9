"""What `train` and `check` do alike: spec and data become a clean panel and settled settings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnforecast.data.panel import Panel
from rnnforecast.data.plan import AUTO, Cleaned, CleaningPlan, learn, read_table
from rnnforecast.output.tables import forecast_columns
from rnnforecast.spec.model import Spec
from rnnforecast.workflow.resolve import Choice, resolve
from rnnforecast.workflow.spec import load_spec, source_of


@dataclass(frozen=True)
class Prepared:
    """All that is decided before the first step of training."""

    given: Spec
    """As the file and `--set` say it."""
    spec: Spec
    """With every `auto` settled."""
    choices: list[Choice]
    plan: CleaningPlan
    cleaned: Cleaned
    source: tuple[str, ...]
    """The files of the spec, absolute."""


def plan_of(spec: Spec) -> CleaningPlan:
    """The cleaning plan the spec asks for, with what it leaves open as `auto`."""
    data, clean = spec.data, spec.clean
    return CleaningPlan(
        time=data.time,
        series=AUTO if data.series == "auto" else data.series,
        targets=AUTO if data.targets == "auto" else data.targets,
        separator=data.separator,
        decimal=data.decimal,
        time_format=data.time_format,
        frequency=clean.frequency,
        duplicates=clean.duplicates,
        missing=clean.missing,
        minimum_length=1 if clean.minimum_length == "auto" else clean.minimum_length,
    )


def prepare(path: Path, overrides: Sequence[str] = ()) -> Prepared:
    """Reads the spec at `path` and its data, cleans them and settles every `auto`.

    SpecError or DataError with all problems of their kind.
    """
    spec = load_spec(path, overrides)
    source = source_of(spec, path)
    first = plan_of(spec)
    plan, cleaned = learn(first, read_table(first, source))
    # names that would clash in the forecast are better known before training than after
    forecast_columns(plan.series, plan.targets, time=plan.time, levels=spec.forecast.quantiles)
    settled, choices = resolve(spec, cleaned.panel)
    choices = [*_columns_chosen(spec, plan), *choices]
    settled = settled.model_copy(
        update={
            "data": spec.data.model_copy(
                update={"time": plan.time, "series": plan.series, "targets": plan.targets}
            ),
            "clean": spec.clean.model_copy(
                update={"frequency": plan.frequency, "minimum_length": plan.minimum_length}
            ),
        }
    )
    return Prepared(spec, settled, choices, plan, cleaned, source)


def hash_of(panel: Panel) -> str:
    """SHA-256 of the values, their places in time and the series' names."""
    found = hashlib.sha256(repr((panel.frequency.alias, panel.targets_names)).encode())
    for part in (panel.offsets, panel.start, panel.phase, panel.targets):
        found.update(part.tobytes())
    found.update("\0".join(panel.labels()).encode())
    return found.hexdigest()


def _columns_chosen(spec: Spec, plan: CleaningPlan) -> list[Choice]:
    found = [
        Choice("data.time", plan.time, "recognised"),
        Choice("data.series", list(plan.series), "recognised"),
        Choice("data.targets", list(plan.targets), "recognised"),
        Choice("clean.frequency", plan.frequency, "by the vote of the series"),
    ]
    given = (spec.data.time, spec.data.series, spec.data.targets, spec.clean.frequency)
    return [choice for choice, value in zip(found, given, strict=True) if value == "auto"]
