"""What cleaning found and changed, counted: for a report, for warnings, for `check --strict`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnforecast.data.time.frequency import Frequency
from rnnforecast.data.time.grid import InferredFrequency
from rnnforecast.errors import Problem

if TYPE_CHECKING:
    from rnnforecast.data.io.table import Table

CHANGE_COUNTS = (
    "rows", "out_of_order", "ambiguous", "nonexistent_hour", "duplicates", "snapped", "interpolated",
    "resampled", "partial", "incomplete", "off_grid", "gaps", "missing", "leading", "trailing",
    "truncated", "steps",
)  # fmt: skip
"""What is counted for each series and in sum."""


@dataclass(frozen=True)
class CleaningChanges:
    """What cleaning found and changed, in sum and for each series."""

    frequency: Frequency
    frequency_vote: InferredFrequency | None
    """How the frequency was inferred; None if it was given."""
    problems: tuple[Problem, ...]
    """What has to be decided by the user first; empty for a panel that could be built."""
    agreement: float
    """Share [0, 1] of the steps between consecutive stamps that are one step long."""
    rows: int
    """Rows in the file."""
    out_of_order: int
    """Rows earlier than the row of the same series before them; sorted."""
    duplicates: int
    """Rows whose series and stamp were there already; combined by the rule."""
    off_grid: int
    """Rows between two steps of the calendar; always a fault."""
    ambiguous: int
    """Rows at a local hour that comes twice; told apart by the rule."""
    nonexistent_hour: int
    """Rows at a local hour that clocks skip; moved or left out by the rule."""
    snapped: int
    """Rows moved to the nearest step."""
    interpolated: int
    """Rows between two steps whose values were drawn on to the steps."""
    resampled: int
    """Rows that became one with others of their period."""
    partial: int
    """Periods that the rows do not fill; left out."""
    incomplete: int
    """Periods of which some values were missing; made of the others."""
    truncated: int
    """Rows before the last so many steps; left out."""
    gaps: int
    """Steps the file has no row for; filled with NaN."""
    missing: int
    """Values that are blank in a row of the file, inside the observed span; kept as NaN."""
    infinite: int
    """Values that are infinite in the file; taken as missing."""
    leading: int
    """Rows before a series' first observed value; dropped."""
    trailing: int
    """Rows after a series' last observed value; dropped."""
    skipped: dict[str, str]
    """Label -> reason of each series that is not in the panel."""
    steps: int
    """Steps of the panel, all series together."""
    series: pd.DataFrame
    """[S of the table] the same numbers for each series: `COUNTS`, and label, start, end,
    agreement, constant (targets that never change), observed (steps with a value), too_short,
    skipped (the reason, or "")."""


def summarize_changes(
    table: Table,
    frequency: Frequency,
    frequency_vote: InferredFrequency | None,
    agreement: float,
    per_series: dict[str, Any],
    problems: list[Problem],
) -> CleaningChanges:
    """The findings `found`, `[S]` each, in sum and by series; 0 is what was not looked for."""
    left_out = per_series["skipped"] != ""
    none = np.zeros(len(left_out), dtype=np.int64)
    per_series = dict.fromkeys(CHANGE_COUNTS, none) | per_series
    return CleaningChanges(
        frequency=frequency,
        frequency_vote=frequency_vote,
        problems=tuple(problems),
        agreement=agreement,
        infinite=table.infinite_count,
        skipped=dict(
            zip(per_series["label"][left_out], per_series["skipped"][left_out], strict=True)
        ),
        series=pd.DataFrame(per_series),
        **{name: int(per_series[name].sum()) for name in CHANGE_COUNTS},
    )
