"""Spikes in data that are forecast without a training: values far beyond all others of a series.

One of them near the end of a short series hides its season and level from all methods. If the
series went on as before, it is taken as missing; else it may be a new level, and is only reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rnnforecast.data.cleaning_plan import AlignedData
from rnnforecast.data.io.reading_notes import ReadingNote
from rnnforecast.data.panel.implausible import largest_usual_sizes
from rnnforecast.data.panel.panel import Panel
from rnnforecast.data.time.format import format_timestamp
from rnnforecast.data.time.grid import reduce_per_series
from rnnforecast.errors import Problem
from rnnforecast.pipeline.forecaster_config import MIN_ZERO_SHARE
from rnnforecast.spec.data import CleanSpec
from rnnforecast.types import Bools, Floats, Ints

MAX_RATIO = 10.0
"""The largest size that is no spike, relative to the largest usual size of the series. No series of
M1, M3, tourism, hospital and M4 hourly has a value of more than four times that."""
MAX_RETURN = 2.0
"""The largest size of the value after a spike, relative to the same, where a series goes on as
before."""
MAX_STEPS = 3
"""Steps of a spike. Longer ones, and several in a series, may come again."""


@dataclass(frozen=True)
class Spikes:
    """n values of a target far beyond all others of their series."""

    row: Ints
    """`[n]` of the panel, in order."""
    usual: Floats
    """`[n]` the largest usual size of the series."""
    has_passed: Bools
    """`[n]` whether the series went on as before."""

    @classmethod
    def find(cls, panel: Panel, target: int) -> Spikes:
        """The spikes of a target; none in series that are often zero, whose values are rare."""
        size, series = np.abs(panel.targets[:, target]), panel.series
        usual = largest_usual_sizes(
            size, series, panel.offsets, compare_series=False, max_ratio=MAX_RATIO
        )
        zeros = reduce_per_series(np.add, (size == 0).astype(np.int64), panel.offsets, 0)
        usual[zeros >= MIN_ZERO_SHARE * panel.lengths] = np.inf
        row = np.flatnonzero(size > MAX_RATIO * usual[series])
        own, index, at, count = np.unique(
            series[row], return_index=True, return_inverse=True, return_counts=True
        )
        first, last = row[index], row[index + count - 1]
        known = np.r_[np.flatnonzero(~np.isnan(size)), -1]  # -1: no value
        before = known[np.searchsorted(known[:-1], first) - 1]
        after = known[np.searchsorted(known[:-1], last, side="right")]
        has_both = (
            (before >= panel.offsets[own]) & (after > last) & (after < panel.offsets[own + 1])
        )
        returns = size[after] <= MAX_RETURN * usual[own]
        has_passed = has_both & returns & (last - first < MAX_STEPS)
        return cls(row, usual[series[row]], has_passed[at])


def without_spikes(aligned: AlignedData, clean: CleanSpec) -> AlignedData:
    """The data with spikes that have passed taken as missing, and notes on all spikes; unchanged if
    the spec keeps implausible values or has a rule for outliers."""
    if clean.implausible == "keep" or clean.outliers != "none":
        return aligned
    panel = aligned.panel
    targets, notes = panel.targets.copy(), list(aligned.changes.notes)
    for target in range(len(panel.target_names)):
        spikes = Spikes.find(panel, target)
        targets[spikes.row[spikes.has_passed], target] = np.nan
        notes += _notes(aligned, spikes, target)
    if len(notes) == len(aligned.changes.notes):
        return aligned
    return replace(
        aligned,
        panel=replace(panel, targets=targets, observed_mask=~np.isnan(targets)),
        changes=replace(aligned.changes, notes=tuple(notes)),
    )


def _notes(aligned: AlignedData, spikes: Spikes, target: int) -> Iterator[ReadingNote]:
    """A note on the largest of the spikes that have passed, and on that of the others."""
    panel = aligned.panel
    ratio = np.abs(panel.targets[spikes.row, target]) / spikes.usual
    for chosen, done, cure in (
        (
            spikes.has_passed,
            "taken as missing, as the series goes on as before",
            "set clean.implausible to keep if it is right",
        ),
        (
            ~spikes.has_passed,
            "read as it is",
            "if it is wrong, correct it or set clean.outliers to seasonal",
        ),
    ):
        if not chosen.any():
            continue
        place = int(np.argmax(np.where(chosen, ratio, 0.0)))
        row = int(spikes.row[place])
        series = np.array([panel.series[row]])
        time = panel.window_timestamps(panel.step[[row]], 1, series)[0, 0]
        label = f"{panel.labels()[series[0]]} has " if aligned.table.roles.series else ""
        others = int(chosen.sum()) - 1
        found = (
            f"{label}{panel.targets[row, target]:.12g} at "
            f"{format_timestamp(time, panel.display_timezone)}, {ratio[place]:,.0f} times the "
            f"largest usual value of {spikes.usual[place]:.6g}: {done}"
            + (f" (and {others:,} more)" if others else "")
        )
        where = f"column '{panel.target_names[target]}'"
        yield ReadingNote(Problem(where, found, cure), is_doubtful=True)
