"""Histories of many series as one array that ends at the forecast origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from rnnforecast.types import Bools, Floats, Ints

LARGEST_EXPONENT = 300
"""Of two, beyond which values of a history are scaled."""


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

    def from_first(self, chosen: Ints) -> Floats:
        """`[T, len(chosen)]` values of the chosen histories, each from its first observed value on;
        after the last one it is repeated."""
        steps = len(self.values)
        row = np.minimum(np.arange(steps)[:, None] + self.start[chosen], steps - 1)
        return np.asarray(self.values[row, chosen])

    def select(self, chosen: slice) -> Histories:
        """Some of the histories."""
        return Histories(self.values[:, chosen], self.observed[:, chosen], self.start[chosen])

    def last(self, steps: int) -> Histories:
        """The last `steps` steps."""
        first = max(len(self.values) - steps, 0)
        values, observed = self.values[first:], self.observed[first:]
        start = np.where(observed.any(0), np.maximum(self.start - first, 0), len(values))
        return Histories(values, observed, start.astype(np.int64))

    def before(self, steps: int) -> Histories:
        """The histories without their last `steps` steps."""
        end = max(len(self.values) - steps, 0)
        return Histories(self.values[:end], self.observed[:end], np.minimum(self.start, end))

    def in_own_units(self) -> tuple[Histories, Floats]:
        """Histories whose squares neither overflow nor vanish, and the unit `[M]` of each: 1 but
        for huge and tiny values; a power of two, so that it costs no digit."""
        exponent = np.frexp(np.abs(self.values).max(0, initial=0.0))[1]
        unit = np.ldexp(1.0, np.where(np.abs(exponent) > LARGEST_EXPONENT, exponent - 1, 0))
        if (unit == 1).all():
            return self, unit
        return replace(self, values=self.values / unit), unit

    @classmethod
    def from_flat(
        cls, values: Floats, offsets: Ints, series: Ints, origin: Ints, *, max_steps: int
    ) -> Histories:
        """The last `max_steps` steps before `origin [M]` of the series with indices `series [M]`.

        Args:
            values: `[N]` flat, NaN where missing.
            offsets: `[S+1]` the flat row of the start of each series, and N.
            series: `[M]` the series of each history.
            origin: `[M]` the first step to forecast, counted from the start of the series.
        """
        rows = history_rows(offsets[series], origin, max_steps=max_steps)
        found = np.where(rows >= 0, values[rows] if len(values) else np.nan, np.nan)
        return cls.from_values(found)

    @classmethod
    def from_values(cls, values: Floats, observed: Bools | None = None) -> Histories:
        """Histories from `values [T, M]`, NaN where missing and before the start.

        Gaps between two values are interpolated linearly; the last value is repeated to the origin.
        Values that are not `observed [T, M]` were filled before.
        """
        known = ~np.isnan(values)
        observed = known if observed is None else observed & known
        if not len(values):
            return cls(values, observed, np.zeros(values.shape[1], dtype=np.int64))
        start = np.where(known.any(0), known.argmax(0), len(values))
        return cls(_fill_gaps(values, known, start), observed, start.astype(np.int64))


@dataclass(frozen=True)
class StatisticalForecast:
    """Point forecasts of M histories and the variances of their errors, `[M, H]` each; NaN for a
    history without a value."""

    mean: Floats
    variance: Floats

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """Quantiles of normal distributions at the Q `levels`, `[M, H, Q]`.

        With a last axis of targets in both arrays it is that of the result too, before Q.
        """
        normal = np.array([NormalDist().inv_cdf(level) for level in levels])
        return np.asarray(self.mean[..., None] + np.sqrt(self.variance)[..., None] * normal)


def history_rows(first_row: Ints, origin: Ints, *, max_steps: int) -> Ints:
    """`[T, M]` flat rows of the last `max_steps` steps before `origin [M]`, -1 before the start of
    the series, which is at `first_row [M]`."""
    steps = int(min(max_steps, origin.max(initial=0)))
    step = origin - np.arange(steps, 0, -1)[:, None]  # [T, M]
    return np.where(step >= 0, first_row + step, -1)


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
