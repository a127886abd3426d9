"""Column names: expansion of patterns such as ``emb_*``, and problems of missing columns."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Sequence

from rnnforecast.errors import DataError, Problem


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
