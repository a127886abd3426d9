"""Loading of a spec from YAML or plain values; a `SpecError` has all problems, sorted by line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnnforecast.errors import Problem, SpecError, closest_match, did_you_mean, similarity
from rnnforecast.spec import yaml_source as source
from rnnforecast.spec.compatibility import RULES, Rule, find_incompatibilities, find_search_problems
from rnnforecast.spec.data import check_file_name
from rnnforecast.spec.problem_collector import ProblemCollector
from rnnforecast.spec.spec import SECTIONS, Spec, expand_ensemble
from rnnforecast.spec.value_problems import (
    SectionValues,
    format_value,
    no_path_problem,
    validate_sections,
)
from rnnforecast.spec.yaml_source import KeyPath

MAX_UNKNOWN_KEYS = 20
"""Unknown keys of a section that are reported one by one; the others are counted."""
MIN_SIMILARITY = 0.8
"""The value of an unknown key is checked as that of a known one if they are this similar."""
MAX_BYTES = 1 << 22
"""A larger file is no spec."""
RULES_WITHOUT_HORIZON = tuple(rule for rule in RULES if "window.horizon" not in rule.keys)
"""For a horizon that is not chosen in the spec."""


def read_spec(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    sections: Mapping[str, Mapping[str, Any]] | None = None,
    rules: Sequence[Rule] = RULES,
    needs_path: bool = True,
) -> Spec:
    """Reads the spec at `path`, with `overrides` such as ``model.layers=2`` applied.

    The keys of `sections` replace those of the file, as plain values, or of NumPy.
    Without `needs_path`, `data.path` may be missing: the data are in memory. Raises `SpecError`
    with all problems, those of `rules` included.
    """
    text = read_yaml_text(path, "spec")
    return parse_spec(
        text,
        name=str(path),
        overrides=overrides,
        sections=sections,
        rules=rules,
        needs_path=needs_path,
    )


def read_yaml_text(path: Path, what: str) -> str:
    """The text of the YAML file at `path`, a `what` such as spec or job; raises `SpecError`."""
    try:
        # PowerShell and Excel write a byte-order mark.
        return _read_bytes(path, what).decode("utf-8-sig")
    except FileNotFoundError:
        cure = did_you_mean(closest_match(path.name, _yaml_files_in(path.parent)))
        raise SpecError(Problem(str(path), "there is no such file", cure)) from None
    except UnicodeDecodeError:
        problem = Problem(str(path), "the file is not text in UTF-8", "save it as UTF-8")
        raise SpecError(problem) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        cure = f"give the {what}'s own file, and the permission to read it"
        raise SpecError(Problem(str(path), f"the file cannot be read: {reason}", cure)) from None


def _read_bytes(path: Path, what: str = "spec") -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        found = f"the file has more than {MAX_BYTES >> 20} MB: it is no {what}"
        cure = "if these are the data, write a spec for them with rnnforecast init"
        raise SpecError(Problem(str(path), found, cure))
    return content


def parse_spec(
    text: str,
    *,
    name: str,
    overrides: Sequence[str] = (),
    sections: Mapping[str, Mapping[str, Any]] | None = None,
    rules: Sequence[Rule] = RULES,
    needs_path: bool = True,
) -> Spec:
    """Parses the spec in `text`; messages call the file `name`. Raises `SpecError`, as
    `read_spec` does."""
    read = source.parse_yaml(text, name=name)
    if read.values is None and not read.problems:
        raise SpecError(Problem(name, "the file is empty", "write at least data and window"))
    if not isinstance(read.values, dict):
        found = f"expected sections such as data and window, found {format_value(read.values)}"
        cure = "if these are the data, write a spec for them with rnnforecast init"
        raise SpecError(Problem(f"{name}, line {read.lines.get((), 1)}", found, cure))
    given = with_keys(read.values, sections or {})
    replaced = {(name, key) for name, keys in (sections or {}).items() for key in keys}
    lines = {keys: line for keys, line in read.lines.items() if keys[:2] not in replaced}
    report = ProblemCollector(name, lines)
    for keys, line, found, cure in read.problems:
        report.add(keys, found, cure, line=line)
        report.unreadable_keys.add(keys[:2])
    for override in overrides:
        _apply_override(given, override, report)
    return _build_spec(given, report, rules, needs_path=needs_path)


def spec_from_values(
    values: Mapping[str, Any], *, rules: Sequence[Rule] = RULES, needs_path: bool = True
) -> Spec:
    """The spec with these sections, each a mapping of keys to plain values, or of NumPy.

    Messages name the keys: ``window.horizon``. Raises `SpecError`, as `read_spec` does.
    """
    return _build_spec(_to_plain(values), ProblemCollector("", {}), rules, needs_path=needs_path)


def with_keys(
    values: Mapping[str, Any], sections: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The `values` of a spec, with keys of `sections` in place of its own; what is no section
    stays, and is refused later."""
    merged = dict(values)
    for name, keys in sections.items():
        section = merged.get(name) or {}
        if isinstance(section, Mapping):
            merged[name] = {**section, **_to_plain(keys)}
    return merged


