"""Changes of single keys in the text of a spec, which keep its comments and its order."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from rnnforecast.errors import SpecError
from rnnforecast.spec import yaml_source as source
from rnnforecast.spec.load import parse_spec
from rnnforecast.spec.spec import Spec


class _NotEditable(Exception):
    """The text is written in a way that a change of single lines cannot keep."""


def edited_spec(text: str, spec: Spec, values: Mapping[str, object]) -> str:
    """The YAML text of a spec with other `values` of keys ``section.key``.

    Args:
        text: the spec before; comments and order are kept where possible.
        spec: the spec that the new text has to give; otherwise all its keys are written anew.
    """
    try:
        for key, value in values.items():
            section, _, name = key.partition(".")
            text = _set_key(text, section, name, value)
        if parse_spec(text, name="spec", needs_path=False) == spec:
            return text
    except (_NotEditable, SpecError, yaml.YAMLError):
        pass
    return source.dump_yaml(spec.model_dump(exclude_unset=True))


def _set_key(text: str, section: str, name: str, value: object) -> str:
    root = yaml.compose(text, yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise _NotEditable
    written = source.dump_value(value)
    group = _value_of(root, section)
    if group is None:
        end = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{end}{section}:\n  {name}: {written}\n"
    if not isinstance(group, yaml.MappingNode):
        raise _NotEditable
    node = _value_of(group, name)
    if node is not None:
        if _is_block(node):
            raise _NotEditable
        start, end_index = node.start_mark.index, node.end_mark.index
        gap = "" if text[start - 1 : start].isspace() else " "
        return f"{text[:start]}{gap}{written}{text[end_index:]}"
    if group.flow_style:
        close = group.end_mark.index - 1
        comma = ", " if group.value else ""
        return f"{text[:close].rstrip()}{comma}{name}: {written}{text[close:]}"
    return _append_line(text, group, f"{name}: {written}")


def _append_line(text: str, group: yaml.MappingNode, line: str) -> str:
    """The text with a line at the end of a block, or at its start if the last value has several."""
    first, last = group.value[0][0], group.value[-1][1]
    indent = " " * first.start_mark.column
    if _is_block(last):
        start = first.start_mark.index
        return f"{text[:start]}{line}\n{indent}{text[start:]}"
    end = text.find("\n", last.end_mark.index)
    end = len(text) if end < 0 else end
    return f"{text[:end]}\n{indent}{line}{text[end:]}"


def _value_of(group: yaml.MappingNode, name: str) -> yaml.Node | None:
    return next((value for key, value in group.value if key.value == name), None)


def _is_block(node: yaml.Node) -> bool:
    """Whether a value takes several lines, and ends where the next key begins."""
    if isinstance(node, yaml.ScalarNode):
        return node.style in ("|", ">")
    return isinstance(node, yaml.CollectionNode) and not node.flow_style
