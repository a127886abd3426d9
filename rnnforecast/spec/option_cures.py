"""Cures that name keys of the spec, for a command without one: the options that set them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace

from rnnforecast.errors import Problem
from rnnforecast.spec.spec import SECTIONS

_KEY = re.compile(
    rf"\b(?P<section>{'|'.join(SECTIONS)})\.(?P<name>[a-z_]+)"
    r"(?:(?: to|, such as) (?P<value>'[^']*'|[^\s,;:]+))?"
)
_NO_VALUES = {"a", "an", "the", "one", "what", "these", "those", "some"}
"""Words after "to" that begin a description of the value."""


def add_options(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems, with the options ``--set section.key=value`` after cures that name keys:
    ``set clean.duplicates to first; without a spec: --set clean.duplicates=first``. The same
    options are named once."""
    found, named = [], {""}
    for problem in problems:
        options = _options(problem.cure)
        cure = problem.cure
        if options not in named:
            cure = f"{cure}; without a spec: {options}"
        named.add(options)
        found.append(replace(problem, cure=cure))
    return tuple(found)


def _options(cure: str) -> str:
    """The options that set the keys of a cure; "" without any."""
    options: dict[str, str] = {}
    for match in _KEY.finditer(cure):
        section, name, value = match.group("section", "name", "value")
        if name in SECTIONS[section].model_fields:
            is_known = value is not None and value not in _NO_VALUES
            shown = shlex.quote(value.strip("'")) if is_known else "…"
            key = f"{section}.{name}"
            if options.get(key, "…").endswith("…"):
                options[key] = f"--set {key}={shown}"
    return "" if "--set" in cure else ", ".join(options.values())
