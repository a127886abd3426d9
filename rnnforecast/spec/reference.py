"""Descriptions of the spec: a commented YAML file, reference tables and a JSON schema."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from rnnforecast.registry import BACKBONES, LOSSES
from rnnforecast.spec import yaml_source as source
from rnnforecast.spec.checks import Limits
from rnnforecast.spec.spec import SECTIONS, Spec
from rnnforecast.spec.types import describe_field

OPTION_KEYS = {"backbone_options": BACKBONES, "loss_options": LOSSES}
"""Keys with the options of a component."""

_COMMENT_WIDTH = 88


def commented_yaml(values: Mapping[str, Mapping[str, object]], notes: Mapping[str, str]) -> str:
    """The YAML text of `values`, ready to edit, with a comment above each key.

    `notes` adds a sentence to the comment of a key, such as the reason for its value. Sections and
    keys are in the order of the spec. Raises `KeyError` for an unknown section or key.
    """
    for dotted in [f"{section}.{key}" for section, keys in values.items() for key in keys]:
        _field_info(dotted)
    for dotted in notes:
        _field_info(dotted)
    blocks = []
    for section, model in SECTIONS.items():
        if section not in values:
            continue
        lines = [f"# {inspect.getdoc(model)}", f"{section}:"]
        for key, info in model.model_fields.items():
            if key in values[section]:
                comment = f"{info.description} {notes.get(f'{section}.{key}', '')}".strip()
                entry = source.dump_yaml({key: values[section][key]})
                lines += textwrap.wrap(
                    comment, _COMMENT_WIDTH, initial_indent="  # ", subsequent_indent="  # "
                )
                lines += textwrap.indent(entry, "  ").splitlines()
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def reference_markdown() -> str:
    """Markdown tables of all sections: for each key the accepted values, default and meaning."""
    blocks = []
    for section, model in SECTIONS.items():
        rows = [f"## {section}", "", str(inspect.getdoc(model)), ""]
        rows += ["| key | expects | default | meaning |", "| --- | --- | --- | --- |"]
        for key, info in model.model_fields.items():
            meaning = str(info.description)
            if key in OPTION_KEYS:
                meaning += f" Defaults: {OPTION_KEYS[key].describe_options()}."
            cells = (f"`{key}`", describe_field(info), _format_default(info), meaning)
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        blocks.append("\n".join(rows) + "\n")
    return "\n".join(blocks)


def json_schema() -> dict[str, Any]:
    """The JSON schema of a spec, for completion and validation in editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Spec.model_json_schema(),
    }


def _field_info(dotted_key: str) -> FieldInfo:
    section, _, key = dotted_key.partition(".")
    if section not in SECTIONS or key not in SECTIONS[section].model_fields:
        raise KeyError(f"no spec has the key {dotted_key}")
    return SECTIONS[section].model_fields[key]


def _format_default(info: FieldInfo) -> str:
    """The default as it would be written in a spec."""
    if info.is_required():
        return "required"
    default = info.get_default(call_default_factory=True)
    if isinstance(default, Limits):
        return f"`{source.dump_value(default.model_dump())}`"
    value = source.dump_yaml({"": default})
    return f"`{value.partition(': ')[2].strip()}`"
