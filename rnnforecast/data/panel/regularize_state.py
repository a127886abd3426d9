"""State of a table on its way to a regular panel: rows, grid, frequency, counts and problems."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.panel import series_labels
from rnnforecast.data.panel.problems import duplicate_problems
from rnnforecast.data.panel.rules import duplicate_aggregations, values_by_rule
from rnnforecast.data.panel.sorted_rows import SortedRows, combine_duplicates, find_duplicates
from rnnforecast.data.time.frequency import Frequency
from rnnforecast.data.time.frequency_inference import InferredFrequency
from rnnforecast.data.time.grid import Grid
from rnnforecast.errors import Problem
from rnnforecast.spec.data import CleanSpec
from rnnforecast.types import Bools, Ints, Timestamps


class RegularizeState:
    """What the steps of :mod:`regularize` read and change; S series, R rows, C targets.

    With `repairs_series`, a series with a problem loses the rows that have it, not all its rows.
    """

    table: Table
    """The table with normalized time, see `NormalizedTime`."""
    rows: SortedRows
    grid: Grid
    frequency: Frequency
    display_timezone: str
    columns: dict[str, npt.NDArray[Any]]
    """[S] the columns of `CleaningChanges.series` that are not in `CHANGE_COUNTS`."""
    counts: dict[str, Ints]
    """[S] the counts of `CHANGE_COUNTS`."""
    fill_values: npt.NDArray[np.float64]
    """[C] the values by rule, NaN for a target without one."""
    is_added: Bools | None
    """[R] whether a value by rule added the row; None if no row was added."""
    complete_periods: Timestamps | None
    """[2] the first and last period that the rows cover completely."""
    unknown_cells: tuple[Ints, Ints]
    """Rows of the table and columns of the values taken out as implausible: no rule sets them."""
    far_places: dict[int, str]
    """By series, the location of a row far from all others."""

    def __init__(
        self,
        table: Table,
        clean: CleanSpec,
        timezone: str,
        *,
        keep_future_rows: bool,
        repairs_series: bool = False,
    ) -> None:
        self.table, self.clean, self.timezone = table, clean, timezone
        self.keep_future_rows, self.repairs_series = keep_future_rows, repairs_series
        self.n_series, self.n_targets = len(table.keys), len(table.roles.targets)
        none = np.full(self.n_series, "", dtype=object)
        self.columns = {
            "label": series_labels(table.keys),
            "skipped": none,
            "error_code": none.copy(),
        }
        self.counts = {}
        self.problems: list[Problem] = []
        self.notes: tuple[ReadingNote, ...] = ()
        self.frequency_vote: InferredFrequency | None = None
        self.fill_values = values_by_rule(clean, table.roles.targets)
        self.is_added = self.complete_periods = None
        self.taken_as_missing = np.zeros(self.n_series, dtype=np.int64)
        none = np.empty(0, dtype=np.int64)
        self.unknown_cells = none, none
        self.has_unresolved_hours = np.zeros(self.n_series, dtype=np.bool_)
        self.has_refused_duplicates = self.has_unresolved_hours.copy()
        self.has_late_end = self.has_unresolved_hours.copy()
        self.has_far_rows = self.has_unresolved_hours.copy()
        self.far_places = {}

    @property
    def has_rule(self) -> bool:
        """Whether a target has a value by rule."""
        return not np.isnan(self.fill_values).all()

    def has_value(self) -> Bools:
        """[R] whether a row has a value of a target."""
        return np.asarray(~np.isnan(self.rows.values[:, : self.n_targets]).all(axis=1))

    def count(self, codes: npt.NDArray[np.integer[Any]], mask: Bools) -> Ints:
        """[S] the number of rows of each series where `mask` is true."""
        return np.bincount(codes[mask], minlength=self.n_series)

    def mark(self, mask: Bools, code: str, reason: str) -> None:
        """Gives the series of `mask` [S] this error, unless they have one already."""
        new = mask & (self.columns["error_code"] == "")
        self.columns["error_code"][new] = code
        self.columns["skipped"][new] = reason

    def skip(self, drop_mask: Bools, code: str, reason: str) -> None:
        """Drops the series of `drop_mask` [S], with this error unless they have one already."""
        self.mark(drop_mask, code, reason)
        self.filter(~drop_mask[self.rows.codes])

    def drop_rows(self, mask: Bools, code: str, reason: str) -> None:
        """Drops the rows of `mask` [R], and gives their series this error."""
        self.mark(self.count(self.rows.codes, mask) > 0, code, reason)
        self.filter(~mask)

    def filter(self, mask: Bools) -> None:
        """Keeps the rows of `mask` [R]."""
        if not mask.all():
            grid = self.grid
            self.rows = self.rows.filter(mask)
            self.grid = Grid(grid.ordinals[mask], grid.phase, grid.on_grid[mask])
            if self.is_added is not None:
                self.is_added = self.is_added[mask]

    def combine_duplicates(self) -> None:
        """Combines rows of the same series and timestamp."""
        mask = find_duplicates(self.rows)
        repeats = self.count(self.rows.codes, mask)
        self.counts["duplicates"] = self.counts.get("duplicates", 0) + repeats
        if self.clean.duplicates == "error":
            self.has_refused_duplicates |= repeats > 0
            self.problems += duplicate_problems(
                self.table, self.rows, mask, self.columns["label"], self.display_timezone
            )
            if self.repairs_series:
                self.mark(repeats > 0, "repeated_timestamps", "repeated timestamps")
        refused = "last" if self.repairs_series else "first"
        rules = duplicate_aggregations(self.clean, self.table, refused=refused)
        self.rows = combine_duplicates(self.rows, mask, rules)
