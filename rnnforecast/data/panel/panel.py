"""The panel: all series one behind the other in one flat table, each on a regular calendar."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnforecast.data.time.frequency import (
    Frequency,
)
from rnnforecast.data.time.timezones import to_local
from rnnforecast.types import Ints, Timestamps


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
    utc_offset: str
    """The fixed offset the stamps were written with, ``""`` if none."""
    target_names: tuple[str, ...]
    targets: npt.NDArray[np.float64]
    """[N, C] original units, NaN where missing."""
    observed_mask: npt.NDArray[np.bool_]
    """[N, C] False where missing."""
    display_timezone: str = ""
    """Where stamps are instants of UTC: the time zone that people see them in. See `zones`."""
    irregular_timestamps: Timestamps | None = None
    """[N] the stamps of an irregular panel, whose steps are its rows; None where the calendar
    tells them."""
    available_after: Ints | None = None
    """[N, C] the flat row that must have passed before a value drawn between two observations is
    known; None where all values are observed ones."""
    future_steps: Ints | None = None
    """[S] steps beyond each series' end for which there are covariates; None for none."""
    covariates: npt.NDArray[np.float64] | None = None
    """[M, K] as read, NaN where blank, words as codes; series s has ``lengths[s] + ahead[s]`` rows
    here."""
    covariate_names: tuple[str, ...] = ()

    @property
    def n_series(self) -> int:
        """The number of series."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """[S] steps of each series."""
        return np.diff(self.offsets)

    def labels(self) -> npt.NDArray[Any]:
        """[S] one name a series: its key values joined by ``/``, or ``series`` for the only one."""
        return series_labels(self.keys)

    def window_timestamps(self, first_steps: Ints, n_steps: int) -> Timestamps:
        """[S, count] the stamps of steps ``first[s]`` to ``first[s] + count - 1`` of each series.

        ``first`` [S] counts from the series' first step and may lie beyond its end. There an
        irregular panel goes on in steps of its frequency, the usual one.
        """
        if self.irregular_timestamps is not None:
            step = first_steps[:, None] + np.arange(n_steps)  # [S, count]
            last = self.lengths[:, None] - 1
            known = self.irregular_timestamps[self.offsets[:-1, None] + np.clip(step, 0, last)]
            found: Timestamps = known + np.maximum(step - last, 0) * self.frequency.step
            return found
        ordinals = (self.start + first_steps)[:, None] + np.arange(n_steps)[None, :]  # [S, count]
        return self.frequency.timestamps(ordinals, self.phase[:, None])

    def to_display_timezone(self, timestamps: Timestamps) -> Timestamps:
        """Stamps of the panel as people see them: local, where they are instants of UTC."""
        if not self.display_timezone:
            return timestamps
        return to_local(timestamps.reshape(-1), self.display_timezone).reshape(timestamps.shape)

    def flat_timestamps(self, extra_steps: int = 0) -> Timestamps:
        """[N + S * ahead] the stamps of all steps of each series, and `ahead` more behind each."""
        lengths = self.lengths + extra_steps
        offsets = np.r_[0, np.cumsum(lengths)]
        series = np.repeat(np.arange(self.n_series), lengths)
        step = np.arange(offsets[-1]) - offsets[series]
        if self.irregular_timestamps is None:
            return self.frequency.timestamps(self.start[series] + step, self.phase[series])
        last = self.lengths[series] - 1
        known = self.irregular_timestamps[self.offsets[series] + np.minimum(step, last)]
        found: Timestamps = known + np.maximum(step - last, 0) * self.frequency.step
        return found

    def filter_series(self, mask: npt.NDArray[np.bool_]) -> Panel:
        """The panel of only those series where ``mask`` [S] is true, in the same order."""
        rows = np.repeat(mask, self.lengths)  # [N]
        ahead = np.zeros_like(self.lengths) if self.future_steps is None else self.future_steps
        wide = np.repeat(mask, self.lengths + ahead)  # [M]
        offsets = np.r_[0, np.cumsum(self.lengths[mask])]
        settled = self.available_after
        if settled is not None:  # row numbers move with the series
            moved = np.repeat(offsets[:-1] - self.offsets[:-1][mask], self.lengths[mask])
            settled = settled[rows] + moved[:, None]
        return replace(
            self,
            keys=self.keys.loc[mask].reset_index(drop=True),
            offsets=offsets,
            start=self.start[mask],
            phase=self.phase[mask],
            targets=self.targets[rows],
            observed_mask=self.observed_mask[rows],
            irregular_timestamps=None
            if self.irregular_timestamps is None
            else self.irregular_timestamps[rows],
            available_after=settled,
            future_steps=None if self.future_steps is None else self.future_steps[mask],
            covariates=None if self.covariates is None else self.covariates[wide],
        )


def series_labels(keys: pd.DataFrame) -> npt.NDArray[Any]:
    """[S] one name a series: its key values joined by ``/``, or ``series`` for the only one."""
    if keys.shape[1] == 0:
        return np.full(len(keys), "series", dtype=object)
    names = keys.iloc[:, 0].astype(str)
    for column in range(1, keys.shape[1]):
        names = names + "/" + keys.iloc[:, column].astype(str)
    return names.to_numpy(dtype=object)
