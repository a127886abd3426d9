"""What was detected in data, in lines: columns, frequency, season, horizon."""

from __future__ import annotations

import numpy as np

from rnnforecast.data.io.column_roles import ColumnRoles
from rnnforecast.data.panel.changes import CleaningChanges
from rnnforecast.data.profiling.cleaning_report import format_share
from rnnforecast.wording import join_names

LAYOUTS = {
    "long": "a long table: one row per series and time",
    "wide": "a wide table: one row per time, one column per target",
    "single": "a single series",
}


def layout_words(roles: ColumnRoles) -> str:
    """The layout of the rows."""
    if roles.has_dates_as_columns:
        return "one row per series, one column per date"
    return LAYOUTS[roles.layout]


def role_words(roles: ColumnRoles) -> dict[str, str]:
    """The columns of ``time``, ``series`` and ``targets``, each with the reason."""
    columns = {
        "time": ", ".join(roles.time_columns) or roles.time,
        "series": ", ".join(roles.series) or "none",
        "targets": join_names(roles.targets),
    }
    return {
        role: f"{names}: {without_period(roles.reasons[role])}" for role, names in columns.items()
    }


def agreement_words(changes: CleaningChanges) -> str:
    """How many of the steps have the frequency."""
    if np.isnan(changes.agreement):
        return "given"
    return f"{format_share(changes.agreement)} of the steps in the file agree"


def finding_line(name: str, words: object) -> str:
    """A line of findings: the name in a column of its own."""
    return f"{name:<10} {words}"


def without_period(reason: str) -> str:
    """A reason as a clause."""
    return reason.rstrip(".")
