"""Positions of observations around each cell of a flat table, for imputation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from pandas.api.indexers import BaseIndexer

from rnnforecast.types import Bools, Floats, Floats32, Ints


@dataclass(frozen=True)
class ObservationIndex:
    """Values, and the previous and next observation of each cell."""

    values: Floats  # [N, C] 0 where not observed
    observed_mask: Bools  # [N, C]
    offsets: Ints  # [S + 1]
    series_start: Ints  # [N] the first row of each row's series
    series_end: Ints  # [N] the row after its last one
    observed_so_far: Bools  # [N, C] observed here or earlier in the series
    last_observed: Ints  # [N, C] the latest observed row; the row itself if there is none so far

    @classmethod
    def build(cls, values: Floats, observed_mask: Bools, offsets: Ints) -> ObservationIndex:
        """The index of `values [N, C]` of series that begin at `offsets [S + 1]`."""
        lengths = np.diff(offsets)
        start, end = np.repeat(offsets[:-1], lengths), np.repeat(offsets[1:], lengths)
        observed_so_far, last = latest_marked(observed_mask, start)
        values = np.where(observed_mask, values, 0.0)
        return cls(values, observed_mask, offsets, start, end, observed_so_far, last)

    @cached_property
    def forward_filled(self) -> Floats:
        """`[N, C]` the latest observed value, 0 before the first."""
        last = np.take_along_axis(self.values, self.last_observed, axis=0)
        return np.where(self.observed_so_far, last, 0.0)

    @cached_property
    def elapsed(self) -> Floats32:
        """`[N, C]` steps since the last observation; before the first one, the number of rows since
        the series began, this one included."""
        rows = np.arange(len(self.series_start))[:, None]
        since_start = rows - self.series_start[:, None] + 1
        elapsed = np.where(self.observed_so_far, rows - self.last_observed, since_start)
        return elapsed.astype(np.float32)

    @cached_property
    def in_gap(self) -> Bools:
        """`[N, C]` whether the cell lies in a gap between two observations of its series."""
        return self._next_observed[1]

    @cached_property
    def next_observed(self) -> Ints:
        """`[N, C]` the next observed row of a cell in a gap, the row itself elsewhere."""
        return self._next_observed[0]

    @cached_property
    def _next_observed(self) -> tuple[Ints, Bools]:
        count = len(self.series_start)
        rows = np.arange(count, dtype=np.int64)[:, None]
        after = np.where(self.observed_mask, rows, np.int64(count))
        after = np.minimum.accumulate(after[::-1], axis=0)[::-1]
        in_gap = self.observed_so_far & ~self.observed_mask & (after < self.series_end[:, None])
        return np.where(in_gap, after, rows), in_gap

    def gap_edges(self) -> tuple[Floats, Floats]:
        """`[N, C]` the observed values before and after each gap; undefined elsewhere."""
        before = np.take_along_axis(self.values, self.last_observed, axis=0)
        return before, np.take_along_axis(self.values, self.next_observed, axis=0)

    def gap_position(self, clock: Floats) -> tuple[Floats, Floats]:
        """`[N, C]` the width of each gap, in units of `clock [N]`, and the fraction of it before
        the row."""
        left, right = clock[self.last_observed], clock[self.next_observed]
        width = np.where(right > left, right - left, 1.0)
        return width, (clock[:, None] - left) / width

    def interpolate(self, clock: Floats) -> Floats:
        """`[N, C]` linear interpolation by `clock [N]` across each gap; undefined elsewhere."""
        before, after = self.gap_edges()
        _, fraction = self.gap_position(clock)
        # Not `before + fraction * (after - before)`: the difference of two huge values overflows.
        return before * (1.0 - fraction) + after * fraction


def latest_marked(mask: Bools, start: Ints) -> tuple[Bools, Ints]:
    """Whether a row or an earlier row of its series is marked, and the latest marked row (the row
    itself if there is none); `[N, C]` each. `start [N]` is the first row of each row's series."""
    rows = np.arange(len(mask), dtype=np.int64)[:, None]
    last = np.where(mask, rows, np.int64(-1))
    np.maximum.accumulate(last, axis=0, out=last)
    has_mark = last >= start[:, None]  # a mark of an earlier series does not count
    return has_mark, np.where(has_mark, last, rows)


class RowWindowIndexer(BaseIndexer):
    """A pandas window indexer: the window of each row is rows `start [N]` to `stop [N]` - 1."""

    def __init__(self, start: Ints, stop: Ints) -> None:
        super().__init__()
        self.start, self.stop = start, stop

    def get_window_bounds(
        self,
        num_values: int = 0,
        min_periods: int | None = None,
        center: bool | None = None,
        closed: str | None = None,
        step: int | None = None,
    ) -> tuple[Ints, Ints]:  # the signature that pandas calls
        return self.start, self.stop


def expanding_statistic(
    values: Floats, observed_mask: Bools, offsets: Ints, method: Literal["mean", "median"]
) -> Floats:
    """Mean or median of the observed values of the series up to and including each row, `[N, C]`;
    NaN before the first.

    pandas restarts its sum with each series; a running sum over the whole table would lose
    precision in a series that follows one with large values.
    """
    if values.size == 0:
        return values.copy()
    observed = pd.DataFrame(np.where(observed_mask, values, np.nan))
    start = np.repeat(offsets[:-1], np.diff(offsets))
    indexer = RowWindowIndexer(start, np.arange(1, len(observed) + 1, dtype=np.int64))
    window = observed.rolling(indexer, min_periods=1)
    return (window.mean() if method == "mean" else window.median()).to_numpy()
