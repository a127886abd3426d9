"""Registries of components: each module with a ``TRAITS`` line is a choice in the spec.

What the spec, its messages and the automatic choices need to know about a component stands in its
module as literals, such as ``TRAITS``. They are parsed without an import, so that a wrong spec is
reported before torch or pandas is loaded. Adding a component takes only its module.

``OPTIONS`` maps each option of a component to a tuple that begins with its default. For text and
booleans the other allowed values follow, ``("after", "before")``; for numbers the smallest and the
largest allowed value, None for no limit, ``(4, 1, None)``.
"""

from __future__ import annotations

import ast
import importlib
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parent

_TRAITS_LINE = re.compile(rb"^TRAITS\b.*=", re.MULTILINE)


class Registry:
    """The components of one package, by name."""

    def __init__(self, package: str) -> None:
        """`package` is a dotted name below ``rnnforecast``, such as ``models.backbones``."""
        self.package = package

    def names(self) -> tuple[str, ...]:
        """Names of all components, sorted."""
        return _names(self.package)

    def summary(self, name: str) -> str:
        """The first line of the component's docstring."""
        return _source(self.package, name)[0]

    def literal(self, name: str, constant: str, default: Any = None) -> Any:
        """The value of a top-level constant of the component, `default` if it has none."""
        return _source(self.package, name)[1].get(constant, default)

    def traits(self, name: str) -> tuple[str, ...]:
        """The component's ``TRAITS``."""
        return tuple(self.literal(name, "TRAITS"))

    def having(self, trait: str) -> tuple[str, ...]:
        """Names of the components with the trait, sorted."""
        return tuple(name for name in self.names() if trait in self.traits(name))

    def options(self, name: str, values: Mapping[str, object]) -> dict[str, Any]:
        """All options of the component: `values`, and the defaults of the others.

        Raises ValueError with one line for each of `option_problems`.
        """
        problems = list(self.option_problems(name, values))
        if problems:
            raise ValueError("\n".join(f"{option}: {found}" for option, found in problems))
        known = self.literal(name, "OPTIONS", {})
        return {option: values.get(option, spec[0]) for option, spec in known.items()}

    def option_problems(self, name: str, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
        """(option, problem) for each option that is unknown, of a wrong type or out of range."""
        known = self.literal(name, "OPTIONS", {})
        for option, value in values.items():
            if option not in known:
                has = f"{name} has {', '.join(known) or 'no options'}"
                yield option, f"unknown option ({has})"
            elif not _is_allowed(value, known[option]):
                yield option, f"expected {_describe_option(known[option])}, found {value!r}"

    def describe_options(self) -> str:
        """The options of all components with their defaults: ``gru: reset (after); …``."""
        known = {name: self.literal(name, "OPTIONS", {}) for name in self.names()}
        return "; ".join(
            f"{name}: " + ", ".join(f"{key} ({_to_yaml(spec[0])})" for key, spec in options.items())
            for name, options in known.items()
            if options
        )

    def load(self, name: str) -> ModuleType:
        """The component's module; ValueError for an unknown name."""
        if name not in self.names():
            raise ValueError(f"'{name}' is none of {', '.join(self.names())}")
        return importlib.import_module(f"rnnforecast.{self.package}.{name}")


BACKBONES = Registry("models.backbones")
DECODERS = Registry("models.decoders")
LOSSES = Registry("models.heads")
WINDOW_SCALERS = Registry("models.scaling")
BASE_FORECASTS = Registry("models.base_forecast")
IMPUTERS = Registry("data.cleaning.imputers")
OUTLIER_RULES = Registry("data.cleaning.outlier_rules")
FILE_FORMATS = Registry("data.io.formats")


def _to_yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_allowed(value: object, allowed: tuple[Any, ...]) -> bool:
    default = allowed[0]
    if isinstance(default, bool | str):
        return type(value) is type(default) and value in allowed
    types = int if isinstance(default, int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, types):
        return False
    if isinstance(value, float) and not math.isfinite(value):
        return False
    _, lowest, highest = allowed
    return (lowest is None or value >= lowest) and (highest is None or value <= highest)


def _describe_option(allowed: tuple[Any, ...]) -> str:
    default = allowed[0]
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, str):
        return f"{', '.join(allowed[:-1])} or {allowed[-1]}"
    number = "a whole number" if isinstance(default, int) else "a number"
    _, lowest, highest = allowed
    if highest is not None:
        return f"{number} from {lowest} to {highest}"
    return number if lowest is None else f"{number} of at least {lowest}"


@cache
def _names(package: str) -> tuple[str, ...]:
    """Names of the modules with a ``TRAITS`` line, found by regex: parsing all would be slow."""
    files = ROOT.joinpath(*package.split(".")).glob("[!_]*.py")
    return tuple(sorted(file.stem for file in files if _TRAITS_LINE.search(file.read_bytes())))


@cache
def _source(package: str, name: str) -> tuple[str, dict[str, Any]]:
    """The first line of a module's docstring, and its literal top-level constants."""
    text = ROOT.joinpath(*package.split("."), f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    constants = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id.isupper():
            try:
                constants[target.id] = ast.literal_eval(node.value)
            except ValueError:
                continue  # not a literal
    return (ast.get_docstring(tree) or "").split("\n")[0], constants
