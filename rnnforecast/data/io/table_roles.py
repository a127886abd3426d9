"""Roles that only all rows of a table can tell: unneeded ids, and columns known ahead."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rnnforecast.data.io.column_roles import ColumnRoles
from rnnforecast.data.io.column_words import SERIES_NAMES
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.io.target_columns import is_surely_target, may_be_covariate
from rnnforecast.errors import Problem
from rnnforecast.types import Floats, Ints
from rnnforecast.wording import join_names

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table

MIN_ROWS_AHEAD = 4
"""A column that goes on for fewer rows after others end may only be reported earlier than these."""
MAX_AHEAD_SHARE = 0.5
"""A column that ends earlier than the others by more than this share of its rows has ceased."""
MIN_FILLED_SHARE = 0.7
"""The share of rows ahead in which a column known ahead has a value: a plan may miss some days."""
MAX_CHANCE_OF_BLANKS = 0.05
"""A column ends earlier only if its usual blanks would leave so many rows out by less chance."""
"""Most columns that a note names."""


def drop_unneeded_ids(table: Table) -> Table:
    """The table without inferred ids that tell no series apart, see `unneeded_ids`."""
    unneeded = unneeded_ids(table.keys)
    if not unneeded:
        return table
    roles = table.roles
    series = tuple(name for name in roles.series if name not in unneeded)
    if series:
        keys = table.keys[list(series)]
        order = keys.sort_values(list(series)).index.to_numpy()
        rank = np.empty(len(order), dtype=table.codes.dtype)
        rank[order] = np.arange(len(order))
        keys, codes = keys.iloc[order].reset_index(drop=True), rank[table.codes]
    else:
        keys, codes = pd.DataFrame(index=range(1)), table.codes
    reason = roles.reasons["series"] if series else "no id differs between rows"
    roles = replace(
        roles,
        series=series,
        unused=(*roles.unused, *unneeded),
        reasons=roles.reasons | {"series": reason},
    )
    return replace(table, keys=keys, codes=codes, roles=roles)


def unneeded_ids(keys: pd.DataFrame) -> list[str]:
    """Columns of `keys` [S, series columns] without which its rows are as distinct: those that are
    a function of the others, coarse ones first, and those with one value, unless they are named
    like the id of a series."""
    columns = [str(column) for column in keys.columns]
    n_values = {column: keys[column].nunique() for column in columns}
    unneeded: list[str] = []
    for column in sorted(columns, key=lambda c: (n_values[c], -columns.index(c))):
        others = [other for other in columns if other not in (column, *unneeded)]
        if n_values[column] == 1 and column.lower() in SERIES_NAMES:
            continue
        if len(keys.drop_duplicates(others) if others else keys.iloc[:1]) == len(keys):
            unneeded.append(column)
    return unneeded


def drop_targets_known_ahead(table: Table, source_name: str) -> Table:
    """The table of one series without inferred targets that go on after the others end: covariates
    known ahead. A note says so, or that it cannot be told from columns that have ceased."""
    names = table.roles.targets
    if len(names) < 2 or len(table.keys) > 1 or not len(table.time):
        return table
    if not np.isnan(table.values[table.time.argmax()]).any():  # all end together: the usual case
        return table
    stop, values = _ends(table)
    early = _early_mask(stop, len(values))
    if early is None:
        return table
    n_ahead = int(stop[~early].min() - stop[early].max())
    ahead = values[stop[early].max() : stop[~early].min(), ~early]
    if n_ahead < MIN_ROWS_AHEAD or (~np.isnan(ahead)).mean() < MIN_FILLED_SHARE:
        return table
    blank = np.isnan(values[: stop[early].max(), early]).mean(axis=0)
    if (blank**n_ahead).max() > MAX_CHANCE_OF_BLANKS:
        return table
    ended = [name for name, is_early in zip(names, early, strict=True) if is_early]
    goes_on = [name for name in names if name not in ended]
    go, end = "go" if len(goes_on) > 1 else "goes", "end" if len(ended) > 1 else "ends"
    found = f"{join_names(goes_on)} {go} on for {n_ahead:,} rows after {join_names(ended)} {end}"
    by_name = all(map(may_be_covariate, goes_on)) or (
        any(map(is_surely_target, ended)) and not any(map(is_surely_target, goes_on))
    )
    if n_ahead > MAX_AHEAD_SHARE * stop[early].max() or (not by_name and len(ended) < len(goes_on)):
        found += ": all of them are targets"
        cure = f"set data.targets, without {ended[0]} if it has ceased"
        note = ReadingNote(Problem(source_name, found, cure), is_doubtful=True)
        return replace(table, notes=(*table.notes, note))
    found += ": known ahead, and not a target"
    cure = "list it under features.future, or in data.targets to forecast it, too"
    note = ReadingNote(Problem(source_name, found, cure), is_doubtful=not by_name)
    roles = _without_targets(table.roles, goes_on, note)
    return replace(table, values=table.values[:, early], roles=roles)


def _ends(table: Table) -> tuple[Ints, Floats]:
    """[C] the number of rows up to the last value of each target, in the order of time, and the
    values [R, C] in this order."""
    values = table.values[np.argsort(table.time, kind="stable")]
    known = ~np.isnan(values)
    stop = np.where(known.any(axis=0), len(values) - known[::-1].argmax(axis=0), 0)
    return stop, values


def _early_mask(stop: Ints, n_rows: int) -> np.ndarray | None:
    """[C] the columns before the widest gap between the ends of columns; None without a gap."""
    ends = np.unique(stop[stop > 0])
    if len(ends) < 2:
        return None
    last = ends[np.diff(ends).argmax()]
    return np.asarray(stop <= last)


def _without_targets(roles: ColumnRoles, names: list[str], note: ReadingNote) -> ColumnRoles:
    targets = tuple(name for name in roles.targets if name not in names)
    return replace(
        roles,
        targets=targets,
        unused=(*roles.unused, *names),
        reasons=roles.reasons | {"targets": "the others go on after its end: they are known ahead"},
        notes=(*roles.notes, note),
    )
