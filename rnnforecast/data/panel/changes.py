"""Counts of what cleaning found and changed: in total, for each series, and their wording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.time.frequency import Frequency
from rnnforecast.data.time.frequency_inference import InferredFrequency
from rnnforecast.errors import Problem
from rnnforecast.types import Ints


@dataclass(frozen=True)
class ChangeCount:
    """One count, and its wording in reports."""

    name: str
    noun: str
    """What is counted, in the singular."""
    phrase: str
    """What is wrong with them and what is done, after the number and noun; empty: each is named by
    a note of its own."""
    title: str = ""
    """The head of its column in a table of series; empty: the table has no such column."""
    timestamp_fault: str = ""
    """The fault in the grade of timestamps, after the number of rows; empty: not a fault there."""
    is_repair: bool = True
    """Whether the change repairs a fault; False for changes that the spec requests, such as
    resampling."""
    is_requested: bool = False
    """Whether it is just what a key of the spec requests, and no reason for a warning."""

    def describe(self, count: int) -> str:
        """A clause such as ``3 rows out of order: sorted``."""
        ending = "s" if count != 1 and not self.noun.endswith("s") else ""
        return f"{count:,} {self.noun}{ending} {self.phrase}"


CHANGE_COUNTS = (
    ChangeCount("out_of_order", "row", "out of order: sorted", "out of order"),
    ChangeCount(
        "ambiguous_hour",
        "row",
        "at a local hour that comes twice: see clean.ambiguous_hour",
        "hours twice",
        "lie in an hour that comes twice",
    ),
    ChangeCount(
        "nonexistent_hour",
        "row",
        "at a local hour that clocks skip: see clean.nonexistent_hour",
        "hours skipped",
        "lie in an hour that clocks skip",
    ),
    ChangeCount(
        "duplicates",
        "row",
        "with the timestamp of an earlier row: see clean.duplicates",
        "duplicates",
        "repeat a timestamp",
    ),
    ChangeCount("snapped", "row", "moved to the nearest step", "moved", "were moved to a step"),
    ChangeCount(
        "interpolated",
        "row",
        "between two steps: interpolated to the steps",
        "interpolated",
        "were interpolated to steps",
    ),
    ChangeCount(
        "resampled",
        "row",
        "combined with others of their period",
        "resampled",
        is_repair=False,
        is_requested=True,
    ),
    ChangeCount(
        "partial_periods",
        "period",
        "that the rows do not fill: dropped",
        "partial periods",
        is_repair=False,
    ),
    ChangeCount(
        "incomplete_periods",
        "period",
        "with some values missing: aggregated from the others",
        is_repair=False,
    ),
    ChangeCount(
        "off_grid", "row", "off the grid", "off grid", "lie between two steps", is_repair=False
    ),
    ChangeCount(
        "closed", "row", "at closed days or times without a value: left out", is_repair=False
    ),
    ChangeCount("gaps", "step", "without a row: added as missing", "gaps"),
    ChangeCount("missing", "value", "blank", "missing"),
    ChangeCount("implausible", "value", "", "implausible"),
    ChangeCount(
        "set_steps",
        "step",
        "without a row: zero or the constant by clean.missing",
        "by rule",
        is_repair=False,
        is_requested=True,
    ),
    ChangeCount(
        "set_values",
        "value",
        "blank: zero or the constant by clean.missing",
        is_repair=False,
        is_requested=True,
    ),
    ChangeCount(
        "before_start",
        "row",
        "with zero or the constant alone long before a series begins: dropped, see clean.start",
        is_repair=False,
    ),
    ChangeCount(
        "ended_early",
        "series",
        "without any other value for much longer than ever before: forecast all the same, see"
        " clean.end",
        is_repair=False,
    ),
    ChangeCount("infinite", "value", "infinite: taken as missing"),
    ChangeCount("leading", "row", "before the first value of a series: dropped", "dropped before"),
    ChangeCount("trailing", "row", "after the last value of a series: dropped", "dropped after"),
    ChangeCount(
        "truncated",
        "row",
        "before the last steps that are used: dropped",
        "truncated",
        is_repair=False,
    ),
)
REPAIR_COUNTS = tuple(count.name for count in CHANGE_COUNTS if count.is_repair)
"""Names of the counts of repairs."""


@dataclass(frozen=True)
class CleaningChanges:
    """What cleaning found and changed, in total and for each series."""

    frequency: Frequency
    frequency_vote: InferredFrequency | None
    """How the frequency was inferred; None if it was given."""
    problems: tuple[Problem, ...]
    """What the user must decide; empty if the panel can be built."""
    agreement: float
    """Share [0, 1] of the differences between consecutive timestamps that are one step; NaN if no
    series has two rows."""
    n_rows: int
    """Rows in the files."""
    n_steps: int
    """Steps of the panel, all series together."""
    counts: Mapping[str, int]
    """Each of `CHANGE_COUNTS`, all series together."""
    skipped: dict[str, str]
    """Label -> reason, for each series that is left out of the panel."""
    series: pd.DataFrame
    """[S of the table] label, rows, start, end, `CHANGE_COUNTS` (without `infinite`, which is
    counted for the whole table only), steps, agreement, observed (steps with a value), constant
    (number of targets that never change), too_short, skipped (the reason, or ""),
    error_code (in one word, or "")."""
    notes: tuple[ReadingNote, ...] = ()
    """Single values that were taken otherwise than they were read, and closed steps."""


def summarize_changes(
    frequency: Frequency,
    frequency_vote: InferredFrequency | None,
    problems: list[Problem],
    *,
    agreement: float,
    infinite_count: int,
    columns: Mapping[str, npt.NDArray[Any]],
    counts: Mapping[str, Ints],
    notes: tuple[ReadingNote, ...] = (),
) -> CleaningChanges:
    """The changes with totals of `counts` [S]; missing counts are 0. `columns` [S] are the other
    columns of `CleaningChanges.series`."""
    none = np.zeros(len(columns["label"]), dtype=np.int64)
    per_series = {
        count.name: counts.get(count.name, none)
        for count in CHANGE_COUNTS
        if count.name != "infinite"
    }
    totals = {name: int(numbers.sum()) for name, numbers in per_series.items()}
    label, reason = columns["label"], columns["skipped"]
    left_out = reason != ""
    return CleaningChanges(
        frequency=frequency,
        frequency_vote=frequency_vote,
        problems=tuple(problems),
        agreement=agreement,
        n_rows=int(columns["rows"].sum()),
        n_steps=int(columns["steps"].sum()),
        counts={count.name: totals.get(count.name, infinite_count) for count in CHANGE_COUNTS},
        skipped=dict(zip(label[left_out], reason[left_out], strict=True)),
        series=pd.DataFrame({**columns, **per_series}),
        notes=notes,
    )
