"""Reliability of quantile forecasts: observed frequencies of the levels, and the PIT histogram.

The probability integral transform (PIT) of a value is its cumulative probability by the forecast;
of calibrated forecasts it is uniformly distributed (Dawid 1984). Quantiles bound it only: a value
between two quantiles may have any level between theirs. Histograms spread it evenly there, as
Czado, Gneiting and Held 2009, "Predictive model assessment for count data", equation 2, do for
counts; a random value of it is uniform there. Whole numbers stand for everything that is rounded to
them.

Arrays: M windows, H horizon steps, C targets, Q quantiles, in original units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rnnforecast.evaluation.bootstrap import bootstrap_means
from rnnforecast.evaluation.evaluated_windows import EvaluatedWindows, WindowForecast
from rnnforecast.evaluation.verdict import overlapping_windows
from rnnforecast.types import Floats, Ints


@dataclass(frozen=True)
class Reliability:
    """How often values are below each quantile, and the histogram of their PIT."""

    levels: tuple[float, ...]
    observed: Floats
    """`[Q]` share of the values at or below each quantile. Of values equal to it, as many count as
    bring it nearest to the level: with many zeros a quantile of 0 is right for many levels."""
    low: Floats
    high: Floats
    """`[Q]` the interval of `observed` at 95 %, by `bootstrap`; NaN with too few windows."""
    edges: Floats
    """`[Q + 2]` bounds of the bars of the histogram: 0, the levels, 1."""
    density: Floats
    """`[Q + 1]` share of the values in each bar, relative to its probability; 1 if calibrated."""
    values: int
    """Observed values with a forecast."""


def reliability(windows: EvaluatedWindows, forecast: WindowForecast | None = None) -> Reliability:
    """The reliability of a forecast, by default the model's; observed values of all targets count
    alike."""
    quantiles = (windows.forecast if forecast is None else forecast).quantiles
    levels = np.asarray(windows.levels, dtype=np.float64)
    known = ~np.isnan(windows.actual) & ~np.isnan(quantiles).any(-1)
    count = known.sum((1, 2)).astype(np.float64)  # [M]
    totals = []
    for index, level in enumerate(levels):
        below = (known & (windows.actual < quantiles[..., index])).sum((1, 2))
        ties = (known & (windows.actual == quantiles[..., index])).sum((1, 2))
        share = (level * count.sum() - below.sum()) / max(ties.sum(), 1)
        totals.append(below + ties * np.clip(share, 0.0, 1.0))
    total = np.stack(totals, -1) if totals else np.empty((len(count), 0))
    found = bootstrap_means(
        total,
        np.repeat(count[:, None], len(levels), axis=1),
        series=windows.series,
        window=windows.window,
        overlap=overlapping_windows(windows),
    )
    edges = np.concatenate([[0.0], levels, [1.0]])
    low, high = pit_bounds(windows.actual[known], quantiles[known], windows.levels)
    return Reliability(
        levels=windows.levels,
        observed=found.mean,
        low=np.clip(found.low, 0.0, 1.0),
        high=np.clip(found.high, 0.0, 1.0),
        edges=edges,
        density=pit_histogram(low, high, edges),
        values=int(known.sum()),
    )


def pit_bounds(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> tuple[Floats, Floats]:
    """The lowest and the highest cumulative probability `[N]` of the values `actual [N]` by the
    ascending `quantiles [N, Q]`.

    Whole numbers, if all are, reach from y - 1/2 to y + 1/2, by linear interpolation of the levels.
    A value equal to quantiles may have any level between their neighbors.
    """
    if not len(actual):
        return np.empty(0), np.empty(0)
    edges = np.concatenate([[0.0], levels, [1.0]])
    step = 1.0 if (actual == np.round(actual)).all() else 0.0
    lower, upper = actual - step / 2, actual + step / 2
    low_bar = (quantiles < lower[:, None]).sum(1).astype(np.int64)  # the bar that it is in
    high_bar = (quantiles <= upper[:, None]).sum(1).astype(np.int64)
    first, last = edges[low_bar], edges[high_bar + 1]
    if step == 0.0:
        return first, last
    low = first + _share_of_bar(lower, quantiles, low_bar, 0.0) * (edges[low_bar + 1] - first)
    share = _share_of_bar(upper, quantiles, high_bar, 1.0)
    high = edges[high_bar] + share * (last - edges[high_bar])
    is_interval = high > low  # but for numbers so large that the step is nothing beside them
    return np.where(is_interval, low, first), np.where(is_interval, high, last)


def _share_of_bar(value: Floats, quantiles: Floats, bar: Ints, outside: float) -> Floats:
    """Where `value [N]` lies between the quantiles beside its bar, from 0 to 1; `outside` for the
    first and the last bar."""
    last = quantiles.shape[1]
    inside = (bar > 0) & (bar < last)
    left, right = (
        np.take_along_axis(quantiles, np.clip(bar - shift, 0, last - 1)[:, None], 1)[:, 0]
        for shift in (1, 0)
    )
    width = np.where(inside & (right > left), right - left, 1.0)
    return np.where(inside, np.clip((value - left) / width, 0.0, 1.0), outside)


def pit_histogram(low: Floats, high: Floats, edges: Floats) -> Floats:
    """The expected density of the PIT in each bar, with the PIT of each of the N values uniform
    between `low` and `high`; NaN without values."""
    if not len(low):
        return np.full(len(edges) - 1, np.nan)
    width = np.where(high > low, high - low, 1.0)
    shares = []
    for first, last in pairwise(edges):
        overlap = np.minimum(high, last) - np.maximum(low, first)
        shares.append(np.maximum(overlap, 0.0) / width)
    return np.array([share.mean() for share in shares]) / np.diff(edges)
