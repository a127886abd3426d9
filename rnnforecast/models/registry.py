"""Finds the backbones: a file in `backbones/` is a choice in the spec, with no list to edit."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

if typing.TYPE_CHECKING:  # names and summaries are served without loading torch
    from rnnforecast.models.base import BackboneModule

BACKBONES_DIR = Path(__file__).parent / "backbones"


def backbone_names() -> list[str]:
    """Names of all backbones, sorted."""
    return sorted(path.stem for path in BACKBONES_DIR.glob("[!_]*.py"))


def backbone_summary(name: str) -> str:
    """The first line of the backbone's docstring, read without importing it."""
    doc = (
        ast.get_docstring(ast.parse((BACKBONES_DIR / f"{name}.py").read_text(encoding="utf-8")))
        or ""
    )
    return doc.splitlines()[0]


def backbone_traits(name: str) -> tuple[str, ...]:
    """The backbone's `TRAITS`, see `contract.BackboneFile`, read without importing it."""
    for node in ast.parse((BACKBONES_DIR / f"{name}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TRAITS":
            return tuple(ast.literal_eval(node.value))
    return ()


def load_backbone(name: str) -> BackboneModule:
    """The backbone's module."""
    return cast("BackboneModule", importlib.import_module(f"rnnforecast.models.backbones.{name}"))


def parse_backbone_options(name: str, values: Mapping[str, object]) -> Any:
    """The backbone's frozen options from plain values.

    Raises ValueError, one line a problem: an unknown option, a wrong type, a value out of range.
    """
    cls = load_backbone(name).Options
    known = {field.name: field for field in dataclasses.fields(cls)}
    types = typing.get_type_hints(cls)
    problems = []
    for key, value in values.items():
        if key not in known:
            has = f"{name} has {', '.join(known)}" if known else f"{name} has no options"
            problems.append(f"{key}: unknown option ({has})")
        elif not _matches_type(value, types[key]):
            problems.append(f"{key}: expected {types[key].__name__}, found {value!r}")
    if not problems:
        try:
            return cls(**values)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError("\n".join(problems))


def _matches_type(value: object, expected_type: type) -> bool:
    if expected_type is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is expected_type
