"""Frequency of timestamps with jitter: the usual step nearest to the median step."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnforecast.data.time.closed_steps import find_closed_steps, search_unit
from rnnforecast.data.time.frequency import (
    DAY,
    HOUR,
    MINUTE,
    MONTHS,
    SECOND,
    WEEK,
    WEEKDAYS,
    Frequency,
    fixed_alias,
    parse_frequency,
    to_ticks,
    weekdays,
)
from rnnforecast.data.time.frequency_inference import sort_rows
from rnnforecast.data.time.grid import mode_per_group
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Ints, Timestamps

_YEAR_LENGTH = 365.2425 * DAY
_ROUND_STEPS = (
    *(count * 10**power for power in range(6) for count in (1, 2, 5)),
    *(count * SECOND for count in (1, 2, 5, 10, 15, 20, 30)),
    *(count * MINUTE for count in (1, 2, 5, 10, 15, 20, 30)),
    *(count * HOUR for count in (1, 2, 3, 4, 6, 8, 12)),
    DAY, WEEK, _YEAR_LENGTH / 12, _YEAR_LENGTH / 4, _YEAR_LENGTH,
)  # fmt: skip
"""Usual steps [microseconds]."""


def infer_jittered_frequency(codes: Ints, time: Timestamps) -> Frequency:
    """The usual step that most series vote for; ties go to the finer one.

    Each series votes for the usual step nearest to its median step, on a logarithmic scale: 1, 2,
    5, 10, 15, 20 and 30 seconds and minutes, the hours that divide a day, days, weeks, months,
    quarters, years, and 1, 2, 5, 10, … microseconds below a second. Where time is a whole number,
    the median step is rounded instead. Weeks end on the weekday of most rows; months, quarters and
    years start or end where most rows are.

    `codes` [R] and `time` [R] are in any order; repeated timestamps are ignored. Raises DataError
    if no series has two different timestamps.
    """
    codes, time = sort_rows(codes, time)
    steps = np.diff(time).astype(np.int64)
    forward = (codes[1:] == codes[:-1]) & (steps > 0)
    if not forward.any():
        found = "no series has two different timestamps, so that the frequency cannot be inferred"
        raise DataError(Problem("", found, "set clean.frequency"))
    series, steps = codes[1:][forward], steps[forward]
    medians = pd.Series(steps.astype(np.float64)).groupby(series).median()  # [V] voting series
    voters, middle = medians.index.to_numpy(), medians.to_numpy()
    if time.dtype.kind != "M":
        steps = np.maximum(np.rint(middle), 1).astype(np.int64)
        return parse_frequency(str(mode_per_group(np.zeros_like(steps), steps)[1][0]))
    usual = np.log(np.array(_ROUND_STEPS))
    vote = np.abs(np.log(middle)[:, None] - usual).argmin(axis=1)
    winner = int(np.bincount(vote).argmax())
    return _frequency_of_step(_ROUND_STEPS[winner], time[np.isin(codes, voters[vote == winner])])


def _without_closed_steps(frequency: Frequency, time: Timestamps) -> Frequency:
    """The calendar of a fixed frequency whose steps are in the middle of their jitter."""
    if search_unit(frequency) is None:
        return frequency
    angle = to_ticks(time) % frequency.step * (2 * np.pi / frequency.step)
    center = np.arctan2(np.sin(angle).mean(), np.cos(angle).mean()) / (2 * np.pi) * frequency.step
    # rows may come a little before the step that they belong to, but most are after its beginning
    after = round(center) if center > -frequency.step / 4 else round(center) + frequency.step
    shift = np.timedelta64(frequency.step // 2 - after, "us")
    return find_closed_steps(frequency, time + shift).frequency


def _frequency_of_step(step: float, time: Timestamps) -> Frequency:
    """The frequency of a usual step; weekday or month of its alias are those of most of `time`."""
    if step <= DAY:
        return _without_closed_steps(parse_frequency(fixed_alias(int(step))), time)
    weekday = weekdays(to_ticks(time))
    if step == WEEK:
        return parse_frequency(f"W-{WEEKDAYS[int(np.bincount(weekday).argmax())]}")
    # with jitter, timestamps lie on both sides of the turn of a month: "end" if most are before it
    month, before, after = (
        (time + np.timedelta64(days, "D")).astype("datetime64[M]").astype(np.int64)
        for days in (0, -8, 8)
    )
    letter = "E" if (after > month).sum() > 2 * (before < month).sum() else "S"
    month = before if letter == "E" else after
    if step < _YEAR_LENGTH / 4:
        return parse_frequency(f"M{letter}")
    if step < _YEAR_LENGTH:
        place = int(np.bincount(month % 3).argmax()) + (9 if letter == "E" else 0)
        return parse_frequency(f"Q{letter}-{MONTHS[place]}")
    return parse_frequency(f"Y{letter}-{MONTHS[int(np.bincount(month % 12).argmax())]}")
