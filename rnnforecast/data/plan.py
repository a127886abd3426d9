"""The cleaning plan: how a file becomes a clean panel, learnt once and then only applied.

`learn` settles every `auto` on the training data. The plan is stored with the run, and `clean`
does to a new file exactly what was done then: the same columns, calendar, rules and fills.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from rnnforecast.data.impute import Filled, Method, fill
from rnnforecast.data.panel import Panel
from rnnforecast.data.read import Table, read
from rnnforecast.data.regularize import Changes, regularize

AUTO = ("auto",)
"""In place of the columns' names: to be recognised."""


@dataclass(frozen=True)
class CleaningPlan:
    """Every decision between the file and the panel, as plain values."""

    time: str
    series: tuple[str, ...]
    targets: tuple[str, ...]
    separator: str
    decimal: str
    time_format: str | None
    frequency: str
    duplicates: str
    missing: str
    minimum_length: int

    def to_json(self) -> dict[str, object]:
        """Plain values, as `from_json` reads them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> CleaningPlan:
        """The plan that `to_json` wrote."""
        return cls(
            **{**stored, "series": tuple(stored["series"]), "targets": tuple(stored["targets"])}
        )


@dataclass(frozen=True)
class Cleaned:
    """A panel, its fills and what was done to get there."""

    panel: Panel
    filled: Filled
    changes: Changes


def read_table(plan: CleaningPlan, source: Sequence[str]) -> Table:
    """The table that `source` (files, folders, patterns, or ``-``) holds, not yet cleaned."""
    return read(
        list(source),
        time=plan.time,
        series="auto" if plan.series == AUTO else list(plan.series),
        targets="auto" if plan.targets == AUTO else list(plan.targets),
        separator=plan.separator,
        decimal=plan.decimal,
        time_format=plan.time_format,
    )


def clean(plan: CleaningPlan, table: Table, *, skip_faulty: bool = False) -> Cleaned:
    """The panel that the plan makes of `table`.

    With `skip_faulty` a series that the plan cannot repair is left out by name
    (`changes.skipped`) and the others go on. DataError where nothing is left.
    """
    panel, changes = regularize(
        table,
        frequency=plan.frequency,
        duplicates=plan.duplicates,
        minimum_length=plan.minimum_length,
        skip_faulty=skip_faulty,
    )
    method = cast(Method, plan.missing)
    return Cleaned(panel, fill(panel.targets, panel.observed, panel.offsets, method), changes)


def learn(plan: CleaningPlan, table: Table) -> tuple[CleaningPlan, Cleaned]:
    """Settles what is still ``auto`` in `plan` on the data; returns the settled plan and the panel.

    `time`, `series`, `targets` may be ``auto`` (the tuples hold just that word) and so may
    `frequency`. DataError with all problems where the data cannot be used.
    """
    cleaned = clean(plan, table)
    roles = table.roles
    settled = replace(
        plan,
        time=roles.time,
        series=roles.series,
        targets=roles.targets,
        frequency=cleaned.panel.frequency.alias,
    )
    return settled, cleaned
