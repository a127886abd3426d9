"""Forecasts without training on the data: statistical methods and the pretrained network.

Both read the history of one series, and their quantiles are averaged level by level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.inference.pretrained import MAX_CONTEXT, pretrained_quantiles
from rnnforecast.parallel.engine import Engine
from rnnforecast.pipeline.statistical import HistoryParts, by_window, statistical_quantiles
from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Floats

if TYPE_CHECKING:
    from rnnforecast.data.cleaning_plan import CleanedData
    from rnnforecast.data.windows.origins import WindowIndex

PRETRAINED_WEIGHT = 0.5
"""Of the pretrained network; the statistical methods have the rest."""


def untrained_quantiles(
    cleaned: CleanedData,
    index: WindowIndex,
    levels: Sequence[float],
    *,
    steps: int,
    horizon: int,
    seasons: tuple[int, ...],
    joint: bool,
    engine: Engine | None = None,
) -> Floats:
    """Quantiles `[W, steps, C, Q]` of the windows of `index`, in transformed units; arguments as of
    `statistical_quantiles`."""
    statistical = statistical_quantiles(
        cleaned,
        index,
        levels,
        steps=steps,
        horizon=horizon,
        seasons=seasons,
        joint=joint,
        engine=engine,
    )
    parts = HistoryParts.of_windows(cleaned, index, MAX_CONTEXT, joint=joint)
    found = np.empty((len(parts.series), steps, len(levels)))
    for part in range(len(parts)):
        found[parts.rows(part)] = pretrained_quantiles(
            Histories.from_values(*parts[part]), seasons=seasons, horizon=steps, levels=levels
        )
    pretrained = by_window(found, index)
    return statistical + PRETRAINED_WEIGHT * (pretrained - statistical)
