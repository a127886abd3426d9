"""Means of weeks of each series, which a yearly season is fitted to."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rnnforecast.data.cleaning.harmonic_regression import WEEKS_PER_YEAR, fourier_terms
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.calendar_features import year_fraction
from rnnforecast.data.time.frequency import WEEK, Frequency
from rnnforecast.types import Bools, Floats, Ints

MIN_YEARS = 2.0
"""The fewest years of a training part in which a yearly season can be seen."""
MAX_WEEKS = 313
"""The last weeks that a season is fitted to, six years: over longer times its course changes."""
MIN_RELATIVE_MEAN = 0.05
"""Lower bound of the mean of a week before its log, relative to the mean of the series."""


def steps_per_week(frequency: Frequency) -> int:
    """Steps of a week, at least 1; 0 where no course within the year can be estimated."""
    if frequency.kind == "fixed" and frequency.step <= 2 * WEEK:
        return max(WEEK // frequency.step, 1)
    if frequency.calendar is not None:
        return len(frequency.calendar.open_slots) // frequency.step
    return 0


def is_year(season: int, frequency: Frequency) -> bool:
    """Whether a season of so many steps is about a year."""
    per_week = steps_per_week(frequency)
    return per_week > 0 and abs(season / per_week - WEEKS_PER_YEAR) < 0.5


class WeeklyMeans(NamedTuple):
    """Means of weeks, one after the other by item; R weeks of I items."""

    z: Floats
    """[R] logs, or values relative to the size of the item."""
    weight: Floats
    """[R] share of the steps with values; 0 where `z` is 0 for want of values."""
    fraction: Floats
    """[R] share of the year that has passed."""
    time: Floats
    """[R] -1 to 1 over the item."""
    week: Ints
    """[R] number of the week since the first one of all items."""
    offsets: Ints
    """[I + 1] the row at which each item begins, and R."""
    size: Floats
    """[s, C] mean absolute value of each series and target."""

    @property
    def lengths(self) -> Ints:
        """[I] weeks of each item."""
        return np.diff(self.offsets)

    def design(self, degree: int, harmonics: int) -> Floats:
        """[R, degree + 1 + 2K] regressors: a polynomial trend, then the course of the year."""
        trend = np.polynomial.legendre.legvander(self.time, degree)
        return np.hstack([trend, fourier_terms(self.fraction, harmonics)])


def weekly_means(
    panel: Panel, values: Floats, mask: Bools, ends: Ints, series: Ints, *, is_multiplicative: bool
) -> WeeklyMeans:
    """The means of the last weeks before the steps `ends [S]` of the given series, by target.

    Items are ordered by series, then target. `values` and `mask` are `[N, C]`.
    """
    per_week, n_targets = steps_per_week(panel.frequency), values.shape[1]
    weeks = np.minimum(ends[series] // per_week, MAX_WEEKS)  # [s]
    offsets = np.r_[0, np.cumsum(weeks)]
    owner = np.repeat(np.arange(len(series)), weeks)
    number = np.arange(offsets[-1]) - offsets[owner]
    number += (ends[series] // per_week - weeks)[owner]
    first = panel.offsets[series][owner] + number * per_week  # [R]
    sums, counts = np.zeros((len(first), n_targets)), np.zeros((len(first), n_targets))
    for step in range(per_week):
        known = mask[first + step]
        sums += np.where(known, values[first + step], 0.0)
        counts += known
    middle = number * per_week + per_week // 2
    ordinals = panel.start[series][owner] + middle
    time = panel.frequency.timestamps(ordinals, panel.phase[series][owner])
    week = panel.start[series][owner] // per_week + number
    mean = sums / np.maximum(counts, 1)
    size = _segment_means(np.abs(mean), counts > 0, offsets)  # [s, C]
    size = np.where(size > 0, size, 1.0)
    z = mean / size[owner]
    if is_multiplicative:
        z = np.log(np.maximum(z, MIN_RELATIVE_MEAN))
    z = np.where(counts > 0, z, 0.0)

    def by_item(table: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """[R, C] rows of all items; a vector is repeated for each target."""
        wide = np.broadcast_to(table.reshape(len(first), -1), (len(first), n_targets))
        return np.asarray(wide[order_rows, order_columns])

    lengths = np.repeat(weeks, n_targets)
    item_offsets = np.r_[0, np.cumsum(lengths)]
    item = np.repeat(np.arange(len(lengths)), lengths)
    position = np.arange(item_offsets[-1]) - item_offsets[item]
    order_rows, order_columns = offsets[item // n_targets] + position, item % n_targets
    return WeeklyMeans(
        z=by_item(z),
        weight=by_item(counts / per_week),
        fraction=by_item(year_fraction(panel.to_display_timezone(time))),
        time=2 * position / np.maximum(lengths - 1, 1)[item] - 1,
        week=by_item(week - (week.min() if len(week) else 0)),
        offsets=item_offsets,
        size=size,
    )


def _segment_means(values: Floats, mask: Bools, offsets: Ints) -> Floats:
    """Means of `values [R, C]` over `mask` in each segment, 0 without any; `[s, C]`."""
    zero = np.zeros((1, values.shape[1]))
    total = np.concatenate([zero, np.cumsum(np.where(mask, values, 0.0), 0)])
    count = np.concatenate([zero, np.cumsum(mask, 0)])
    n = count[offsets[1:]] - count[offsets[:-1]]
    return np.asarray((total[offsets[1:]] - total[offsets[:-1]]) / np.maximum(n, 1))


def has_enough_years(frequency: Frequency, steps: Ints) -> Bools:
    """Whether `steps [S]` are at least `MIN_YEARS`; False where steps are months or numbers."""
    per_week = steps_per_week(frequency)
    return np.asarray((steps >= MIN_YEARS * WEEKS_PER_YEAR * per_week) & (per_week > 0))
