"""Notes and problems of numeric columns: marks left out, texts for no value, limits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from rnnforecast.data.io.cell_shapes import ColumnShapes
from rnnforecast.data.io.number_marks import MarksReading
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.errors import Problem

MAX_SHOWN_COLUMNS = 5
"""Columns that a note or the problems of one kind name; the others are counted."""
MAX_SHOWN_TEXTS = 4
"""Distinct texts of a column that a note names."""


def mark_notes(source_name: str, readings: Mapping[str, MarksReading]) -> list[ReadingNote]:
    """Notes on the marks that are left out or scale numbers: one for those in doubt, one for the
    others."""
    notes = []
    for doubtful in (True, False):
        found = {
            name: reading.found
            for name, reading in readings.items()
            if reading.kind == "accepted" and reading.found and reading.is_doubtful == doubtful
        }
        cure = "correct the cells if the marks change their values" if doubtful else ""
        notes += merge_notes(source_name, found, "", cure, is_doubtful=doubtful)
    return notes


def placeholder_notes(
    source_name: str, columns: Mapping[str, ColumnShapes], missing_values: Sequence[str]
) -> list[ReadingNote]:
    """A doubtful note on the cells that are taken as missing."""
    found = {}
    texts: dict[str, None] = {}
    for name, shapes in columns.items():
        if count := shapes.count("placeholder"):
            own = shapes.texts("placeholder")
            texts |= dict.fromkeys(own)
            found[name] = f"{count:,} of {shapes.count():,} cells are {_quote(own)}"
    cure = (
        f"set data.missing_values to {_list_of(missing_values, texts)} if they have no value,"
        " or correct the cells"
    )
    return merge_notes(source_name, found, ": taken as missing", cure, is_doubtful=True)


def limit_problems(
    location: Callable[[str, str], str],
    columns: Mapping[str, ColumnShapes],
    missing_values: Sequence[str],
) -> list[Problem]:
    """The problems of columns with limits such as <1 in place of values."""
    found: dict[str, tuple[str, str]] = {}
    texts: dict[str, None] = {}
    for name, shapes in columns.items():
        if count := shapes.count("limit"):
            own = shapes.texts("limit")
            texts |= dict.fromkeys(own)
            text = f"{count:,} of {shapes.count():,} cells are {_quote(own)}: limits, not values"
            found[name] = (own[0], text)
    cure = (
        f"set data.missing_values to {_list_of(missing_values, texts)} to take them as missing,"
        " or write values in their place"
    )
    return _list_problems(location, found, cure)


def refused_mark_problems(
    location: Callable[[str, str], str], readings: Mapping[str, MarksReading]
) -> list[Problem]:
    """The problems of columns whose marks change the values of their numbers."""
    found = {
        name: (one.example, one.found) for name, one in readings.items() if one.kind == "refused"
    }
    cure = "write the whole column in one unit, or leave it out of data.targets and features"
    return _list_problems(location, found, cure)


def merge_notes(
    source_name: str,
    found: Mapping[str, str],
    ending: str = "",
    cure: str = "",
    *,
    is_doubtful: bool = False,
) -> list[ReadingNote]:
    """One note for what was found in each column."""
    if not found:
        return []
    shown = list(found.items())[:MAX_SHOWN_COLUMNS]
    text = "; ".join(f"{name}: {clause}" for name, clause in shown)
    if more := len(found) - len(shown):
        text += f"; and {more:,} more columns alike"
    return [ReadingNote(Problem(source_name, text + ending, cure), is_doubtful)]


def _list_problems(
    location: Callable[[str, str], str], found: Mapping[str, tuple[str, str]], cure: str
) -> list[Problem]:
    """The problems of columns, each found with an example of its cells and a clause."""
    problems = [
        Problem(location(name, example), text, cure)
        for name, (example, text) in list(found.items())[:MAX_SHOWN_COLUMNS]
    ]
    if more := len(found) - len(problems):
        names = ", ".join(map(repr, list(found)[MAX_SHOWN_COLUMNS:][:20]))
        problems.append(Problem("", f"… and {more:,} more columns: {names}"))
    return problems


def _quote(texts: Sequence[str]) -> str:
    shown = " or ".join(map(repr, texts[:MAX_SHOWN_TEXTS]))
    return shown + (" or others" if len(texts) > MAX_SHOWN_TEXTS else "")


def _list_of(missing_values: Sequence[str], texts: Mapping[str, None]) -> str:
    """A value of data.missing_values with these texts, as YAML."""
    return json.dumps([*missing_values, *texts], ensure_ascii=False)
