"""Problems of a spec with their lines, collected while it is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from rnnforecast.errors import Problem
from rnnforecast.spec.compatibility import Rule
from rnnforecast.spec.yaml_source import KeyPath

Location = TypeVar("Location", int, str)


@dataclass
class ProblemCollector:
    """The problems of a spec, each with its line or override, collected during loading."""

    source_name: str
    lines: Mapping[KeyPath, int]
    overrides: dict[KeyPath, str] = field(default_factory=dict)
    original_keys: dict[KeyPath, KeyPath] = field(default_factory=dict)
    """Intended keys -> keys as written."""
    unsure_keys: set[KeyPath] = field(default_factory=set)
    """Intended keys that are hardly like the keys as written; their values are not checked."""
    unreadable_keys: set[KeyPath] = field(default_factory=set)
    """Keys, as written, whose value could not be read; they are reported only once."""
    problems_by_line: list[tuple[float, Problem]] = field(default_factory=list)

    def add(self, keys: KeyPath, found: str, cure: str = "", *, line: int | None = None) -> None:
        """Adds a problem; `line` is by default that of the key, or of its nearest parent."""
        written = keys
        for size in (1, 2):
            if keys[:size] in self.original_keys:
                written = self.original_keys[keys[:size]] + keys[size:]
        override = find_nearest_parent(self.overrides, keys) or find_nearest_parent(
            self.overrides, written
        )
        if override is not None:
            self.problems_by_line.append((math.inf, Problem(f"--set {override}", found, cure)))
            return
        keys = written
        if line is None:
            line = find_nearest_parent(self.lines, keys)
        label = ".".join(str(key) for key in keys if isinstance(key, str))
        places = [self.source_name, "" if line is None else f"line {line}", label]
        where = ", ".join(place for place in places if place)
        self.problems_by_line.append(
            (math.inf if line is None else line, Problem(where, found, cure))
        )

    def is_unreadable(self, keys: KeyPath) -> bool:
        """Whether the value of these intended keys could not be read."""
        return self.original_keys.get(keys, keys) in self.unreadable_keys

    def is_affected(self, rule: Rule, invalid_keys: set[KeyPath]) -> bool:
        """Whether the rule reads a key without a valid value."""
        read = [tuple(key.split(".")) for key in rule.keys]
        return any(
            keys in invalid_keys or self.is_unreadable(keys) or self.is_unreadable(keys[:1])
            for keys in read
        )

    def problems(self) -> list[Problem]:
        """All problems, sorted by line; those of the command line last."""
        return [problem for _, problem in sorted(self.problems_by_line, key=lambda item: item[0])]


def find_nearest_parent(locations: Mapping[KeyPath, Location], keys: KeyPath) -> Location | None:
    """The location of `keys`, or of the nearest parent that has a location."""
    prefixes = (keys[:size] for size in range(len(keys), 0, -1))
    return next((locations[prefix] for prefix in prefixes if prefix in locations), None)
