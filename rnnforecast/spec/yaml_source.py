"""Conversion of YAML text to plain values with their line numbers, and back.

Scalars follow YAML 1.2, not 1.1: ``no`` and ``on`` are text, ``1e-3`` is a number, ``1:30`` and
``2024-01-31`` are text, and so is ``007``, which may name a series. Values are maps, lists, text,
numbers, true, false and null only; tags that name Python objects are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from rnnforecast.errors import Problem, SpecError

try:  # Ten times faster; absent where PyYAML was built without libyaml.
    from yaml import CSafeLoader as _Parser
except ImportError:
    from yaml import SafeLoader as _Parser  # type: ignore[assignment]

KeyPath = tuple[str | int, ...]

_TAG_PREFIX = "tag:yaml.org,2002:"
_FLOAT_PATTERN = re.compile(
    r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"
    r"|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"
)
_SCALAR_PATTERNS = (  # tried in this order; a scalar that matches none is text
    ("null", re.compile(r"(~|null|Null|NULL)?$")),
    ("bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$")),
    ("int", re.compile(r"(0|-?[1-9][0-9]*)$")),
    ("float", _FLOAT_PATTERN),
)
_MAX_DEPTH = 20

_SYNTAX_MESSAGES = (  # part of the parser's message, finding, cure
    ("\t", "the line is indented with a tab", "indent with spaces"),
    (
        "unknown escape",
        "a backslash inside double quotes",
        "write paths with / or put them in single quotes",
    ),
    ("quoted scalar", "a quote that is opened on line {opened} is not closed", "close it"),
    ("flow", "a bracket that is opened on line {opened} is not closed", "close it"),
    (
        "mapping values are not allowed",
        "a colon where none is expected",
        (
            "check the indentation, write 'key: value' with a space after the colon, and put text"
            " that holds a colon in quotes"
        ),
    ),
    ("another document", "a second document begins here", "delete the line with ---"),
    ("undefined alias", "text that begins with *", "put it in quotes"),
    ("cannot start any token", "text that begins with a special character", "put it in quotes"),
    ("alphabetic or numeric", "text that begins with a special character", "put it in quotes"),
    ("node content", "text that begins with a special character", "put it in quotes"),
    ("sequence entries", "a '-' where no list is expected", 'put a lone "-" in quotes'),
    (
        "",
        "this is not valid YAML",
        "check the indentation: the keys of a section all begin in the same column",
    ),
)


class _Loader(_Parser):  # type: ignore[misc, unused-ignore]
    """A loader whose scalars follow YAML 1.2."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - a hook of the base class


for _kind, _pattern in _SCALAR_PATTERNS:
    _Loader.add_implicit_resolver(_TAG_PREFIX + _kind, _pattern, None)


class _Dumper(yaml.SafeDumper):
    """A dumper that writes lists on one line and quotes text that a YAML 1.1 or 1.2 reader would
    take for another type."""

    def ignore_aliases(self, data: object) -> bool:
        """Whether to write repeated values in full instead of as an alias."""
        return True


def _represent_list(dumper: yaml.SafeDumper, values: Any) -> yaml.Node:
    return dumper.represent_sequence(_TAG_PREFIX + "seq", values, flow_style=True)


