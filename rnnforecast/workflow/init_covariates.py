"""Covariate candidates for the draft of `init`: columns of the data without another role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnforecast.data.cleaning_plan import CleaningPlan, read_table
from rnnforecast.data.io.columns import CategoricalColumn
from rnnforecast.data.io.frame_source import DataSource
from rnnforecast.data.io.memory_budget import SeriesSelection
from rnnforecast.data.io.table import Table
from rnnforecast.data.io.table_roles import MIN_ROWS_AHEAD
from rnnforecast.data.panel.sorted_rows import observed_range, sort_table
from rnnforecast.data.time.grid import reduce_per_series
from rnnforecast.errors import DataError, Problem

MAX_CANDIDATE_CATEGORIES = 50
"""A text column with more distinct values is free text, or an id of the rows."""

ROLE_REASONS = {
    "static": "one value per series",
    "future": "known beyond the last target",
}


@dataclass(frozen=True)
class CovariateCandidates:
    """Names of columns by the role that they may have."""

    static: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    table: Table | None = None
    """The table with the columns of `future` as covariates, if there are any."""
    problems: tuple[Problem, ...] = ()
    """Why some columns cannot be read as covariates."""

    @property
    def selected(self) -> dict[str, tuple[str, ...]]:
        """The columns that the draft uses: those whose role is evident from the data."""
        return {"static": self.static, "future": self.future}

    def reasons(self) -> dict[str, str]:
        """A comment for the key of each role in the draft."""
        notes = {role: ROLE_REASONS[role] for role, names in self.selected.items() if names}
        if self.past:
            notes["past"] = f"could be {', '.join(self.past)}; check if they help"
        return notes


def find_covariate_candidates(
    plan: CleaningPlan,
    source: Sequence[DataSource],
    table: Table,
    selection: SeriesSelection | None = None,
) -> CovariateCandidates:
    """The candidates among columns without a role, in the series of the `selection`; none if these
    columns cannot be read.

    A column is known ahead if it goes on for at least `MIN_ROWS_AHEAD` rows after the last target
    in most series: fewer are rather a delay of the targets.
    """
    others = table.roles.unused
    if not others or "-" in source:  # standard input can be read only once
        return CovariateCandidates()
    own = tuple(table.covariates)
    options = table.roles.resolve(plan.read_options)
    problems: tuple[Problem, ...] = ()
    try:
        options = replace(options, covariates=(*own, *others))
        table = read_table(replace(plan, read_options=options), source, selection=selection)
    except DataError as error:  # columns with invalid cells
        problems = _one_of_each_column(error.problems)
        others = tuple(name for name in others if not _is_named(name, problems))
        if len(others) == len(table.roles.unused):
            return CovariateCandidates(problems=problems)
        options = replace(options, covariates=(*own, *others))
        table = read_table(replace(plan, read_options=options), source, selection=selection)
    table = replace(table, covariates={name: table.covariates[name] for name in (*others, *own)})
    rows, _ = sort_table(table)
    n_targets = len(table.roles.targets)
    _, stop = observed_range(rows, n_targets)
    is_ahead = np.arange(len(rows.codes)) >= stop[rows.codes]
    values = rows.values[:, n_targets:]
    lowest = reduce_per_series(np.fmin, values, rows.offsets, np.nan)
    highest = reduce_per_series(np.fmax, values, rows.offsets, np.nan)
    names_by_role: dict[str, list[str]] = {"static": [], "future": [], "past": []}
    for index, name in enumerate(others):
        column, known = table.covariates[name], ~np.isnan(values[:, index])
        if not known.any() or _is_free_text(column):
            continue
        varies = bool((lowest[:, index] < highest[:, index]).any())
        if varies:
            n_ahead = np.bincount(rows.codes[is_ahead & known], minlength=rows.n_series)
            is_future = np.median(n_ahead[np.diff(rows.offsets) > 0]) >= MIN_ROWS_AHEAD
            names_by_role["future" if is_future else "past"].append(name)
        elif len(table.keys) > 1:
            names_by_role["static"].append(name)
    future = tuple(names_by_role["future"])
    used = {name: table.covariates[name] for name in (*own, *future)}
    return CovariateCandidates(
        **{role: tuple(names) for role, names in names_by_role.items()},
        table=replace(table, covariates=used) if future else None,
        problems=problems,
    )


def _one_of_each_column(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """The first problem of each column, as none of the columns is used."""
    first: dict[str, Problem] = {}
    for problem in problems:
        _, found, column = problem.where.partition("column ")
        if found:
            first.setdefault(column, problem)
    return tuple(first.values()) or tuple(problems)


def _is_named(column: str, problems: Sequence[Problem]) -> bool:
    return any(f"column {column!r}" in problem.where for problem in problems)


def _is_free_text(column: object) -> bool:
    return (
        isinstance(column, CategoricalColumn) and len(column.vocabulary) > MAX_CANDIDATE_CATEGORIES
    )
