"""Changes of series from one season to the next: their mean, mean size and mean square.

Arrays are flat panels: S series, N rows, C targets.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rnnforecast.types import Floats, Ints


def seasonal_moment(
    values: Floats, offsets: Ints, *, season: int, ends: Ints, power: int
) -> Floats:
    """Mean of ``|y_t - y_{t-season}| ** power`` before `ends`, `[S, C]`; NaN without any pair.

    Args:
        values: `[N, C]` flat, NaN where missing; original units.
        offsets: `[S+1]` the flat row of the start of each series, and N.
        season: steps; 1 for none.
        ends: `[S]` the flat row after the history of each series.
        power: 1 for the mean absolute, 2 for the mean squared difference.
    """
    total, count = _sum_seasonal_changes(
        values, offsets, season=season, ends=ends, function=lambda change: np.abs(change) ** power
    )
    return total / np.where(count > 0, count, np.nan)


def mean_seasonal_change(
    values: Floats, offsets: Ints, *, season: int, ends: Ints
) -> tuple[Floats, Ints]:
    """Mean of ``y_t - y_{t-season}`` before `ends`, NaN without any pair, and the number of pairs;
    `[S, C]` each. Arguments as for `seasonal_moment`."""
    total, count = _sum_seasonal_changes(
        values, offsets, season=season, ends=ends, function=lambda change: change
    )
    return total / np.where(count > 0, count, np.nan), count


def _sum_seasonal_changes(
    values: Floats,
    offsets: Ints,
    *,
    season: int,
    ends: Ints,
    function: Callable[[Floats], Floats],
) -> tuple[Floats, Ints]:
    """Sum of `function` of the seasonal changes before `ends`, and their number, `[S, C]` each."""
    check_ends(offsets, ends)
    n_series, targets = len(ends), values.shape[1]
    series = np.repeat(np.arange(n_series), np.diff(offsets))  # [N]
    row = np.arange(len(values))
    # both rows are of one history
    later = row[(row - season >= offsets[series]) & (row < ends[series])]
    step = function(values[later] - values[later - season])
    pair, target = np.nonzero(~np.isnan(step))
    index = series[later[pair]] * targets + target
    # `bincount` adds in the order of the rows: a sum does not depend on the other series
    shape, cells = (n_series, targets), n_series * targets
    total: Floats = np.bincount(index, step[pair, target], cells).astype(np.float64)
    return total.reshape(shape), np.bincount(index, minlength=cells).reshape(shape)


def check_ends(offsets: Ints, ends: Ints) -> None:
    """ValueError if an end is not a flat row of its own series, or the row after its last."""
    if not ((offsets[:-1] <= ends) & (ends <= offsets[1:])).all():
        raise ValueError("`ends` are flat rows, each from the start to the end of its own series")
