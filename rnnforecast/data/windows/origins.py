"""Windows as pairs of item and origin, without their values.

An item is one target of one series; item `s * C + c` is target c of series s. An origin is the
first step of a window's future, counted from the start of its series; all steps before are history.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnnforecast.data.windows.split import Split, min_history
from rnnforecast.types import Bools, Floats, Ints


@dataclass(frozen=True)
class WindowIndex:
    """A list of windows, `[W]` each; targets at step `target_end` or later are not used."""

    item: Ints
    origin: Ints
    target_end: Ints


@dataclass(frozen=True)
class OriginRanges:
    """The origins of each item, `first` to `last`, none if last < first; all `[S * C]`."""

    first: Ints
    last: Ints
    target_end: Ints
    root_length: Floats
    """Square root of the item's number of values before `target_end`."""

    @property
    def n_windows(self) -> int:
        """The number of different windows."""
        return int(np.maximum(self.last - self.first + 1, 0).sum())


def first_observed(target_mask: Bools, offsets: Ints) -> Ints:
    """`[S * C]` the first step of each item in `target_mask [N, C]`; else its length."""
    first = np.zeros((len(offsets) - 1, target_mask.shape[1]), dtype=np.int64)
    late = np.flatnonzero(~target_mask[offsets[:-1]].all(axis=1))  # few, as a rule
    if len(late):
        length = np.diff(offsets)[late]
        start = np.cumsum(length) - length
        steps = np.arange(length.sum()) - np.repeat(start, length)
        rows = steps + np.repeat(offsets[late], length)
        step = np.where(target_mask[rows], steps[:, None], np.iinfo(np.int64).max)
        first[late] = np.minimum(np.minimum.reduceat(step, start), length[:, None])
    return first.reshape(-1)


def training_origins(
    target_mask: Bools, offsets: Ints, *, ends: Ints, horizon: int, season: int
) -> OriginRanges:
    """Origins with targets before `ends [S]`; up to half a horizon may lie beyond and is not used.

    The history of an item starts with its first value in `target_mask [N, C]`.
    """
    channels = target_mask.shape[1]
    end = np.repeat(ends, channels)
    first = first_observed(target_mask, offsets) + min_history(horizon, season)
    # windows whose first half lies before the end are used: short series have few others
    last = np.where(first < end, np.maximum(end - -(-horizon // 2), first), -1)
    counts = np.zeros((len(target_mask) + 1, channels), dtype=np.int64)
    np.cumsum(target_mask, axis=0, out=counts[1:])
    n_observed = (counts[offsets[:-1] + ends] - counts[offsets[:-1]]).reshape(-1)
    return OriginRanges(first, last, end, np.sqrt(n_observed))


def validation_windows(
    split: Split, *, horizon: int, channels: int, max_windows: int
) -> WindowIndex:
    """The validation origins of all items, thinned evenly to `max_windows`."""
    series = np.flatnonzero(split.has_validation)
    shift = np.arange(split.origins_per_series) * split.stride
    origin = (split.train_end[series, None] + shift)[:, :, None]  # [S', origins, 1]
    item = (series[:, None] * channels + np.arange(channels))[:, None, :]  # [S', 1, C]
    shape = (len(series), len(shift), channels)
    count = math.prod(shape)
    kept = np.linspace(0, count - 1, min(count, max_windows)).astype(np.int64)
    item, origin = (np.broadcast_to(part, shape).reshape(-1)[kept] for part in (item, origin))
    return WindowIndex(item, origin, origin + horizon)


def windows_at_origins(origins: Ints, *, horizon: int, channels: int) -> WindowIndex:
    """One window per item, at the origin of its series; `origins [S]`, negative ones are left
    out."""
    series = np.flatnonzero(origins >= 0)
    item = (series[:, None] * channels + np.arange(channels)).reshape(-1)
    origin = np.repeat(origins[series], channels)
    return WindowIndex(item, origin, origin + horizon)
