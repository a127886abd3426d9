"""Changes of series from one season to the next: their mean, mean size and mean square.

Arrays are flat panels: S series, N rows, C targets; M histories, of which a series may have several
that end at different rows. A history's figure does not depend on the other series and histories.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.types import Floats, Ints

MAX_CELLS_AT_ONCE = 1_000_000
"""About the most values that are summed at a time."""


def seasonal_moment(
    values: Floats,
    offsets: Ints,
    *,
    season: int,
    ends: Ints,
    power: int,
    series: Ints | None = None,
) -> Floats:
    """Mean of ``|y_t - y_{t-season}| ** power`` before `ends`, `[M, C]`; NaN without any pair.

    Args:
        values: `[N, C]` flat, NaN where missing; original units.
        offsets: `[S+1]` the flat row of the start of each series, and N.
        season: steps; 1 for none.
        ends: `[M]` the flat row after each history.
        power: 1 for the mean absolute, 2 for the mean squared difference.
        series: `[M]` the series of each history; by default one of each series.
    """
    change = np.abs(_seasonal_changes(values, offsets, season)) ** power
    return mean_before(change, offsets, series=series, ends=ends)[0]


def mean_seasonal_change(
    values: Floats, offsets: Ints, *, season: int, ends: Ints, series: Ints | None = None
) -> tuple[Floats, Ints]:
    """Mean of ``y_t - y_{t-season}`` before `ends`, NaN without any pair, and the number of pairs;
    `[M, C]` each. Arguments as for `seasonal_moment`."""
    change = _seasonal_changes(values, offsets, season)
    return mean_before(change, offsets, series=series, ends=ends)


def _seasonal_changes(values: Floats, offsets: Ints, season: int) -> Floats:
    """`[N, C]` the change of each value from that of a season before, NaN without one."""
    step = np.arange(len(values)) - np.repeat(offsets[:-1], np.diff(offsets))
    change = np.full(values.shape, np.nan)
    change[season:] = values[season:] - values[:-season]
    change[step < season] = np.nan
    return change


def mean_before(
    values: Floats, offsets: Ints, *, series: Ints | None, ends: Ints
) -> tuple[Floats, Ints]:
    """Mean of `values [N, C]` from the start of a series to `ends`, NaN without any, and their
    number, `[M, C]` each. NaN values do not count; other arguments as for `seasonal_moment`."""
    check_ends(offsets, ends, series)
    begin = offsets[:-1] if series is None else offsets[series]
    known = ~np.isnan(values)
    counts = np.concatenate([np.zeros((1, values.shape[1]), np.int64), known.cumsum(0)])
    count = counts[ends] - counts[begin]
    if not len(values):
        return np.full(count.shape, np.nan), count
    sums = _cumulative_sums(np.where(known, values, 0.0), offsets)
    total = np.where((ends > begin)[:, None], sums[np.maximum(ends - 1, 0)], 0.0)
    return total / np.where(count > 0, count, np.nan), count


def _cumulative_sums(values: Floats, offsets: Ints) -> Floats:
    """`[N, C]` the sum of `values` from the start of a series to each row, step after step, so that
    it does not depend on the other series."""
    sums, lengths = np.empty_like(values), np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")  # longest first: little padding in a block
    first = 0
    while first < len(order) and lengths[order[first]] > 0:
        longest = int(lengths[order[first]])
        block = order[first : first + max(1, MAX_CELLS_AT_ONCE // longest)]
        step = np.arange(longest)[:, None]
        inside = step < lengths[block]
        rows = np.where(inside, offsets[block] + step, 0)
        sums[rows[inside]] = np.where(inside[..., None], values[rows], 0.0).cumsum(0)[inside]
        first += len(block)
    return sums


def check_ends(offsets: Ints, ends: Ints, series: Ints | None = None) -> None:
    """ValueError if an end is not a flat row of its own series, or the row after its last."""
    begin, end = offsets[:-1], offsets[1:]
    if series is not None:
        begin, end = begin[series], end[series]
    if not ((begin <= ends) & (ends <= end)).all():
        raise ValueError("`ends` are flat rows, each from the start to the end of its own series")
