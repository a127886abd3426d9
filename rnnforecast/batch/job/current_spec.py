"""The current spec of a job, beside the spec that its model was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnforecast.batch.job.files import JobFiles
from rnnforecast.errors import RunFolderError, SpecError
from rnnforecast.pipeline.checks.finding import Finding
from rnnforecast.pipeline.run_folder import SPEC_FILE
from rnnforecast.pipeline.run_overrides import can_set
from rnnforecast.pipeline.run_versions import resolve_run
from rnnforecast.spec.load import read_spec
from rnnforecast.spec.spec import Spec
from rnnforecast.spec.yaml_source import dump_value
from rnnforecast.wording import join_names

MAX_KEYS = 5
"""Keys that the finding of a changed spec names."""


@dataclass(frozen=True)
class CurrentSpec:
    """What a forecast takes from the current spec, and what waits for the next training."""

    data: tuple[str, ...]
    """The files of the job, or those of the spec."""
    overrides: tuple[str, ...] = ()
    """Keys of the sections checks and forecast that have changed, as ``section.key=value``."""
    finding: Finding | None = None
    """Names the changed keys that are decided by the training."""


def read_current_spec(job: JobFiles) -> CurrentSpec:
    """Compares the spec of a job with that of its model; raises SpecError if it is not valid."""
    spec = read_spec(job.spec)
    data = job.data or spec.data.source_paths(job.spec)
    trained = _spec_of_model(job.store)
    if trained is None:
        return CurrentSpec(data)
    changed = _changed_values(spec, trained)
    overrides = (f"{key}={dump_value(value)}" for key, value in changed.items() if can_set(key))
    waiting = [key for key in changed if not can_set(key) and key != "data.path"]
    return CurrentSpec(data, tuple(overrides), _finding(job, waiting) if waiting else None)


def _spec_of_model(store: Path) -> Spec | None:
    """The spec that the current model was trained with; None if it cannot be read: the
    forecast raises the error."""
    try:
        return read_spec(resolve_run(store) / SPEC_FILE, rules=(), needs_path=False)
    except (RunFolderError, SpecError):
        return None


def _changed_values(spec: Spec, trained: Spec) -> dict[str, Any]:
    """The values of `spec` that are others in `trained`, by ``section.key``."""
    new, old = spec.model_dump(), trained.model_dump()
    return {
        f"{section}.{key}": value
        for section, values in new.items()
        for key, value in values.items()
        if value != old[section][key]
    }


def _finding(job: JobFiles, keys: list[str]) -> Finding:
    message = (
        f"{job.spec.name} has other values than the current model was trained with: "
        f"{join_names(keys, MAX_KEYS)}; they apply from the next training"
    )
    cure = f"to train now: rnnforecast train {job.spec} -o {job.store} --versions"
    return Finding("spec_changed", message, count=len(keys), cure=cure)
