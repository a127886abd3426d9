"""Histories of many series as one array that ends at the forecast origin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnforecast.types import Bools, Floats, Ints


@dataclass(frozen=True)
class Histories:
    """M histories, aligned at their ends: row T - 1 is the last step before the origin.

    Time is the first axis, so that a recursion over steps works on contiguous rows of all series.
    """

    values: Floats
    """`[T, M]` without gaps; 0 before `start`."""
    observed: Bools
    """`[T, M]` false where a value was filled, and before `start`."""
    start: Ints
    """`[M]` the row of the first observed value; T if there is none."""

    @property
    def lengths(self) -> Ints:
        """`[M]` steps from the first observed value to the origin."""
        return len(self.values) - self.start

    @classmethod
    def from_flat(
        cls, values: Floats, offsets: Ints, series: Ints, origin: Ints, *, max_steps: int
    ) -> Histories:
        """The last `max_steps` steps before `origin [M]` of the series with indices `series [M]`.

        Gaps between two observed values are interpolated linearly; after the last observed value
        it is repeated.

        Args:
            values: `[N]` flat, NaN where missing.
            offsets: `[S+1]` the flat row of the start of each series, and N.
            series: `[M]` the series of each history.
            origin: `[M]` the first step to forecast, counted from the start of the series.
        """
        steps = int(min(max_steps, origin.max(initial=0)))
        ago = np.arange(steps, 0, -1)[:, None]  # [T, 1]
        step = origin - ago  # [T, M]
        inside = step >= 0
        rows = np.where(inside, offsets[series] + step, 0)
        found = np.where(inside, values[rows] if len(values) else np.nan, np.nan)
        observed = ~np.isnan(found)
        start = np.where(observed.any(0), observed.argmax(0), steps)
        return cls(_fill_gaps(found, observed, start), observed, start.astype(np.int64))


@dataclass(frozen=True)
class StatisticalForecast:
    """Point forecasts of M histories and the variances of their errors, `[M, H]` each; NaN for a
    history without a value."""

    mean: Floats
    variance: Floats


def _fill_gaps(values: Floats, observed: Bools, start: Ints) -> Floats:
    """`values [T, M]` with interpolated gaps; 0 before `start`."""
    steps = len(values)
    row = np.arange(steps)[:, None]
    before = np.maximum.accumulate(np.where(observed, row, -1), axis=0)
    after = np.minimum.accumulate(np.where(observed, row, steps)[::-1], axis=0)[::-1]
    column = np.arange(values.shape[1])
    low, high = np.maximum(before, 0), np.where(after < steps, after, before)
    high = np.maximum(high, 0)
    known = np.where(observed, values, 0.0)
    first, last = known[low, column], known[high, column]
    share = (row - low) / np.maximum(high - low, 1)
    filled = np.where(observed, known, first + share * (last - first))
    return np.where(row >= start, filled, 0.0)
