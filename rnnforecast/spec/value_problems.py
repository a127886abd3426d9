"""Problems of values in a spec: the errors of pydantic in plain words, with a cure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from rnnforecast.errors import closest_match, did_you_mean
from rnnforecast.spec import yaml_source as source
from rnnforecast.spec.problem_collector import ProblemCollector
from rnnforecast.spec.spec import SECTIONS, Spec
from rnnforecast.spec.types import allowed_values, describe_field
from rnnforecast.spec.yaml_source import KeyPath

SectionValues = dict[str, dict[str, Any]]


def validate_sections(
    values: SectionValues, collector: ProblemCollector
) -> tuple[Spec, set[KeyPath]]:
    """The spec with its invalid keys at their default or example, and the invalid keys."""
    try:
        return Spec.model_validate(values), set()
    except ValidationError as error:
        invalid = _collect_validation_errors(error, values, collector)
    valid = {
        section: {key: value for key, value in keys.items() if (section, key) not in invalid}
        for section, keys in values.items()
    }
    for section, key in invalid:
        info = SECTIONS[section].model_fields[key]
        if info.is_required():
            valid[section][key] = (info.examples or [None])[0]
    return Spec.model_validate(valid), set(invalid)


def no_path_problem() -> tuple[str, str]:
    """What is wrong with an empty list of data files, and the cure."""
    wanted = describe_field(SECTIONS["data"].model_fields["path"])
    return f"expected {wanted}, found an empty list", ""


def _collect_validation_errors(
    error: ValidationError, values: SectionValues, collector: ProblemCollector
) -> set[tuple[str, str]]:
    """Reports pydantic's errors in plain words, one per key or item; returns the invalid keys."""
    invalid: set[tuple[str, str]] = set()
    done: set[KeyPath] = set()
    for detail in error.errors(include_url=False):
        location = detail["loc"]
        section, key = str(location[0]), str(location[1])
        invalid.add((section, key))
        info = SECTIONS[section].model_fields[key]
        if detail["type"] == "missing":
            if (section,) not in collector.unreadable_keys:
                example = (info.examples or [""])[0]
                cure = f"add '{key}: {example}' to the section {section}"
                collector.add((section, key), "this key is required", cure)
            continue
        if (section, key) in collector.unsure_keys:
            continue  # the key may be meant otherwise
        keys, value = follow_location((section, key), values[section][key], location[2:])
        is_reported = any(known[: len(keys)] == keys for known in done)  # or one of its items is
        if is_reported or (value is None and collector.is_unreadable(keys[:2])):
            continue
        done.add(keys)
        reason = detail.get("ctx", {}).get("error")
        if reason is not None:
            collector.add(keys, str(reason))
        else:
            wanted = describe_field(info)
            cure = suggest_cure(value, wanted, allowed_values(info), required=info.is_required())
            collector.add(keys, f"expected {wanted}, found {format_value(value)}", cure)
    return invalid


def follow_location(
    keys: KeyPath, value: Any, location: Iterable[str | int]
) -> tuple[KeyPath, Any]:
    """The keys and value at `location` in lists; parts that name a branch of a union type are
    skipped."""
    for part in location:
        if isinstance(value, list) and isinstance(part, int):
            keys, value = (*keys, part), value[part]
    return keys, value


def suggest_cure(
    value: object, expected_type: str, known_values: list[str], *, required: bool
) -> str:
    """What to do about a `value` where an `expected_type` belongs; may be empty."""
    if value is None:
        return "give a value" if required else "give a value, or leave it out for the default"
    if isinstance(value, str):
        near = closest_match(value, known_values)
        if near:
            return did_you_mean(near)
        if "number" in expected_type and type(source.parse_scalar(value)) in (int, float):
            return "remove the quotes"
        if "number" in expected_type and value.replace(",", "", 1).isdigit():
            return "write numbers with a decimal point"
    elif "between 0 and 1" in expected_type and isinstance(value, int | float) and 1 < value < 100:
        return f"write {value} % as {value / 100:g}"
    elif "text" in expected_type or "name" in expected_type:
        return "put it in quotes" if isinstance(value, bool | float) else ""
    return ""


def format_value(value: object) -> str:
    """A value for a message, truncated."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else f"'{value[:60]}…'"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "a group of keys" if isinstance(value, dict) else str(value)
