"""Which of the other columns of a file could help a forecast, for `init`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnforecast.data.cleaning_plan import CleaningPlan, read_table
from rnnforecast.data.io.columns import CategoricalColumn
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.sorted_rows import observed_range, sort_table
from rnnforecast.data.time.grid import reduce_per_series
from rnnforecast.errors import DataError

MAX_CANDIDATE_CATEGORIES = 50
"""A column with more different words is free text, or names rows."""

ROLE_REASONS = {
    "static": "one value a series",
    "future": "known beyond the last target",
}


@dataclass(frozen=True)
class CovariateCandidates:
    """Columns by the role they could have."""

    static: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    known_steps_ahead: int = 0
    """Steps beyond the last target for which most series have rows."""

    @property
    def selected(self) -> dict[str, tuple[str, ...]]:
        """Those that a draft takes up: what they are can be seen in the file."""
        return {"static": self.static, "future": self.future}

    def reasons(self) -> dict[str, str]:
        """A note for each key that is written."""
        notes = {role: ROLE_REASONS[role] for role, names in self.selected.items() if names}
        if self.past:
            notes["past"] = f"could be {', '.join(self.past)}; check if they help"
        return notes


def find_covariate_candidates(
    plan: CleaningPlan, source: Sequence[str], table: Table
) -> CovariateCandidates:
    """What the columns that have no role yet could be; none where they cannot be read."""
    others = table.roles.unused
    if not others or "-" in source:  # standard input can be read only once
        return CovariateCandidates()
    wanted = replace(table.roles.resolve(plan.read_options), covariates=others)
    try:
        wide = read_table(replace(plan, read_options=wanted), source)
    except DataError:  # a column of broken cells that nobody asked for
        return CovariateCandidates()
    rows, _ = sort_table(wide)
    targets = len(wide.roles.targets)
    _, stop = observed_range(rows, targets)
    beyond = np.arange(len(rows.codes)) >= stop[rows.codes]
    values = rows.values[:, targets:]
    low = reduce_per_series(np.fmin, values, rows.offsets, np.nan)
    high = reduce_per_series(np.fmax, values, rows.offsets, np.nan)
    found: dict[str, list[str]] = {"static": [], "future": [], "past": []}
    for place, (name, column) in enumerate(wide.covariates.items()):
        known = ~np.isnan(values[:, place])
        if not known.any() or (
            isinstance(column, CategoricalColumn)
            and len(column.vocabulary) > MAX_CANDIDATE_CATEGORIES
        ):
            continue
        changes = bool((low[:, place] < high[:, place]).any())
        if not changes and len(wide.keys) > 1:
            found["static"].append(name)
        elif changes and known[beyond].any():
            found["future"].append(name)
        elif changes:
            found["past"].append(name)
    ahead = int(np.median(np.bincount(rows.codes[beyond], minlength=rows.n_series)))
    return CovariateCandidates(
        **{role: tuple(names) for role, names in found.items()}, known_steps_ahead=ahead
    )
