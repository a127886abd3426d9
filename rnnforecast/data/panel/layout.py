"""Where the rows of sorted series lie in the flat tables of a panel."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.grid import Grid
from rnnforecast.types import Bools, Floats, Ints, Timestamps


class RowPositions(NamedTuple):
    """Where rows lie in the panel."""

    series: Ints  # [R] of the panel
    step: Ints  # [R]
    panel_row: Ints  # [R] of the panel
    in_history: Bools  # [R] False for rows of what is known ahead
    n_steps: int  # N

    @classmethod
    def from_rows(
        cls, rows: SortedRows, grid: Grid, keep_mask: Bools, offsets: Ints, start: Ints
    ) -> RowPositions:
        series = np.repeat(np.arange(len(start)), np.diff(rows.offsets)[keep_mask])
        step = grid.ordinals - start[series]
        own = step < np.diff(offsets)[series]
        return cls(series, step, step + offsets[series], own, int(offsets[-1]))

    def scatter(self, values: npt.NDArray[Any], fill_value: Any) -> npt.NDArray[Any]:
        """`[N, X]` with the rows' values `[R, X]` in their places and `empty` in others."""
        table = np.full((self.n_steps, *values.shape[1:]), fill_value, dtype=values.dtype)
        table[self.panel_row[self.in_history]] = values[self.in_history]
        return table

    def available_after(self, rows: SortedRows, n_targets: int, row_shift: Ints) -> Ints | None:
        """`[N, C]` the row of the panel that must have passed before a value is known."""
        if rows.available_after is None:
            return None
        known = rows.available_after[:, :n_targets] + row_shift[self.series][:, None]
        return np.asarray(np.maximum(self.scatter(known, -1), np.arange(self.n_steps)[:, None]))


def panel_timestamps(rows: SortedRows, offsets: Ints) -> Timestamps:
    """[N] the stamps of the panel's rows, without those of what is known ahead."""
    place = np.arange(len(rows.codes)) - rows.offsets[rows.codes]
    lengths = np.zeros(rows.n_series, dtype=np.int64)
    lengths[np.unique(rows.codes)] = np.diff(offsets)
    return rows.time[place < lengths[rows.codes]]


def scatter_covariates(
    rows: SortedRows,
    n_targets: int,
    positions: RowPositions,
    offsets: Ints,
    future_steps: Ints | None,
) -> Floats | None:
    """`[M, K]` in which series s goes on for `ahead[s]` steps; None where there are none."""
    raw = rows.values[:, n_targets:]
    if raw.shape[1] == 0:
        return None
    more = np.zeros(len(offsets) - 1, dtype=np.int64) if future_steps is None else future_steps
    begins = offsets + np.r_[0, np.cumsum(more)]
    wide = np.full((int(begins[-1]), raw.shape[1]), np.nan)
    wide[positions.step + begins[positions.series]] = raw
    return wide
