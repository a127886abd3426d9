"""Statistics of a panel that a later one is compared with: levels, spreads, counts by period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.features.covariates import column_categories, raw_covariates
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.profiling.coverage import last_ordinals, panel_ordinals
from rnnforecast.types import Bools, Floats, Ints

MIN_VALUES = 3
"""A median of fewer values is not compared."""
MAX_SAMPLED_SERIES = 2000
"""Covariates are looked at in so many series, evenly spaced."""
HASHED_VALUES = 8
"""Last values by which a renamed series is recognized."""


def window_values(values: Floats, offsets: Ints, ends: Ints, width: int) -> Floats:
    """[S, width] the values [N] of the last steps before `ends` [S]; NaN before a series begins."""
    step = ends[:, None] - width + np.arange(width)
    found = values[np.maximum(offsets[:-1, None] + step, 0)]
    return np.where(step >= 0, found, np.nan)


def median_level(window: Floats) -> Floats:
    """[S] the median size of the values of a window [S, K] other than zero; NaN for few of them."""
    size = np.abs(window)
    return _median(np.where(size > 0, size, np.nan))


def median_change(window: Floats) -> Floats:
    """[S] the median size of the changes from step to step of a window [S, K]."""
    return _median(np.abs(np.diff(window, axis=1)))


def _median(values: Floats) -> Floats:
    """[S] the median over the finite values of [S, K]; NaN where they are fewer than
    `MIN_VALUES`."""
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=1)  # NaN last
    count = np.isfinite(ordered).sum(axis=1)
    rows, middle = np.arange(len(values)), np.maximum(count, 1)
    found = (ordered[rows, (middle - 1) // 2] + ordered[rows, middle // 2]) / 2
    return np.where(count >= MIN_VALUES, found, np.nan)


def extremes(panel: Panel) -> tuple[Floats, Floats]:
    """[S, C] the smallest and the largest value; NaN without any."""
    at = panel.offsets[:-1]
    return np.fmin.reduceat(panel.targets, at), np.fmax.reduceat(panel.targets, at)


def active_series(panel: Panel, width: int) -> Bools:
    """[S] whether a series ends at most `width` periods before the latest does."""
    ends = last_ordinals(panel)
    return np.asarray(ends > ends.max() - width)


@dataclass(frozen=True)
class PeriodCounts:
    """Counts over series for P periods up to the latest."""

    last: int
    """The ordinal of the last period."""
    alive: Ints
    """[P] series that have begun."""
    observed: Ints
    """[P, C] series with a value."""
    nonzero: Ints
    """[P, C] series with a value other than zero."""

    @classmethod
    def of_panel(cls, panel: Panel, mask: Bools, periods: int) -> PeriodCounts:
        """The counts of the series of `mask` [S] in the last `periods`, or from the first on."""
        ordinals = panel_ordinals(panel)
        firsts, ends = ordinals[panel.offsets[:-1]], last_ordinals(panel)
        last = int(ends[mask].max()) if mask.any() else int(ends.max())
        first = max(last - periods + 1, int(firsts.min()))
        size = max(last - first + 1, 1)
        rows = (ordinals >= first) & (ordinals <= last) & np.repeat(mask, panel.lengths)
        place = ordinals[rows]
        del ordinals
        place -= first
        targets, known = panel.targets[rows], panel.observed_mask[rows]
        begun = np.clip(firsts[mask] - first, 0, size)

        def count(cells: Bools) -> Ints:
            columns = [np.bincount(place[cell], minlength=size) for cell in cells.T]
            return np.stack(columns, axis=1)

        return cls(
            last=last,
            alive=np.cumsum(np.bincount(begun, minlength=size + 1))[:size],
            observed=count(known),
            nonzero=count(known & (targets != 0)),
        )

    def empty_share(self) -> Floats:
        """[P, C] the share of series whose value is zero or missing."""
        return np.asarray(1 - self.nonzero / np.maximum(self.alive, 1)[:, None])

    def observed_share(self, width: int) -> Floats:
        """[P - width + 1] the share of values that are there, in windows of `width` periods; at
        least one."""
        width = min(width, len(self.alive))
        there, possible = self.observed.sum(axis=1), self.alive * self.observed.shape[1]
        sums = [np.convolve(each, np.ones(width), "valid") for each in (there, possible)]
        return np.asarray(sums[0] / np.maximum(sums[1], 1))


def text_covariates(cleaned: CleanedData) -> tuple[str, ...]:
    """The covariates that are categories, as text or numbers."""
    names = cleaned.panel.covariate_names
    return tuple(each for each in names if column_categories(cleaned.table, each) is not None)


def covariate_windows(
    panel: Panel, columns: Sequence[str], text_columns: Sequence[str], ahead: int, width: int
) -> Floats:
    """[F, S, width] covariates of the steps up to `ahead` after the end of each series; NaN where
    they are blank or not known. Codes of categories, the `text_columns`, begin with 1.

    Of very many series only `MAX_SAMPLED_SERIES`.
    """
    n_sampled = min(panel.n_series, MAX_SAMPLED_SERIES)
    series = np.linspace(0, panel.n_series - 1, n_sampled).astype(np.int64)
    rows = np.diff(panel.wide_offsets)[series]  # steps with covariates
    step = (panel.lengths[series] + ahead - width)[:, None] + np.arange(width)
    known = (step >= 0) & (step < rows[:, None])
    place = panel.wide_offsets[series][:, None] + np.where(known, step, 0)
    values = np.moveaxis(raw_covariates(panel, columns)[place], -1, 0)
    first_code = [name in text_columns for name in columns]
    return np.where(known, values, np.nan) + np.array(first_code, dtype=np.int64)[:, None, None]


def hash_values(window: Floats) -> np.ndarray:
    """[S] a hash (uint64) of the values of each row [S, K]; 0 for rows that do not tell series
    apart: with a blank, or with fewer than three different values."""
    ordered = np.sort(window, axis=1)
    is_telling = np.isfinite(window).all(axis=1)
    is_telling &= (np.diff(ordered, axis=1) != 0).sum(axis=1) >= MIN_VALUES - 1
    bits = np.ascontiguousarray(window + 0.0).view(np.uint64)  # -0.0 is 0.0
    found = np.full(len(window), 1469598103934665603, dtype=np.uint64)
    for column in bits.T:
        found = (found ^ column) * np.uint64(1099511628211)
        found ^= found >> np.uint64(29)
    return np.where(is_telling, np.maximum(found, 1), 0).astype(np.uint64)


@dataclass(frozen=True)
class LastPeriod:
    """The latest period of which a series has a row."""

    ordinal: int
    active: Bools
    """[S] series that had not ended long before."""
    is_late: Bools
    """[S] whether a series has no value in it."""
    is_empty: Bools
    """[S, C] whether the value is zero or missing."""


def last_period(
    panel: Panel, series: pd.DataFrame, usable: Bools, width: int, extra_periods: int = 0
) -> LastPeriod:
    """The last period of the `usable` series [S]; rows without a value at their ends count, by
    label, end and trailing of `CleaningChanges.series`.

    Rows of covariates known ahead do not, but for `extra_periods` of them.
    """
    ends = last_ordinals(panel)
    if panel.future_steps is None:
        rows_end = ends + _blank_periods(panel, series)
    else:
        rows_end = ends + np.minimum(panel.future_steps, extra_periods)
    usable = usable if usable.any() else np.ones_like(usable)
    ordinal = int(rows_end[usable].max())
    is_late = ends < ordinal
    last = panel.targets[panel.offsets[1:] - 1]  # [S, C]
    is_empty = is_late[:, None] | ~(np.nan_to_num(last) != 0)
    return LastPeriod(ordinal, usable & (ends > ends[usable].max() - width), is_late, is_empty)


def _blank_periods(panel: Panel, series: pd.DataFrame) -> Ints:
    """[S] periods from the last value of each series to its last row, which was dropped."""
    series = series[series["trailing"] > 0]
    found = np.zeros(panel.n_series, dtype=np.int64)
    if not len(series):
        return found
    place = pd.Index(series["label"]).get_indexer(pd.Index(panel.labels()))
    has_blank = place >= 0
    last = panel.window_timestamps(panel.lengths - 1, 1)[has_blank, 0]
    rows = series["end"].to_numpy()[place[has_blank]]
    ordinals = panel.frequency.ordinals
    found[has_blank] = np.maximum(ordinals(rows) - ordinals(panel.to_display_timezone(last)), 0)
    return found


def last_hashes(panel: Panel, ends: Ints) -> npt.NDArray[np.uint64]:
    """[S] hashes of the values of all targets at the last steps before `ends` [S]."""
    windows = [
        window_values(column, panel.offsets, np.minimum(ends, panel.lengths), HASHED_VALUES)
        for column in panel.targets.T
    ]
    found: npt.NDArray[np.uint64] = hash_values(np.concatenate(windows, axis=1))
    return np.where(ends <= panel.lengths, found, 0).astype(np.uint64)


def row_lead(panel: Panel, ends: npt.NDArray[Any]) -> int:
    """Periods from the last row of the median series to the latest of all; `ends` [series of the
    table] are the timestamps of the last rows."""
    return int(row_leads(panel, ends).max(initial=0))


def row_leads(panel: Panel, ends: npt.NDArray[Any]) -> Ints:
    """[series of the table] periods by which the last row of each lies after that of the median
    series, or before it."""
    ordinals = panel.frequency.ordinals(ends)
    median = np.sort(ordinals)[(len(ordinals) - 1) // 2]
    return np.asarray(ordinals - median)


def median_plan_steps(panel: Panel) -> int:
    """Steps after the end of the median series that have rows of covariates known ahead."""
    steps = panel.future_steps
    return 0 if steps is None else int(np.sort(steps)[(len(steps) - 1) // 2])


def filled_share(windows: Floats) -> Floats:
    """[F] the share of the values of [F, S, H] other than zero and blank."""
    return np.asarray((~np.isnan(windows) & (windows != 0)).mean(axis=(1, 2)))


def constant_share(windows: Floats) -> Floats:
    """[F] the share of the series of [F, S, H] with one and the same value, or none."""
    first = windows[:, :, :1]
    return np.asarray(((windows == first) | np.isnan(windows)).all(axis=2).mean(axis=1))
