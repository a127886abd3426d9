"""Missing values filled for the inputs of a model, without a glance at the future.

A *reader* stands at an origin: a flat row of the panel, the first one it may not see. Whatever
happens in that row and after it must not change what the reader is given for the rows before.
All methods but ``linear`` look back only, so their result holds for every origin at once. A
straight line across a gap needs the value behind the gap; until that is known the reader gets the
last value before the gap instead. ``known_from`` says, cell by cell, which of the two applies::

    value = where(known_from[row] < origin, inputs[row], causal[row])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.indexers import BaseIndexer

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

Method = Literal["mask", "ffill", "mean", "median", "zero", "linear"]


@dataclass(frozen=True)
class Filled:
    """The targets without a missing value, in original units."""

    inputs: Floats
    """[N, C] observed values as they are, the others filled; 0 before the first observation."""
    visible: Bools
    """[N, C] whether a model is to take the value as one (else it is told that it is missing)."""
    causal: Floats
    """[N, C] what stands in for `inputs` while the fill is not known yet; for all methods but
    ``linear`` the same array as `inputs`."""
    known_from: Ints | None
    """[N, C] the flat row that completes the knowledge behind `inputs`: the next observation for
    a row inside a gap, the row itself elsewhere. None: `inputs` may always be used."""

    def at(self, origin: int) -> Floats:
        """What a reader at the flat row `origin` may use: the rows before it, `[origin, C]`."""
        if self.known_from is None:
            return self.inputs[:origin]
        known = self.known_from[:origin] < origin
        return np.where(known, self.inputs[:origin], self.causal[:origin])


def fill(values: Floats, observed: Bools, offsets: Ints, method: Method) -> Filled:
    """Fill the cells that are not observed; observed ones are never touched.

    mask    the last observed value, and the model is told that it is missing
    ffill   the last observed value
    mean    the mean of the series so far
    median  the median of the series so far
    zero    0, before the first observation too
    linear  on the straight line between the neighbours; the last observed value after the last

    Args:
        values: `[N, C]` original units; cells that are not observed may hold anything.
        observed: `[N, C]`.
        offsets: `[S+1]` the flat row at which each series begins, and N.
        method: one of the above.

    Before the first observation `visible` is False, but for ``zero``, which says what was there.
    """
    values = np.where(observed, values, 0.0)
    start = np.repeat(offsets[:-1], np.diff(offsets))  # [N] the first row of each row's series
    begun, last = _last_observed(observed, start)
    forward = np.where(begun, np.take_along_axis(values, last, axis=0), 0.0)
    if method == "mask":
        return Filled(forward, observed.copy(), forward, None)
    if method == "ffill":
        return Filled(forward, begun, forward, None)
    if method == "zero":
        return Filled(values, np.ones_like(observed), values, None)
    if method == "linear":
        inputs, known_from = _linear(values, observed, offsets, begun, last)
        return Filled(inputs, begun, forward, known_from)
    so_far = _so_far(values, observed, start, method)
    inputs = np.where(observed, values, np.where(begun, so_far, 0.0))
    return Filled(inputs, begun, inputs, None)


def _last_observed(observed: Bools, start: Ints) -> tuple[Bools, Ints]:
    """Whether a row or one before it in its series is observed, and which one; both `[N, C]`."""
    rows = np.arange(len(observed), dtype=np.int64)[:, None]
    last = np.where(observed, rows, np.int64(-1))
    np.maximum.accumulate(last, axis=0, out=last)
    begun = last >= start[:, None]  # an observation of an earlier series does not count
    return begun, np.where(begun, last, rows)


def _linear(
    values: Floats, observed: Bools, offsets: Ints, begun: Bools, last: Ints
) -> tuple[Floats, Ints]:
    """The straight line across each gap, and the row at which it is known; both `[N, C]`."""
    count = len(values)
    rows = np.arange(count, dtype=np.int64)[:, None]
    end = np.repeat(offsets[1:], np.diff(offsets))[:, None]
    following = np.where(observed, rows, np.int64(count))
    following = np.minimum.accumulate(following[::-1], axis=0)[::-1]  # [N, C]
    inside = begun & ~observed & (following < end)  # between two observations of the same series
    following = np.where(inside, following, rows)
    before = np.take_along_axis(values, last, axis=0)
    after = np.take_along_axis(values, following, axis=0)
    share = np.where(inside, rows - last, 0) / np.where(inside, following - last, 1)
    # Not `before + share * (after - before)`: the difference of two huge values overflows.
    line = np.where(inside, before * (1.0 - share) + after * share, before)
    return np.where(begun, line, 0.0), following


class _SeriesSoFar(BaseIndexer):
    """For pandas: the window of a row runs from the start of its series to the row itself."""

    def __init__(self, start: Ints) -> None:
        super().__init__()
        self.start = start

    def get_window_bounds(
        self,
        num_values: int = 0,
        min_periods: int | None = None,
        center: bool | None = None,
        closed: str | None = None,
        step: int | None = None,
    ) -> tuple[Ints, Ints]:  # pandas asks for exactly these arguments
        return self.start, np.arange(1, num_values + 1, dtype=np.int64)


def _so_far(
    values: Floats, observed: Bools, start: Ints, method: Literal["mean", "median"]
) -> Floats:
    """The mean or median of the observed values up to each row, `[N, C]`, NaN before the first.

    pandas slides over the flat table once and begins anew with each series; a running sum over
    the whole table would let a large series spoil the digits of the next one.
    """
    if values.size == 0:
        return values.copy()
    window = pd.DataFrame(np.where(observed, values, np.nan)).rolling(
        _SeriesSoFar(start), min_periods=1
    )
    return (window.mean() if method == "mean" else window.median()).to_numpy()
