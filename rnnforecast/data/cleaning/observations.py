"""Where observations lie around each cell of a flat table, for fills and the like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.indexers import BaseIndexer

from rnnforecast.types import Bools, Floats, Ints


@dataclass(frozen=True)
class ObservationIndex:
    """The values and where observations lie around each cell."""

    values: Floats  # [N, C] 0 where not observed
    observed_mask: Bools  # [N, C]
    offsets: Ints  # [S + 1]
    series_start: Ints  # [N] the first row of each row's series
    series_end: Ints  # [N] the first row behind it
    has_observation: Bools  # [N, C] observed here or before
    last_observed: Ints  # [N, C] the latest observed row, the row itself where there is none

    @classmethod
    def build(cls, values: Floats, observed_mask: Bools, offsets: Ints) -> ObservationIndex:
        lengths = np.diff(offsets)
        start, end = np.repeat(offsets[:-1], lengths), np.repeat(offsets[1:], lengths)
        begun, last = latest_marked(observed_mask, start)
        return cls(
            np.where(observed_mask, values, 0.0), observed_mask, offsets, start, end, begun, last
        )

    def forward_fill(self) -> Floats:
        """[N, C] the latest observed value, 0 before the first."""
        return np.where(
            self.has_observation, np.take_along_axis(self.values, self.last_observed, axis=0), 0.0
        )

    def elapsed(self) -> npt.NDArray[np.float32]:
        rows = np.arange(len(self.series_start))[:, None]
        since = np.where(
            self.has_observation, rows - self.last_observed, rows - self.series_start[:, None] + 1
        )
        return since.astype(np.float32)

    def next_observed(self) -> tuple[Ints, Bools]:
        """The next observed row of the series, the row itself where none follows, and whether the
        cell lies in a gap between two observations; `[N, C]`."""
        count = len(self.series_start)
        rows = np.arange(count, dtype=np.int64)[:, None]
        after = np.where(self.observed_mask, rows, np.int64(count))
        after = np.minimum.accumulate(after[::-1], axis=0)[::-1]
        inside = self.has_observation & ~self.observed_mask & (after < self.series_end[:, None])
        return np.where(inside, after, rows), inside


def latest_marked(mask: Bools, start: Ints) -> tuple[Bools, Ints]:
    """Whether a row or one before it in its series is marked, and the latest such row (the row
    itself where there is none); `[N, C]`."""
    rows = np.arange(len(mask), dtype=np.int64)[:, None]
    last = np.where(mask, rows, np.int64(-1))
    np.maximum.accumulate(last, axis=0, out=last)
    begun = last >= start[:, None]  # a mark of an earlier series does not count
    return begun, np.where(begun, last, rows)


class RowWindowIndexer(BaseIndexer):
    """For pandas: the window of each row runs from the row `start [N]` to before the row
    `stop [N]`."""

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
    ) -> tuple[Ints, Ints]:  # pandas asks for exactly these arguments
        return self.start, self.stop


def expanding_statistic(
    values: Floats, observed_mask: Bools, offsets: Ints, method: Literal["mean", "median"]
) -> Floats:
    """The mean or median of the observed values up to each row, `[N, C]`, NaN before the first.

    pandas slides over the flat table once and begins anew with each series; a running sum over
    the whole table would let a large series spoil the digits of the next one.
    """
    if values.size == 0:
        return values.copy()
    known = pd.DataFrame(np.where(observed_mask, values, np.nan))
    start = np.repeat(offsets[:-1], np.diff(offsets))
    span = RowWindowIndexer(start, np.arange(1, len(known) + 1, dtype=np.int64))
    window = known.rolling(span, min_periods=1)
    return (window.mean() if method == "mean" else window.median()).to_numpy()
