"""The search space of `tune`: the candidates of each key in `search.keys`, checked as a spec."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rnnforecast.errors import closest_match, did_you_mean
from rnnforecast.spec.spec import SECTIONS, Spec
from rnnforecast.spec.types import validate_value

SEARCHABLE: Mapping[str, tuple[str, ...]] = {
    "clean": ("outliers", "outlier_action", "outlier_threshold", "transform", "deseasonalize"),
    "features": ("calendar", "age"),
    "window": ("lookback", "patch_length"),
    "model": (),
    "training": (),
    "ensemble": ("members", "combine", "network_weight"),
}
"""Keys that may be varied, by section; all of a section if none is listed. Others decide what is
read and forecast, so that scores would not compare."""

NOT_SEARCHABLE = (
    "training.seed",
    "training.device",
    "training.time_budget",
    "training.final_fit",
    "training.start_from",
    "training.freeze",
)
"""Keys of these sections that say nothing about accuracy, or where the choice is the best seed."""

RANGE_KEYS = ("low", "high", "step", "log")

SIGNIFICANT_DIGITS = 3
"""Of a number from a range without steps, so that the best spec is readable."""


@dataclass(frozen=True)
class Choices:
    """A list of values, in plain types."""

    values: tuple[Any, ...]

    def contains(self, value: object) -> bool:
        """Whether `value` is one of them."""
        return value in self.values


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    step: float | None
    """None: all numbers, or all whole numbers."""
    log: bool
    """Whether their logarithms are uniform."""
    is_whole: bool

    def contains(self, value: object) -> bool:
        """Whether `value` is a number of the range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high:
            return False
        steps = (value - self.low) / self.step if self.step else 0.0
        return math.isclose(steps, round(steps), abs_tol=1e-9)

    def round(self, value: float) -> float | int:
        """A drawn number with few digits, inside the range."""
        if self.is_whole:
            return round(value)
        if self.step is not None:
            return float(f"{value:.12g}")
        rounded = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
        return min(max(rounded, self.low), self.high)


Parameter: TypeAlias = Choices | Range


def searchable_keys() -> list[str]:
    """All keys that may be varied, as ``section.key``."""
    return [
        f"{section}.{name}"
        for section, names in SEARCHABLE.items()
        for name in names or SECTIONS[section].model_fields
        if f"{section}.{name}" not in NOT_SEARCHABLE
    ]


def search_parameters(spec: Spec) -> dict[str, Parameter]:
    """The parameters of a spec whose `search.keys` are given and have no problem."""
    keys = {} if isinstance(spec.search.keys, str) else spec.search.keys
    return {key: _parse(key, candidates)[0] for key, candidates in keys.items()}


def with_values(spec: Spec, values: Mapping[str, object]) -> Spec:
    """The spec with other values of keys ``section.key``; they are valid, but may not fit."""
    sections = dict(spec)
    for key, value in values.items():
        section, _, name = key.partition(".")
        plain = {**sections[section].model_dump(exclude_unset=True), name: value}
        sections[section] = SECTIONS[section].model_validate(plain)
    return spec.model_copy(update=sections)


def candidate_problems(spec: Spec) -> Iterator[tuple[str, str, str]]:
    """What is wrong with each key of `search.keys` and its candidates: the key, what, the cure."""
    search = spec.search
    if isinstance(search.keys, str):
        return
    known = searchable_keys()
    for key, candidates in search.keys.items():
        where = f"search.keys.{key}"
        if key not in known:
            yield where, *_unknown_key(key, known)
            continue
        parameter, problems = _parse(key, candidates)
        for problem in problems:
            yield where, *problem
        if not problems and search.sampler == "grid" and not _is_countable(parameter):
            yield where, "a grid needs a number of values", "add a step, or give a list"


def end_points(spec: Spec) -> Iterator[tuple[str, object]]:
    """Each key with each of its candidates, or the ends of its range, where they are valid."""
    keys = {} if isinstance(spec.search.keys, str) else spec.search.keys
    for key, candidates in keys.items():
        if key not in searchable_keys():
            continue
        parameter, problems = _parse(key, candidates)
        if not problems:
            is_list = isinstance(parameter, Choices)
            for value in parameter.values if is_list else (parameter.low, parameter.high):  # type: ignore[union-attr]
                yield key, value


def _unknown_key(key: str, known: Sequence[str]) -> tuple[str, str]:
    section, _, name = key.partition(".")
    if section in SECTIONS and name in SECTIONS[section].model_fields:
        return f"{key} cannot be searched", "vary keys of window, model and training"
    near = closest_match(key, known, cutoff=0.5)
    return "unknown key", did_you_mean(near) or "for example model.hidden_size"


def _is_countable(parameter: Parameter) -> bool:
    return isinstance(parameter, Choices) or parameter.is_whole or parameter.step is not None


def _parse(key: str, candidates: Any) -> tuple[Parameter, list[tuple[str, str]]]:
    """The parameter of a key and its problems: what was found, and the cure."""
    if isinstance(candidates, Mapping):
        return _parse_range(key, candidates)
    section, _, name = key.partition(".")
    values, problems = [], []
    for candidate in candidates:
        try:
            values.append(validate_value(SECTIONS[section], name, candidate))
        except ValueError as error:
            problems.append((str(error), ""))
    if not candidates:
        problems.append(("an empty list", "give at least two values"))
    if any(value in values[:place] for place, value in enumerate(values)):
        problems.append(("a value is named twice", "name each once"))
    return Choices(tuple(values)), problems


def _parse_range(key: str, given: Mapping[str, Any]) -> tuple[Parameter, list[tuple[str, str]]]:
    section, _, name = key.partition(".")
    problems = []
    for unknown in [word for word in given if word not in RANGE_KEYS]:
        hint = did_you_mean(closest_match(unknown, RANGE_KEYS))
        problems.append((f"'{unknown}' belongs to no range", hint or "a range has low and high"))
    ends = []
    for word in ("low", "high"):
        if word not in given:
            problems.append((f"the range has no {word}", f"add '{word}: …'"))
            continue
        try:
            value = validate_value(SECTIONS[section], name, given[word])
        except ValueError as error:
            problems.append((f"{word}: {error}", ""))
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            problems.append((f"{word}: {value} is no number", "give a list of values"))
        else:
            ends.append(value)
    step, log = given.get("step"), given.get("log", False)
    if not isinstance(log, bool):
        problems.append((f"log: expected true or false, found {log}", ""))
    is_whole = len(ends) == 2 and all(isinstance(end, int) for end in ends)
    problems += _step_problems(step, is_whole=is_whole)
    if len(ends) == 2:
        low, high = ends
        if low >= high:
            problems.append((f"low: {low} is not below high: {high}", "give a list of one value"))
        if log is True and low <= 0:
            problems.append((f"log: low: {low} has no logarithm", "give a low above 0"))
        if log is True and step is not None:
            problems.append(("log and step exclude each other", "delete one of them"))
    if problems:
        return Choices(()), problems
    return Range(ends[0], ends[1], step, log, is_whole), []


def _step_problems(step: object, *, is_whole: bool) -> Iterator[tuple[str, str]]:
    if step is None:
        return
    if isinstance(step, bool) or not isinstance(step, int | float) or step <= 0:
        yield f"step: expected a number above 0, found {step}", ""
    elif is_whole and not isinstance(step, int):
        yield f"step: the key has whole numbers, found {step}", "give a whole number"
