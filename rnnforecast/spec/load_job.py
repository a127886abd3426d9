"""Loading of a job from YAML; a `SpecError` has all problems, sorted by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from rnnforecast.errors import Problem, SpecError, closest_match, did_you_mean
from rnnforecast.spec.job import GROUPS, JobSpec
from rnnforecast.spec.load import MAX_UNKNOWN_KEYS, read_yaml_text
from rnnforecast.spec.problem_collector import ProblemCollector
from rnnforecast.spec.spec import SECTIONS
from rnnforecast.spec.types import SpecSection, allowed_values, describe_field
from rnnforecast.spec.value_problems import follow_location, format_value, suggest_cure
from rnnforecast.spec.yaml_source import KeyPath, parse_yaml


def read_job(path: Path) -> JobSpec:
    """Reads the job file at `path`; raises `SpecError` with all problems."""
    return parse_job(read_yaml_text(path, "job"), name=str(path))


def parse_job(text: str, *, name: str) -> JobSpec:
    """Parses the job in `text`; messages call the file `name`. Raises `SpecError`."""
    read = parse_yaml(text, name=name)
    if read.values is None and not read.problems:
        raise SpecError(Problem(name, "the file is empty", "write at least 'spec: spec.yaml'"))
    if not isinstance(read.values, dict):
        found = f"expected keys such as spec and out, found {format_value(read.values)}"
        raise SpecError(Problem(f"{name}, line {read.lines.get((), 1)}", found, "see docs/nightly"))
    _refuse_training_spec(read.values, name)
    collector = ProblemCollector(name, read.lines)
    for keys, line, found, cure in read.problems:
        collector.add(keys, found, cure, line=line)
        collector.unreadable_keys.add(keys[:2])
    values = _known_keys(JobSpec, read.values, (), collector)
    job = _validate(values, collector)
    if job is None or collector.problems_by_line:
        raise SpecError(*collector.problems())
    return job


def _refuse_training_spec(given: Mapping[str, Any], name: str) -> None:
    """Raises SpecError if these are the sections of a spec, not the keys of a job."""
    sections = [key for key in given if key in SECTIONS and key not in JobSpec.model_fields]
    if sections and "spec" not in given and "run" not in given:
        found = f"this is a spec, with the section {sections[0]}; expected a job"
        cure = f"write a file with the line 'spec: {Path(name).name}', and give that"
        raise SpecError(Problem(name, found, cure))


def _known_keys(
    model: type[SpecSection], given: Mapping[str, Any], above: KeyPath, collector: ProblemCollector
) -> dict[str, Any]:
    """The known keys of a group; an unknown one is reported, and read as the closest match."""
    fields = model.model_fields
    known = {key: value for key, value in given.items() if key in fields}
    unknown = [key for key in given if key not in fields]
    for key in unknown[:MAX_UNKNOWN_KEYS]:
        near = closest_match(key, fields)
        collector.add((*above, key), "unknown key", _cure_for_key(key, near, model))
        if near is not None and near not in known:
            known[near] = given[key]
            collector.original_keys[(*above, near)] = (*above, key)
    if more := unknown[MAX_UNKNOWN_KEYS:]:
        found = f"… and {len(more):,} more unknown keys"
        collector.add((*above, more[0]), found, f"the keys are {', '.join(fields)}")
    for name, group in GROUPS.items() if not above else ():
        content = known.get(name, {})
        if content is None:
            del known[name]
        elif isinstance(content, dict):
            if name in known:
                known[name] = _known_keys(group, content, (name,), collector)
        else:
            found = (
                f"expected lines of the form 'key: value' below it, found {format_value(content)}"
            )
            collector.add((name,), found)
            del known[name]
    return known


def _cure_for_key(key: str, near: str | None, model: type[SpecSection]) -> str:
    owners = [name for name, group in GROUPS.items() if key in group.model_fields]
    if owners and model is not GROUPS[owners[0]]:
        return f"'{key}' belongs to the group {owners[0]}"
    if key in JobSpec.model_fields:
        return f"'{key}' belongs to no group: write it without indentation"
    if near is not None:
        return did_you_mean(near)
    return f"the keys are {', '.join(model.model_fields)}"


def _validate(values: dict[str, Any], collector: ProblemCollector) -> JobSpec | None:
    """The job, or None after its problems were reported, one a key or item."""
    try:
        return JobSpec.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False)
    done: set[KeyPath] = set()
    for detail in details:
        keys, info, rest = _locate(detail["loc"])
        if detail["type"] == "missing":
            example = (info.examples or [""])[0]
            cure = f"add the line '{keys[-1]}: {example}'"
            collector.add(keys, "this key is required", cure)
            continue
        value: Any = values
        for key in keys:
            value = value[key]
        keys, value = follow_location(keys, value, rest)
        if any(known[: len(keys)] == keys for known in done) or collector.is_unreadable(keys[:2]):
            continue
        done.add(keys)
        reason = detail.get("ctx", {}).get("error")
        wanted = describe_field(info)
        found = f"expected {wanted}, found {format_value(value)}"
        cure = suggest_cure(value, wanted, allowed_values(info), required=info.is_required())
        if reason is not None and not str(reason).startswith("expected a time such as"):
            found, cure = str(reason), ""
        collector.add(keys, found, cure)
    return None


def _locate(location: Sequence[int | str]) -> tuple[KeyPath, FieldInfo, tuple[int | str, ...]]:
    """The keys of pydantic's `location`, the field there, and the rest of the location."""
    first = str(location[0])
    if first in GROUPS and len(location) > 1:
        second = str(location[1])
        return (first, second), GROUPS[first].model_fields[second], tuple(location[2:])
    return (first,), JobSpec.model_fields[first], tuple(location[1:])
