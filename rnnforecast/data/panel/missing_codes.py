"""Negative numbers such as -999 and -9999 that stand for a missing value.

They are taken for that in series and columns whose other values are all 0 or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.errors import Problem
from rnnforecast.types import Floats, Ints

NEGATIVE_CODES = -np.array([10.0**digits - 1 for digits in range(3, 10)])
"""-999, -9999, …"""


@dataclass(frozen=True)
class MissingCodes:
    """n cells of sorted rows that hold a code of a missing value."""

    row: Ints  # [n]
    column: Ints  # [n] of `SortedRows.values`
    mean: Floats  # [n] of the other values of their series and column

    @classmethod
    def find(cls, rows: SortedRows, columns: Sequence[int]) -> MissingCodes:
        """The codes in these columns of numbers, by column and row: those in series without
        another negative value, of which they are less than half."""
        found = [(column, *_find_in_column(rows, column)) for column in columns]
        empty = np.empty(0, dtype=np.int64)
        return cls(
            np.concatenate([empty, *(row for _, row, _ in found)]),
            np.concatenate([empty, *(np.full(len(row), column) for column, row, _ in found)]),
            np.concatenate([empty.astype(np.float64), *(mean for _, _, mean in found)]),
        )

    def fill(self, rows: SortedRows, n_targets: int) -> SortedRows:
        """The rows with targets missing there, and covariates, which may have to be known, at
        their mean."""
        values = rows.values.copy()
        values[self.row, self.column] = np.where(self.column < n_targets, np.nan, self.mean)
        return replace(rows, values=values)

    def notes(
        self, table: Table, rows: SortedRows, names: Sequence[str], *, keep: bool, timezone: str
    ) -> list[ReadingNote]:
        """A note for each column with codes. `names` are those of the columns."""
        notes = []
        for column in np.unique(self.column):
            cells = self.row[self.column == column]
            first = int(cells[0])
            where = table.line_index.location(int(rows.table_rows[first]), names[column])
            others = f" and in {len(cells) - 1:,} more cells" if len(cells) > 1 else ""
            is_target = column < len(table.roles.targets)
            done = "missing" if is_target else "the mean of the others"
            time = format_timestamp(rows.time[first], timezone)
            found = (
                f"{rows.values[first, column]:.0f} at {time}"
                f"{others}, where no other value is negative: a code of missing values, "
                + ("kept" if keep else f"taken as {done}")
            )
            cure = "" if keep else "set clean.implausible to keep if these are values"
            notes.append(ReadingNote(Problem(where, found, cure), is_doubtful=not keep))
        return notes


def _find_in_column(rows: SortedRows, column: int) -> tuple[Ints, Floats]:
    """The rows [n] with a code, and the means [n] of the other values of their series."""
    values, codes = rows.values[:, column], rows.codes
    low = np.flatnonzero(values <= NEGATIVE_CODES[0])
    low = low[np.isin(values[low], NEGATIVE_CODES)]
    if not len(low):
        return low, np.empty(0)
    known = np.flatnonzero(values >= 0)
    n_low, n_negative, n_known = (
        np.bincount(codes[at], minlength=rows.n_series)
        for at in (low, np.flatnonzero(values < 0), known)
    )
    row = low[((n_negative == n_low) & (n_low < n_known))[codes[low]]]
    total = np.bincount(codes[known], values[known], minlength=rows.n_series)
    return row, total[codes[row]] / n_known[codes[row]]
