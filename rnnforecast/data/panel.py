"""The panel: all series one behind the other in one flat table, each on a regular calendar."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.frequency import Frequency, Ints, Times


@dataclass(frozen=True)
class Panel:
    """Regular series, one behind the other; step ``i`` of series ``s`` is row ``offsets[s] + i``.

    S series, N steps of all series together, C targets. Values are in original units.
    """

    keys: pd.DataFrame
    """[S, series columns] what names each series; no column for a single series."""
    offsets: Ints
    """[S + 1] the flat row at which each series begins, and N."""
    start: Ints
    """[S] the calendar ordinal of each series' first step."""
    phase: Ints
    """[S] what each series' stamps have besides the ordinal, see ``Frequency.phase``."""
    frequency: Frequency
    timezone: str
    """The fixed offset the stamps were written with, ``""`` if none."""
    targets_names: tuple[str, ...]
    targets: npt.NDArray[np.float64]
    """[N, C] original units, NaN where missing."""
    observed: npt.NDArray[np.bool_]
    """[N, C] False where missing."""

    @property
    def size(self) -> int:
        """The number of series."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """[S] steps of each series."""
        return np.diff(self.offsets)

    def labels(self) -> npt.NDArray[Any]:
        """[S] one name a series: its key values joined by ``/``, or ``series`` for the only one."""
        return labels(self.keys)

    def stamps(self, first: Ints, count: int) -> Times:
        """[S, count] the stamps of steps ``first[s]`` to ``first[s] + count - 1`` of each series.

        ``first`` [S] counts from the series' first step and may lie beyond its end.
        """
        ordinals = (self.start + first)[:, None] + np.arange(count)[None, :]  # [S, count]
        return self.frequency.stamps(ordinals, self.phase[:, None])

    def select(self, mask: npt.NDArray[np.bool_]) -> Panel:
        """The panel of only those series where ``mask`` [S] is true, in the same order."""
        rows = np.repeat(mask, self.lengths)  # [N]
        return replace(
            self,
            keys=self.keys.loc[mask].reset_index(drop=True),
            offsets=np.r_[0, np.cumsum(self.lengths[mask])],
            start=self.start[mask],
            phase=self.phase[mask],
            targets=self.targets[rows],
            observed=self.observed[rows],
        )


def labels(keys: pd.DataFrame) -> npt.NDArray[Any]:
    """[S] one name a series: its key values joined by ``/``, or ``series`` for the only one."""
    if keys.shape[1] == 0:
        return np.full(len(keys), "series", dtype=object)
    names = keys.iloc[:, 0].astype(str)
    for column in range(1, keys.shape[1]):
        names = names + "/" + keys.iloc[:, column].astype(str)
    return names.to_numpy(dtype=object)