def _to_plain(value: Any) -> Any:
    """The value as YAML would have it: dicts, lists, text, numbers, true, false and null."""
    if isinstance(value, Mapping):
        return {str(key): _to_plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # an array or number of NumPy, an index of pandas
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _build_spec(
    given: dict[str, Any],
    report: ProblemCollector,
    rules: Sequence[Rule],
    *,
    needs_path: bool,
) -> Spec:
    values = _select_known_keys(given, report)
    if not needs_path:
        values["data"].setdefault("path", [])
    spec, invalid_keys = validate_sections(values, report)
    if needs_path and not spec.data.path:
        report.add(("data", "path"), *no_path_problem())
    usable = [rule for rule in rules if not report.is_affected(rule, invalid_keys)]
    findings = find_incompatibilities(expand_ensemble(spec), usable)
    if ("search", "keys") not in invalid_keys:
        findings += find_search_problems(spec, usable)
    for key, found, cure in findings:
        report.add(tuple(key.split(".", 2)), found, cure)
    if report.problems_by_line:
        raise SpecError(*report.problems())
    return spec


def locate_problems(
    problems: Iterable[Problem], path: Path, overrides: Sequence[str]
) -> tuple[Problem, ...]:
    """The problems, with the line of the spec at `path`, or the override, where they name a key.

    For problems that are found only with the data at hand.
    """
    given = {override.partition("=")[0].strip(): override for override in overrides}
    try:
        lines = source.parse_yaml(_read_bytes(path).decode("utf-8-sig"), name="").lines
    except (OSError, UnicodeDecodeError, SpecError):  # it has been read before, and is gone since
        lines = {}
    located = []
    for problem in problems:
        where = problem.where
        if where in given:
            where = f"--set {given[where]}"
        elif line := lines.get(tuple(where.split(".", 2))):
            where = f"{path}, line {line}, {where}"
        located.append(replace(problem, where=where))
    return tuple(located)


def spec_for_data(path: str, overrides: Sequence[str] = ()) -> Spec:
    """The spec of a data file with `overrides`, for `init`, which chooses the horizon later.

    The horizon is 1 unless overridden; rules on the horizon are skipped. Raises `SpecError`,
    and `DataError` for a path that cannot be written to a spec.
    """
    check_file_name(path)
    text = source.dump_yaml({"data": {"path": path}, "window": {"horizon": 1}})
    return parse_spec(text, name="--set", overrides=overrides, rules=RULES_WITHOUT_HORIZON)


def dump_spec(spec: Spec, *, given_only: bool = False) -> str:
    """The YAML text of `spec`, every key written out, or those that were given; `parse_spec`
    returns an equal spec."""
    return source.dump_yaml(spec.model_dump(exclude_unset=given_only))


def _apply_override(raw_values: dict[str, Any], override: str, collector: ProblemCollector) -> None:
    """Sets ``section.key=value`` or ``section.key.name=value`` in `raw_values`."""
    path, equals, text = override.partition("=")
    words = path.strip().split(".")
    keys: KeyPath = tuple(words)
    if not equals or len(keys) not in (2, 3) or not all(keys):
        found, cure = "expected section.key=value", "for example model.layers=2"
        collector.problems_by_line.append((math.inf, Problem(f"--set {override}", found, cure)))
        return
    # The last override counts: that of a whole group replaces earlier overrides of its keys.
    for key in [key for key in collector.overrides if key[: len(keys)] == keys]:
        del collector.overrides[key]
    collector.overrides[keys] = override
    if words[0] not in SECTIONS and keys[:1] not in collector.lines:
        collector.overrides.setdefault(keys[:1], override)
    try:
        value = source.parse_scalar(text)
    except SpecError as error:
        collector.add(keys, error.problems[0].found, error.problems[0].cure)
        collector.unreadable_keys.add(keys[:2])
        return
    group = raw_values
    for word in words[:-1]:
        if not isinstance(group.get(word), dict):
            group[word] = {}
        group = group[word]
    group[words[-1]] = value


def _select_known_keys(raw_values: Mapping[str, Any], collector: ProblemCollector) -> SectionValues:
    """The known keys of `raw_values`. An unknown key is reported and read as the closest match, so
    that its value is checked and the key is not reported as missing too."""
    values: SectionValues = {section: {} for section in SECTIONS}
    unknown: list[tuple[KeyPath, KeyPath | None, Any]] = []  # keys as written, intended keys, value
    strange_sections = [section for section in raw_values if section not in SECTIONS]
    if more := strange_sections[MAX_UNKNOWN_KEYS:]:
        found = f"… and {len(more):,} more unknown sections"
        collector.add((more[0],), found, _cure_for_section("", None))
        hidden = set(more)
        raw_values = {key: value for key, value in raw_values.items() if key not in hidden}
    for section, content in raw_values.items():
        meant = section if section in SECTIONS else closest_match(section, SECTIONS)
        owner = _section_of(section)
        if meant != section and (owner or not meant):
            collector.add((section,), "unknown section", _cure_for_section(section, owner))
            unknown.append(((section,), (owner, section) if owner else None, content))
            continue
        assert meant is not None
        if meant != section:
            collector.add((section,), "unknown section", did_you_mean(meant))
            collector.original_keys[(meant,)] = (section,)
        if not isinstance(content, dict | None):
            found = (
                f"expected lines of the form 'key: value' below it, found {format_value(content)}"
            )
            collector.add((section,), found)
            collector.unreadable_keys.add((meant,))
            continue
        fields = SECTIONS[meant].model_fields
        content = content or {}
        strange = [key for key in content if key not in fields]
        values[meant] |= {key: content[key] for key in content if key in fields}
        for key in strange[:MAX_UNKNOWN_KEYS]:
            target, cure = _guess_intended_key(meant, key)
            collector.add((section, key), "unknown key", cure)
            unknown.append(((section, key), target, content[key]))
        if more := strange[MAX_UNKNOWN_KEYS:]:
            found = f"… and {len(more):,} more unknown keys"
            collector.add((section, more[0]), found, f"the keys are {', '.join(fields)}")
    for written, target, value in unknown:
        if target and target[1] not in values[str(target[0])]:
            values[str(target[0])][str(target[1])] = value
            collector.original_keys[target] = written
            if similarity(str(written[-1]), str(target[1])) < MIN_SIMILARITY:
                collector.unsure_keys.add(target)
    return values


def _section_of(key: str) -> str | None:
    """The section that has `key`, if any."""
    return next((name for name, section in SECTIONS.items() if key in section.model_fields), None)


def _cure_for_section(section: str, owner: str | None) -> str:
    if owner:
        return f"'{section}' belongs to the section {owner}"
    return "the sections are " + ", ".join(SECTIONS)


def _guess_intended_key(section: str, key: str) -> tuple[KeyPath | None, str]:
    """The probably intended key for an unknown `key` of `section`, and the cure."""
    owner = _section_of(key)
    if owner:
        return (owner, key), f"'{key}' belongs to the section {owner}"
    fields = SECTIONS[section].model_fields
    near = closest_match(key, fields)
    if near:
        return (section, near), did_you_mean(near)
    elsewhere = closest_match(
        key, [name for other in SECTIONS.values() for name in other.model_fields]
    )
    if elsewhere:
        owner = _section_of(elsewhere)
        return None, f"did you mean '{elsewhere}' of the section {owner}?"
    return None, f"the keys of {section} are " + ", ".join(fields)


def _yaml_files_in(folder: Path) -> list[str]:
    """The YAML files of `folder`, for a suggestion; none if there is no such folder."""
    return [path.name for path in folder.glob("*.y*ml")]
