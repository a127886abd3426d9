"""Windows as an index: which item, and how many of its steps are history. Never the values.

An item is one target of one series; item `s * C + c` is target c of series s. An origin counts
steps from the series' start: steps before it are history, steps from it on are the future.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnforecast.data.windows.split import Split, min_history
from rnnforecast.types import Ints


@dataclass(frozen=True)
class WindowIndex:
    """Windows one by one, `[W]` each: futures at or after `limit` are not to be used."""

    item: Ints
    origin: Ints
    target_end: Ints


@dataclass(frozen=True)
class OriginRanges:
    """Where windows may be drawn: origins `first .. last`, none if last < first; all `[S * C]`."""

    first: Ints
    last: Ints
    target_end: Ints
    sampling_weight: NDArray[np.float64]
    """How often an item is drawn: the square root of the observed values it can be trained on."""

    @property
    def n_windows(self) -> int:
        """How many different windows there are."""
        return int(np.maximum(self.last - self.first + 1, 0).sum())


def first_observed(observed_mask: NDArray[np.bool_], offsets: Ints) -> Ints:
    """The first observed step of each item `[S * C]`; the series' length where there is none.

    `observed [N, C]`, `offsets [S + 1]`.
    """
    steps = np.arange(len(observed_mask)) - np.repeat(offsets[:-1], np.diff(offsets))
    length = np.diff(offsets)
    step = np.where(observed_mask, steps[:, None], np.iinfo(np.int64).max)  # [N, C]
    return np.minimum(np.minimum.reduceat(step, offsets[:-1]), length[:, None]).reshape(-1)


def training_origins(
    observed_mask: NDArray[np.bool_], offsets: Ints, *, ends: Ints, horizon: int, season: int
) -> OriginRanges:
    """Origins whose targets lie before `ends [S]`; half a horizon may reach beyond and is cut.

    `observed [N, C]`. An item begins with its first observed value.
    """
    channels = observed_mask.shape[1]
    limit = np.repeat(ends, channels)
    first = first_observed(observed_mask, offsets) + min_history(horizon, season)
    # a window half beyond the end still teaches its first half: short series have few others
    last = np.where(first < limit, np.maximum(limit - -(-horizon // 2), first), -1)
    before = np.concatenate([np.zeros((1, channels)), np.cumsum(observed_mask, 0)])  # [N + 1, C]
    known = (before[offsets[:-1] + ends] - before[offsets[:-1]]).reshape(-1)
    return OriginRanges(first, last, limit, np.sqrt(known))


def validation_windows(
    split: Split, *, horizon: int, channels: int, max_windows: int
) -> WindowIndex:
    """The validation origins of all items, thinned evenly to `most` windows."""
    series = np.flatnonzero(split.has_validation)
    ahead = np.arange(split.origins_per_series) * split.stride
    origin = (split.train_end[series, None] + ahead)[:, :, None]  # [S', origins, 1]
    item = (series[:, None] * channels + np.arange(channels))[:, None, :]  # [S', 1, C]
    shape = (len(series), len(ahead), channels)
    count = math.prod(shape)
    kept = np.linspace(0, count - 1, min(count, max_windows)).astype(np.int64)
    item, origin = (np.broadcast_to(part, shape).reshape(-1)[kept] for part in (item, origin))
    return WindowIndex(item, origin, origin + horizon)


def windows_at_origins(origins: Ints, *, horizon: int, channels: int) -> WindowIndex:
    """One window an item, at the origin of its series: `origins [S]`, those below 0 left out."""
    series = np.flatnonzero(origins >= 0)
    item = (series[:, None] * channels + np.arange(channels)).reshape(-1)
    origin = np.repeat(origins[series], channels)
    return WindowIndex(item, origin, origin + horizon)
