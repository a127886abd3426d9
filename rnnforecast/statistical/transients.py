"""Transients: short runs of values far from those a season before and after them, such as a strike.

After a transient a series goes on as before. Read as changes of the level, its steps would make
every forecast cautious about the trend, and intervals wide, for years. Changes that last a season
or more are no transients, and neither are those of the last season, of which this cannot be known.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Bools, Floats

SHORTEST_SEASON = 7
"""Of shorter seasons single values would be compared with few others."""

MIN_SIZE = 4.0
"""Distance from the mean of the values a season before and after, in usual distances."""

MIN_AGREEMENT = 0.6
"""Smallest share of its distance that a transient has from the value before and from that after; a
lasting change has none from one of them."""

MAX_SHARE = 0.1
"""Histories with a larger share of such steps are left as they are: they are merely irregular."""

NORMAL_SCALE = 1.4826
"""Standard deviation of a normal variable, in median absolute values."""


def without_transients(histories: Histories, *, season: int) -> Histories:
    """The histories with transients replaced by the mean of the values a season before and after,
    and not observed."""
    values = histories.values
    if season < SHORTEST_SEASON or len(values) <= 2 * season:
        return histories
    found = _find_transients(*_seasonal_changes(_by_level(histories), season), histories, season)
    before, after = _seasonal_changes(values, season)
    return replace(
        histories,
        values=np.where(found, values - (before + after) / 2, values),
        observed=histories.observed & ~found,
    )


def _by_level(histories: Histories) -> Floats:
    """The values `[T, M]`, or their logarithms where all of a history are positive: what is usual
    is often a share of the level."""
    inside = np.arange(len(histories.values))[:, None] >= histories.start
    is_positive = (~inside | (histories.values > 0)).all(0)
    logarithms = np.log(np.where(inside & is_positive, histories.values, 1.0))
    return np.where(is_positive, logarithms, histories.values)


def _seasonal_changes(values: Floats, season: int) -> tuple[Floats, Floats]:
    """Differences from the values a season before and after, `[T, M]` each; 0 without one."""
    before, after = np.zeros_like(values), np.zeros_like(values)
    before[season:] = values[season:] - values[:-season]
    after[:-season] = values[:-season] - values[season:]
    return before, after


def _find_transients(before: Floats, after: Floats, histories: Histories, season: int) -> Bools:
    """Which steps `[T, M]` are transients, by their differences from the values a season before
    and after."""
    row = np.arange(len(before))[:, None]
    has_before = row - season >= histories.start
    has_both = has_before & (row < len(before) - season)
    drift = _median(before, has_before)  # of a season
    distance = (before + after) / 2
    usual = NORMAL_SCALE * _median(np.abs(distance), has_both)
    sign = np.sign(distance)
    least = np.minimum(sign * (before - drift), sign * (after + drift))
    size = np.abs(distance)
    found = has_both & (size > MIN_SIZE * usual) & (least >= MIN_AGREEMENT * size) & (usual > 0)
    return np.asarray(found & (found.sum(0) <= MAX_SHARE * histories.lengths))


def _median(values: Floats, known: Bools) -> Floats:
    """Medians `[M]` of the known values of each column of `[T, M]`; 0 without any."""
    ordered = np.sort(np.where(known, values, np.inf), axis=0)
    count, column = known.sum(0), np.arange(values.shape[1])
    low, high = ordered[np.maximum(count - 1, 0) // 2, column], ordered[count // 2, column]
    return np.where(count > 0, (low + np.where(count % 2 == 1, low, high)) / 2, 0.0)
