"""Frequency of series that have rows at some steps only, from the timestamps of all of them.

Where a row is written only for steps with a sale, the most common step of a series says how often
something was sold. All series together have a row at most steps, or at least no row between two.
"""

from __future__ import annotations

import numpy as np

from rnnforecast.data.time.frequency import WEEKDAYS, Frequency, fixed_alias, to_ticks
from rnnforecast.data.time.frequency_inference import InferredFrequency, infer_frequency, sort_rows
from rnnforecast.data.time.grid import fit_grid
from rnnforecast.types import Ints, Timestamps

MIN_AGREEMENT = 0.5
"""The vote of the series counts if this share of their steps agrees …"""
MIN_ON_GRID = 0.95
"""… and this share of their rows lies on its grid."""
MAX_STEPS_PER_TIMESTAMP = 100
"""Timestamps with fewer rows per step of their common unit have no usual step."""


def infer_shared_frequency(codes: Ints, time: Timestamps) -> InferredFrequency:
    """The frequency most series vote for if it is clear, else that of all timestamps together.

    `codes` [R] are the series of the rows, `time` [R] their timestamps, in any order. If that is
    not clear either, it is the greatest common divisor of the steps between all timestamps. Raises
    DataError as `infer_frequency` does. No steps are closed: no row means a value.
    """
    codes, time = sort_rows(codes, time)
    vote = infer_frequency(codes, time, with_closed=False)
    if _is_clear(vote, codes, time):
        return vote
    times = np.unique(time)
    no_codes = np.zeros(len(times), dtype=np.int64)
    pooled = infer_frequency(no_codes, times, with_closed=False)
    if _is_clear(pooled, no_codes, times):
        return pooled
    ticks = to_ticks(times)
    step = int(np.gcd.reduce(np.diff(ticks)))
    if (ticks[-1] - ticks[0]) // step > MAX_STEPS_PER_TIMESTAMP * len(times):
        return vote
    if times.dtype.kind == "M":
        weekday = WEEKDAYS[int(times[-1].astype("datetime64[D]").astype(np.int64) + 3) % 7]
        frequency = Frequency(fixed_alias(step, weekday), "fixed", step)
    else:
        frequency = Frequency(str(step), "integer", step)
    return InferredFrequency(frequency, vote.agreement, {frequency.alias: len(vote.votes)})


def _is_clear(found: InferredFrequency, codes: Ints, time: Timestamps) -> bool:
    """Whether most steps agree, and nearly all of the sorted rows lie on the grid."""
    if found.agreement < MIN_AGREEMENT:
        return False
    offsets = np.r_[0, np.flatnonzero(np.diff(codes)) + 1, len(codes)]
    return float(fit_grid(found.frequency, time, offsets).on_grid.mean()) >= MIN_ON_GRID