def _represent_str(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # YAML libraries differ on which rare characters end a line; escapes are unambiguous.
    return dumper.represent_scalar(
        _TAG_PREFIX + "str", text, style=None if text.isprintable() else '"'
    )


_Dumper.add_representer(str, _represent_str)
_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(tuple, _represent_list)
_Dumper.add_implicit_resolver(_TAG_PREFIX + "float", _FLOAT_PATTERN, list("-+.0123456789"))


@dataclass
class YamlSource:
    """The values of a YAML text, the line of each key and item, and the problems."""

    values: object = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[tuple[KeyPath, int, str, str]] = field(default_factory=list)
    """Keys, line, what was found, cure."""
    visited_ids: set[int] = field(default_factory=set)
    """Ids of the visited lists and maps, to detect those that an alias repeats or nests."""


def parse_yaml(text: str, *, name: str) -> YamlSource:
    """Parses the only document in `text`; `SpecError` with the line if it is not valid YAML."""
    try:
        _check_depth(text, name)
        node = yaml.compose(text, _Loader)
    except yaml.YAMLError as error:
        raise SpecError(_syntax_problem(error, text, name)) from None
    source = YamlSource()
    if node is not None:
        source.values = _convert_node(node, (), source)
    return source


def parse_scalar(text: str) -> object:
    """The value of `text` as the value of a key; only lists, maps and quoted text are parsed as
    YAML.

    Text such as ``*.csv``, ``%d/%m/%Y`` or ``|`` stays as it is, as a shell user expects.
    """
    text = text.strip()
    if text[:1] in tuple("[{\"'"):
        return parse_yaml(text, name="").values
    for kind, pattern in _SCALAR_PATTERNS:
        if pattern.match(text):
            return _convert_scalar(text, kind)
    return text


def dump_yaml(values: Mapping[str, object]) -> str:
    """The YAML text of `values`, keys in the given order; `parse_yaml` returns the same values."""
    # No line is folded: a long path is easier to find and edit on one line.
    text: str = yaml.dump(
        dict(values),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=10**6,
    )
    return text


def dump_value(value: object) -> str:
    """The YAML text of one value, on one line."""
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=True,
        width=10**6,
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _check_depth(text: str, name: str) -> None:
    """SpecError if lists or maps are nested so deeply that the recursive composer would overflow
    the stack."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > 5 * _MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            where = f"{name}, line {line}"
            raise SpecError(Problem(where, "nested too deeply", "write plain values only"))


def _convert_node(node: yaml.Node, keys: KeyPath, source: YamlSource) -> object:
    """The plain value of `node`; adds its line and its problems to `source`."""
    line = node.start_mark.line + 1
    source.lines.setdefault(keys, line)
    if not isinstance(node, yaml.ScalarNode):
        repeated = id(node) in source.visited_ids
        source.visited_ids.add(id(node))
        if repeated or len(keys) > _MAX_DEPTH:
            found = "an alias (*) repeats a list or group" if repeated else "nested too deeply"
            source.problems.append((keys[:3], line, found, "write plain values only"))
            return None
    if isinstance(node, yaml.MappingNode) and node.tag == _TAG_PREFIX + "map":
        return _convert_mapping(node, keys, source)
    if isinstance(node, yaml.SequenceNode) and node.tag == _TAG_PREFIX + "seq":
        return [_convert_node(item, (*keys, i), source) for i, item in enumerate(node.value)]
    kind = node.tag.removeprefix(_TAG_PREFIX)
    try:
        if isinstance(node, yaml.ScalarNode) and kind in ("null", "bool", "int", "float", "str"):
            return _convert_scalar(node.value, kind)
        found = f"the tag {node.tag.replace(_TAG_PREFIX, '!!')} is not allowed"
        source.problems.append((keys, line, found, "write plain values only"))
    except ValueError:
        source.problems.append((keys, line, f"'{node.value[:40]}' is not a valid {kind}", ""))
    return None


def _convert_mapping(
    node: yaml.MappingNode, keys: KeyPath, source: YamlSource
) -> dict[str, object]:
    values: dict[str, object] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            source.problems.append((keys, line, "a key must be a word", "write 'key: value'"))
            continue
        key = key_node.value
        here = (*keys, key)
        if key in values:
            found = f"the key is given twice, first on line {source.lines[here]}"
            source.problems.append((here, line, found, "delete one of the two"))
            continue
        source.lines[here] = line
        values[key] = _convert_node(value_node, here, source)
    return values


def _convert_scalar(text: str, kind: str) -> object:
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        return int(text)
    if kind == "float":
        return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    return text


def _syntax_problem(error: yaml.YAMLError, text: str, name: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # a character that YAML forbids: only its position is known
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1
        return Problem(f"{name}, line {line}", "a control character", "save the file as plain text")
    rows = text.splitlines()
    row = rows[mark.line] if mark.line < len(rows) else ""
    indent = row[: len(row) - len(row.lstrip())]
    message = f"{indent} {getattr(error, 'context', '')} {getattr(error, 'problem', '')}"
    opened = getattr(error, "context_mark", None) or mark
    found, cure = next((found, cure) for part, found, cure in _SYNTAX_MESSAGES if part in message)
    found = found.format(opened=opened.line + 1)
    shown = f": {row.strip()[:60]}" if row.strip() else ""
    return Problem(f"{name}, line {mark.line + 1}", found + shown, cure)
