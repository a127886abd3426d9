"""Statistical forecasts of windows: each from the history of its own series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnnforecast.data.cleaning_plan import CleanedData
from rnnforecast.data.windows.origins import WindowIndex
from rnnforecast.statistical import combination
from rnnforecast.statistical.histories import Histories, history_rows
from rnnforecast.types import Floats, Ints

MAX_VALUES_AT_ONCE = 1_000_000
"""About the most values of histories in memory at a time."""


def statistical_quantiles(
    cleaned: CleanedData,
    index: WindowIndex,
    levels: Sequence[float],
    *,
    steps: int,
    horizon: int,
    seasons: tuple[int, ...],
    joint: bool,
) -> Floats:
    """Quantiles of the statistical combination for the windows of `index`, in transformed units.

    Args:
        levels: the Q levels.
        steps: steps ahead.
        horizon: the horizon of the run; a forecast of more or fewer steps has the same first ones.
        seasons: in steps, the main one first; none without a season.
        joint: whether an item is a series with all its targets, or one target of it.

    Returns:
        `[W, steps, C, Q]`, with C = 1 unless `joint`; NaN without a value before the origin.
    """
    targets, seasons = cleaned.values.shape[1], seasons or (1,)
    if joint:
        series, target = index.item.repeat(targets), np.tile(np.arange(targets), len(index.item))
        origin = index.origin.repeat(targets)
    else:
        series, target, origin = index.item // targets, index.item % targets, index.origin
    longest = int(min(origin.max(initial=1), combination.longest_history(seasons[0], horizon)))
    size = max(1, MAX_VALUES_AT_ONCE // max(longest, 1))
    parts = [
        combination.forecast(
            _histories(cleaned, series[part], target[part], origin[part], longest),
            seasons=seasons,
            horizon=max(steps, horizon),
            error_steps=horizon,
            levels=levels,
        )
        for part in (slice(first, first + size) for first in range(0, len(series), size))
    ]
    values = np.concatenate([np.empty((0, max(steps, horizon), len(levels))), *parts])
    values = values[:, :steps].reshape(len(index.item), -1, steps, len(levels))
    return np.asarray(values.swapaxes(1, 2))


def _histories(
    cleaned: CleanedData, series: Ints, target: Ints, origin: Ints, max_steps: int
) -> Histories:
    """Histories of one target each, with imputed values as far as they are known at the origin."""
    filled, first_row = cleaned.filled, cleaned.panel.offsets[series]
    rows = history_rows(first_row, origin, max_steps=max_steps)  # [T, M]
    cell = np.maximum(rows, 0), target
    values = filled.inputs[cell]
    is_value, observed = filled.value_mask[cell], cleaned.target_mask[cell]
    if filled.known_from is not None:
        known = filled.known_from[cell] < first_row + origin
        values = np.where(known, values, filled.causal_inputs[cell])
        is_value &= known | ~observed
        observed &= known
    inside = (rows >= 0) & is_value
    return Histories.from_values(np.where(inside, values, np.nan), observed & inside)
