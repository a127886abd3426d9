"""Column names: for columns without one, patterns such as ``emb_*``, and missing columns."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Sequence

from rnnforecast.data.io.cell_content import MONTH_PATTERN
from rnnforecast.errors import DataError, Problem

_MONTH = re.compile(MONTH_PATTERN, re.IGNORECASE)
_MIN_SHARE = 0.8
_YEAR = re.compile(r"(?:1[5-9]|2[01])\d\d(?:\.0)?")


def name_columns(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, first: str
) -> tuple[tuple[str, ...], list[int]]:
    """A name for each column, and the columns without one in `names` but with values in `rows`.

    These are named `first` or column_2, column_3 and so on; year and month if they hold these.
    Columns without a value in `rows` stay without a name.
    """
    columns = {
        column: [cells[column].strip() for cells in rows if column < len(cells)]
        for column, name in enumerate(names)
        if not name.strip()
    }
    unnamed = [column for column, cells in columns.items() if any(cells)]
    made = {column: f"column_{column + 1}" if column else first for column in unnamed}
    months = [column for column in unnamed if _most_match(_MONTH, columns[column])]
    years = [column for column in unnamed if _most_match(_YEAR, columns[column])]
    if months and years:
        made |= {months[0]: "month", years[0]: "year"}
    named, taken = list(names), {name.strip() for name in names}
    for column, name in made.items():
        free = f"column_{column + 1}" if name in taken else name
        while free in taken:
            free += "_"
        named[column] = free
        taken.add(free)
    return tuple(named), unnamed


def _most_match(pattern: re.Pattern[str], cells: Sequence[str]) -> bool:
    """Whether nearly all cells match; the last ones may be notes below the table."""
    return sum(bool(pattern.fullmatch(cell)) for cell in cells) > _MIN_SHARE * len(cells)


def missing_column_problems(
    names: Sequence[str], columns: Sequence[str], location: str
) -> list[Problem]:
    """A problem for each name that is not a column, with the most similar column."""
    known = {column.lower(): column for column in columns}
    existing = set(columns)
    problems = []
    for missing in (name for name in dict.fromkeys(names) if name not in existing):
        near = difflib.get_close_matches(missing.lower(), known, n=1, cutoff=0.6)
        hint = f"did you mean {known[near[0]]!r}? " if near else ""
        cure = f"{hint}the columns are {', '.join(map(repr, columns))}"
        problems.append(Problem(location, f"there is no column {missing!r}", cure))
    return problems


def expand_patterns(patterns: Sequence[str], columns: Sequence[str], location: str) -> list[str]:
    """The columns of names and of patterns such as ``emb_*``, those of a pattern in natural order
    (``emb_2`` before ``emb_10``). DataError for names and patterns that match no column."""
    found: list[str] = []
    problems: list[Problem] = []
    for pattern in patterns:
        if pattern in columns or not any(mark in pattern for mark in "*?["):
            problems += missing_column_problems([pattern], columns, location)
            matches = [pattern]
        else:
            matches = [column for column in columns if fnmatch.fnmatchcase(column, pattern)]
            matches.sort(key=_natural_sort_key)
            if not matches:
                cure = f"the columns are {', '.join(map(repr, columns))}"
                problems.append(
                    Problem(location, f"no column matches the pattern {pattern!r}", cure)
                )
        found += [column for column in matches if column not in found]
    if problems:
        raise DataError(*problems)
    return found


def _natural_sort_key(name: str) -> list[tuple[int, str]]:
    """The parts of a name, with runs of digits as numbers."""
    return [(int(run), "") if run.isdecimal() else (0, run) for run in re.split(r"(\d+)", name)]
