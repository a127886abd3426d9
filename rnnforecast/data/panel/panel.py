"""The panel: all series in one flat table, each on a regular grid of timestamps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.io.table import Table
from rnnforecast.data.panel.sorted_rows import SortedRows
from rnnforecast.data.time.frequency import Frequency
from rnnforecast.data.time.grid import Grid, reduce_per_series
from rnnforecast.data.time.timezones import to_local
from rnnforecast.types import Bools, Floats, Ints, Timestamps


@dataclass(frozen=True)
class Panel:
    """Regular series, one after the other; step ``i`` of series ``s`` is row ``offsets[s] + i``.

    S series, N steps of all series together, C targets. Values are in original units.
    """

    keys: pd.DataFrame
    """[S, series columns] the ids of each series; no column for a single series without ids."""
    offsets: Ints
    """[S + 1] the flat row at which each series begins, and N."""
    start: Ints
    """[S] the calendar ordinal of each series' first step."""
    phase: Ints
    """[S] the offset of timestamps inside their period, see `Frequency.phase`."""
    frequency: Frequency
    utc_offset: str
    """The fixed UTC offset in the files, which timestamps are local to; empty if there is none."""
    target_names: tuple[str, ...]
    targets: Floats
    """[N, C] original units, NaN where missing."""
    observed_mask: Bools
    """[N, C] False where missing."""
    display_timezone: str = ""
    """The time zone in which timestamps of UTC are shown; empty where they are local."""
    irregular_timestamps: Timestamps | None = None
    """[N] timestamps of an irregular panel, whose steps are its rows; None for a regular one."""
    available_after: Ints | None = None
    """[N, C] the flat row that must have passed before a value is known, later than its own if it
    was interpolated; None if rows were not interpolated."""
    future_steps: Ints | None = None
    """[S] steps with known covariates beyond each series' end; None if they were not kept."""
    covariates: Floats | None = None
    """[M, number of covariates] in original units, NaN where blank, categories as codes; series s
    has ``lengths[s] + future_steps[s]`` rows."""
    covariate_names: tuple[str, ...] = ()

    @property
    def n_series(self) -> int:
        """S."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """[S] steps of each series."""
        return np.diff(self.offsets)

    @cached_property
    def series(self) -> Ints:
        """[N] the series of each row."""
        return np.repeat(np.arange(self.n_series), self.lengths)

    @cached_property
    def step(self) -> Ints:
        """[N] the step of each row in its series."""
        steps: Ints = np.arange(self.offsets[-1]) - self.offsets[self.series]
        return steps

    def mask_before(self, steps: Ints) -> Bools:
        """[N] whether a row lies before the step `steps` [S] of its series."""
        before = np.clip(steps, 0, self.lengths)
        counts = np.stack([before, self.lengths - before], axis=1)
        return np.repeat(np.tile([True, False], self.n_series), counts.reshape(-1))

    @cached_property
    def wide_offsets(self) -> Ints:
        """[S + 1] the row of `covariates` at which each series begins, and M."""
        ahead = 0 if self.future_steps is None else self.future_steps
        offsets: Ints = np.r_[0, np.cumsum(self.lengths + ahead)]
        return offsets

    def labels(self) -> npt.NDArray[Any]:
        """[S] a name for each series, see `series_labels`."""
        return series_labels(self.keys)

    def window_timestamps(
        self, first_steps: Ints, n_steps: int, series: Ints | None = None
    ) -> Timestamps:
        """[M, n_steps] the timestamps of `n_steps` steps of each window from ``first_steps[m]`` on.

        `series` [M] are the windows' series, each series once by default. `first_steps` [M] count
        from the series' first step and may lie beyond its end. There an irregular panel continues
        in steps of its frequency.
        """
        series = np.arange(self.n_series) if series is None else series
        return self._timestamps(series[:, None], first_steps[:, None] + np.arange(n_steps))

    def start_timestamps(self) -> Timestamps:
        """[S] the timestamp of the first step of each series."""
        return self.window_timestamps(np.zeros(self.n_series, dtype=np.int64), 1)[:, 0]

    def to_display_timezone(self, timestamps: Timestamps) -> Timestamps:
        """Timestamps of the panel [...] in local time of `display_timezone`, if it has one."""
        if not self.display_timezone:
            return timestamps
        return to_local(timestamps.reshape(-1), self.display_timezone).reshape(timestamps.shape)

    def flat_timestamps(self, extra_steps: int = 0) -> Timestamps:
        """[N + S * extra_steps] timestamps of all steps and of `extra_steps` after each series."""
        lengths = self.lengths + extra_steps
        offsets = np.r_[0, np.cumsum(lengths)]
        series = np.repeat(np.arange(self.n_series), lengths)
        return self._timestamps(series, np.arange(offsets[-1]) - offsets[series])

    def _timestamps(self, series: Ints, steps: Ints) -> Timestamps:
        """[...] the timestamps of `steps` [...] of `series` [...], which broadcast."""
        if self.irregular_timestamps is None:
            return self.frequency.timestamps(self.start[series] + steps, self.phase[series])
        last = self.lengths[series] - 1
        row = self.offsets[series] + np.clip(steps, 0, last)
        known = self.irregular_timestamps[row]  # [...]
        ordinals = self.frequency.ordinals(known)
        phase = self.frequency.phase(known, ordinals)
        return self.frequency.timestamps(ordinals + np.maximum(steps - last, 0), phase)

    def filter_series(self, mask: Bools) -> Panel:
        """The panel of the series where ``mask`` [S] is true."""
        rows = np.repeat(mask, self.lengths)  # [N]
        extra = np.zeros_like(self.lengths) if self.future_steps is None else self.future_steps
        wide = np.repeat(mask, self.lengths + extra)  # [M]
        offsets = np.r_[0, np.cumsum(self.lengths[mask])]
        available_after = self.available_after
        if available_after is not None:  # row numbers move with the series
            moved = np.repeat(offsets[:-1] - self.offsets[:-1][mask], self.lengths[mask])
            available_after = available_after[rows] + moved[:, None]
        return replace(
            self,
            keys=self.keys.loc[mask].reset_index(drop=True),
            offsets=offsets,
            start=self.start[mask],
            phase=self.phase[mask],
            targets=self.targets[rows],
            observed_mask=self.observed_mask[rows],
            irregular_timestamps=None
            if self.irregular_timestamps is None
            else self.irregular_timestamps[rows],
            available_after=available_after,
            future_steps=None if self.future_steps is None else self.future_steps[mask],
            covariates=None if self.covariates is None else self.covariates[wide],
        )

    def before(self, ends: Ints) -> Panel:
        """The panel as it was before the steps `ends` [S], each from 1 to the series' length.

        Rows from the end on are left out; with `future_steps` their covariates stay, as known
        ahead. A value that was interpolated with a later row is missing.
        """
        rows = self.mask_before(ends)  # [N]
        offsets = np.r_[0, np.cumsum(ends)]
        targets, observed_mask = self.targets[rows], self.observed_mask[rows]
        available_after = self.available_after
        if available_after is not None:
            moved = np.repeat(offsets[:-1] - self.offsets[:-1], ends)[:, None]
            available_after = available_after[rows] + moved
            known = available_after < np.repeat(offsets[1:], ends)[:, None]
            targets, observed_mask = np.where(known, targets, np.nan), observed_mask & known
            own = np.arange(len(known))[:, None]
            available_after = np.where(known, available_after, own)
        future_steps, covariates = self.future_steps, self.covariates
        if future_steps is not None:
            future_steps = future_steps + self.lengths - ends
        elif covariates is not None:
            covariates = covariates[rows]
        return replace(
            self,
            offsets=offsets,
            targets=targets,
            observed_mask=observed_mask,
            irregular_timestamps=None
            if self.irregular_timestamps is None
            else self.irregular_timestamps[rows],
            available_after=available_after,
            future_steps=future_steps,
            covariates=covariates,
        )


def describe_size(n_series: int, n_targets: int) -> str:
    """The size in words: ``40 series``, ``40 series of 3 targets``, or ``3 targets`` of one."""
    series = f"{n_series:,} series"
    if n_targets == 1:
        return series
    targets = f"{n_targets:,} targets"
    return targets if n_series == 1 else f"{series} of {targets}"


def series_labels(keys: pd.DataFrame) -> npt.NDArray[Any]:
    """[S] a name for each series: its ids joined by ``/``, or ``series`` for the only one. Blank
    ids are left out, unless two series would then have one name."""
    if keys.shape[1] == 0:
        return np.full(len(keys), "series", dtype=object)
    names = keys.iloc[:, 0].astype(str)
    for column in range(1, keys.shape[1]):
        names = names + "/" + keys.iloc[:, column].astype(str)
    if (keys == "").any(axis=None):
        shorter = names.str.replace("/{2,}", "/", regex=True).str.strip("/")
        if shorter.is_unique and shorter.ne("").all():
            names = shorter
    return names.to_numpy(dtype=object)


def build_panel(
    table: Table,
    rows: SortedRows,
    grid: Grid,
    lengths: Ints,
    *,
    frequency: Frequency,
    display_timezone: str,
    is_irregular: bool,
    keep_future_rows: bool,
) -> Panel:
    """The panel of the series with rows, with every step between their first and last row.

    `lengths` [S] are the steps of each series of the table, 0 where it is left out. With
    `keep_future_rows`, later rows are known covariates.
    """
    n_targets = len(table.roles.targets)
    keep = lengths > 0
    lengths = lengths[keep]
    offsets = np.r_[0, np.cumsum(lengths)]  # [S + 1] of the panel
    start = reduce_per_series(np.minimum, grid.ordinals, rows.offsets, 0)[keep]
    end = reduce_per_series(np.maximum, grid.ordinals, rows.offsets, 0)[keep]
    future_steps = end - start + 1 - lengths if keep_future_rows else None
    has_no_gaps = int(offsets[-1]) == len(rows.codes)
    if has_no_gaps and rows.available_after is None and not table.covariates:
        targets, available_after, covariates = rows.values, None, None  # the rows are the panel
    else:
        positions = _RowPositions.from_rows(rows, grid, keep, offsets, start)
        targets = positions.scatter(rows.values[:, :n_targets], np.nan)  # [N, C]
        available_after = positions.available_after(rows, n_targets, offsets[:-1] - start)
        covariates = _scatter_covariates(rows, n_targets, positions, offsets, future_steps)
    return Panel(
        keys=table.keys.loc[keep].reset_index(drop=True),
        offsets=offsets,
        start=start,
        phase=grid.phase[keep],
        frequency=frequency,
        utc_offset=table.utc_offset,
        target_names=tuple(table.roles.targets),
        targets=targets,
        observed_mask=~np.isnan(targets),
        display_timezone=display_timezone,
        irregular_timestamps=_history_timestamps(rows, offsets) if is_irregular else None,
        available_after=available_after,
        future_steps=future_steps,
        covariates=covariates,
        covariate_names=tuple(table.covariates),
    )


class _RowPositions(NamedTuple):
    """The positions of R sorted rows in the flat arrays of a panel."""

    series: Ints  # [R] the series of the panel
    step: Ints  # [R] the step in the series
    panel_row: Ints  # [R]
    in_history: Bools  # [R] False for rows of known covariates only
    n_steps: int  # N

    @classmethod
    def from_rows(
        cls, rows: SortedRows, grid: Grid, keep_mask: Bools, offsets: Ints, start: Ints
    ) -> _RowPositions:
        series = np.repeat(np.arange(len(start)), np.diff(rows.offsets)[keep_mask])
        step = grid.ordinals - start[series]
        own = step < np.diff(offsets)[series]
        return cls(series, step, step + offsets[series], own, int(offsets[-1]))

    def scatter(self, values: npt.NDArray[Any], fill_value: Any) -> npt.NDArray[Any]:
        """[N, X] the rows' values [R, X] at their positions, and `fill_value` elsewhere."""
        table = np.full((self.n_steps, *values.shape[1:]), fill_value, dtype=values.dtype)
        table[self.panel_row[self.in_history]] = values[self.in_history]
        return table

    def available_after(self, rows: SortedRows, n_targets: int, row_shift: Ints) -> Ints | None:
        """[N, C] `Panel.available_after`; `row_shift` [S] is the row of a series' ordinal 0."""
        if rows.available_after is None:
            return None
        known = rows.available_after[:, :n_targets] + row_shift[self.series][:, None]
        return np.asarray(np.maximum(self.scatter(known, -1), np.arange(self.n_steps)[:, None]))


def _history_timestamps(rows: SortedRows, offsets: Ints) -> Timestamps:
    """[N] the timestamps of the rows, without rows of known covariates only."""
    step = np.arange(len(rows.codes)) - rows.offsets[rows.codes]
    lengths = np.zeros(rows.n_series, dtype=np.int64)
    lengths[np.unique(rows.codes)] = np.diff(offsets)
    return rows.time[step < lengths[rows.codes]]


def _scatter_covariates(
    rows: SortedRows,
    n_targets: int,
    positions: _RowPositions,
    offsets: Ints,
    future_steps: Ints | None,
) -> Floats | None:
    """`Panel.covariates`; None without covariates."""
    values = rows.values[:, n_targets:]
    if values.shape[1] == 0:
        return None
    extra = np.zeros(len(offsets) - 1, dtype=np.int64) if future_steps is None else future_steps
    begins = offsets + np.r_[0, np.cumsum(extra)]
    wide = np.full((int(begins[-1]), values.shape[1]), np.nan)
    wide[positions.step + begins[positions.series]] = values
    return wide
