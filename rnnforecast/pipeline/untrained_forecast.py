"""Forecasts without training on the data: statistical methods and the pretrained network.

Both read the history of one series, and their quantiles are averaged level by level. Of values with
many zeros those of statistical methods are worse at all levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.inference.pretrained import MAX_CONTEXT, pretrained_quantiles
from rnnforecast.parallel.engine import Engine
from rnnforecast.pipeline.forecaster_config import MIN_ZERO_SHARE
from rnnforecast.pipeline.statistical import HistoryParts, by_window, statistical_quantiles
from rnnforecast.statistical.histories import Histories
from rnnforecast.types import Bools, Floats

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
    pretrained = np.empty((len(parts.series), steps, len(levels)))
    weight = np.empty((len(parts.series), 1, 1))
    for part in range(len(parts)):
        rows, histories = parts.rows(part), Histories.from_values(*parts[part])
        pretrained[rows] = pretrained_quantiles(
            histories, seasons=seasons, horizon=steps, levels=levels
        )
        weight[rows, 0, 0] = np.where(_has_many_zeros(histories), 1.0, PRETRAINED_WEIGHT)
    return statistical + by_window(weight, index) * (by_window(pretrained, index) - statistical)


def _has_many_zeros(histories: Histories) -> Bools:
    """`[M]` whether the observed values of a history are never negative, and often zero."""
    values, observed = histories.values, histories.observed
    zeros = ((values == 0) & observed).sum(0)
    lowest = values.min(0, where=observed, initial=np.inf)
    return np.asarray((zeros >= MIN_ZERO_SHARE * observed.sum(0)) & (lowest >= 0))
