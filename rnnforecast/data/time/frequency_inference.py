"""Inference of the frequency: a vote in which each series votes for its most common step."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from rnnforecast.data.time.frequency import (
    DAY,
    MONTHS,
    WEEKDAYS,
    Frequency,
    fixed_alias,
    month_numbers,
    month_start,
    to_ticks,
)
from rnnforecast.data.time.grid import CHUNK_ROWS, fit_grid, mode_per_group, one_step_mask
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Ints, Timestamps


@dataclass(frozen=True)
class InferredFrequency:
    """The frequency that most series voted for."""

    frequency: Frequency
    agreement: float
    """Share [0, 1] of the differences between consecutive timestamps of a series that are one
    step."""
    votes: dict[str, int]
    """Alias -> number of series that voted for it, the winner first."""


def infer_frequency(codes: Ints, time: Timestamps) -> InferredFrequency:
    """The frequency that most series vote for; ties go to the finer one.

    Each series votes for its most common step. `codes` [R] are the series of the rows, `time` [R]
    their timestamps, in any order; repeated timestamps are ignored. The calendar tells business
    days from days, and months (by their first, last or a fixed day) from weeks. Raises DataError if
    no series has two different timestamps.
    """
    codes, time = sort_rows(codes, time)
    parts = [
        _vote_per_series(codes[part].astype(np.int64), time[part]) for part in _row_chunks(codes)
    ]
    series_votes = _SeriesVotes(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    if len(series_votes.series) == 0:
        found = "no series has two different timestamps, so that the frequency cannot be inferred"
        raise DataError(Problem("", found, "set clean.frequency"))
    classes, class_index, counts = np.unique(
        series_votes.classes, axis=0, return_inverse=True, return_counts=True
    )
    class_index = class_index.reshape(-1)
    candidates = []
    for row, count in enumerate(counts.tolist()):
        voters = class_index == row
        frequency = _frequency_of_class(classes[row], series_votes.last_timestamps[voters])
        candidates.append((-count, frequency.approximate_length(), frequency.alias, frequency))
    candidates.sort(key=lambda entry: entry[:3])
    frequency = candidates[0][3]
    votes: dict[str, int] = {}
    for negative_count, _, alias, _ in candidates:
        votes[alias] = votes.get(alias, 0) - negative_count
    regular_counts = [
        _count_regular_steps(frequency, *_drop_repeated_timestamps(codes[p], time[p]))
        for p in _row_chunks(codes)
    ]
    regular, steps = (sum(counts) for counts in zip(*regular_counts, strict=True))
    return InferredFrequency(frequency, regular / steps, votes)


def _row_chunks(codes: Ints) -> list[slice]:
    """Ranges of about `CHUNK_ROWS` rows without splitting a series, to bound temporary arrays."""
    edges = [0]
    while edges[-1] < len(codes):
        wanted = min(edges[-1] + CHUNK_ROWS, len(codes))
        edges.append(int(np.searchsorted(codes, codes[wanted - 1], side="right")))
    return [slice(*edge) for edge in itertools.pairwise(edges)]


def _drop_repeated_timestamps(codes: Ints, time: Timestamps) -> tuple[Ints, Timestamps]:
    """The sorted rows without repeated timestamps."""
    fresh = np.r_[True, (codes[1:] != codes[:-1]) | (time[1:] != time[:-1])]
    return (codes, time) if fresh.all() else (codes[fresh], time[fresh])


def _count_regular_steps(frequency: Frequency, codes: Ints, time: Timestamps) -> tuple[int, int]:
    """How many differences between timestamps of a series are one step, and how many there are."""
    inside = codes[1:] == codes[:-1]
    offsets = np.r_[0, np.flatnonzero(~inside) + 1, len(codes)]
    grid = fit_grid(frequency, time, offsets)
    return int((one_step_mask(grid) & inside).sum()), int(inside.sum())


def sort_rows(codes: Ints, time: Timestamps) -> tuple[Ints, Timestamps]:
    """The rows sorted by series, then time; the arrays themselves if they are sorted already."""
    later = (codes[1:] > codes[:-1]) | ((codes[1:] == codes[:-1]) & (time[1:] >= time[:-1]))
    if later.all():
        return codes, time
    order = np.lexsort((time, codes))
    return codes[order], time[order]


_FIXED, _BUSINESS, _MONTH, _INTEGER = 0, 1, 2, 3
_START, _END, _ANY_DAY = 0, 1, 2


class _SeriesVotes(NamedTuple):
    series: Ints  # [V] the series that vote, ascending
    classes: Ints  # [V, 3] kind, step, anchor
    last_timestamps: Timestamps  # [V]


def _vote_per_series(codes: Ints, time: Timestamps) -> _SeriesVotes:
    """The vote of each series with two timestamps or more."""
    codes, time = _drop_repeated_timestamps(codes, time)
    at = np.flatnonzero(codes[1:] == codes[:-1])  # a step goes from row `at` to `at + 1`
    steps = (time[at + 1] - time[at]).astype(np.int64)
    series, step, agree, total = mode_per_group(codes[at], steps)
    classes = np.zeros((len(series), 3), dtype=np.int64)
    classes[:, 1] = step
    latest = time[np.searchsorted(codes, series, side="right") - 1]
    if time.dtype.kind != "M":
        classes[:, 0] = _INTEGER
        return _SeriesVotes(series, classes, latest)
    voter = np.repeat(np.arange(len(series)), total)  # [steps] the position in `series`
    _vote_business(classes, voter, time, at)
    _vote_months(classes, agree / np.maximum(total, 1), voter, time, at)
    return _SeriesVotes(series, classes, latest)


def _vote_business(classes: Ints, voter_index: Ints, time: Timestamps, step_rows: Ints) -> None:
    """Daily series that skip weekends and have no row on one vote for business days."""
    daily = classes[:, 1] == DAY
    if not daily.any():
        return
    # most daily series have a weekend row among their first seven: search only the others
    first = np.searchsorted(voter_index, np.arange(len(daily)))[:, None] + np.arange(7)
    own = first < np.r_[first[1:, 0], len(voter_index)][:, None]
    day = _weekdays(time[step_rows[np.where(own, first, 0)]])
    daily &= ~((day > 4) & own).any(axis=1)
    if not daily.any():
        return
    mine = daily[voter_index]
    rows, group = step_rows[mine], voter_index[mine]
    before, after = _weekdays(time[rows]), _weekdays(time[rows + 1])
    weekend = np.bincount(group[(before > 4) | (after > 4)], minlength=len(daily)) > 0
    crossed = np.bincount(
        group[(time[rows + 1] - time[rows]).astype(np.int64) > DAY * (5 - before)],
        minlength=len(daily),
    )
    classes[daily & ~weekend & (crossed > 0)] = (_BUSINESS, 1, _START)


def _vote_months(
    classes: Ints, agreement: Any, voter_index: Ints, time: Timestamps, step_rows: Ints
) -> None:
    """Series with steps of 28 days or more vote for months if at least as many steps agree."""
    long = classes[:, 1] >= 28 * DAY
    if not long.any():
        return
    mine = long[voter_index]
    rows, group = step_rows[mine], voter_index[mine]
    days, clock = np.divmod(to_ticks(time), DAY)
    month = month_numbers(time)
    day_of_month = days - month_start(month) // DAY
    is_last = month_start(month + 1) // DAY - 1 == days
    day, next_day, ends, next_ends = day_of_month[:-1], day_of_month[1:], is_last[:-1], is_last[1:]
    same = (day == next_day) | (ends & (next_day >= day)) | (next_ends & (day >= next_day))
    months = np.diff(month)
    same = (same & (clock[1:] == clock[:-1]) & (months > 0))[rows]
    months = months[rows]
    series, step, agree, _ = mode_per_group(group[same], months[same])
    total = np.bincount(group, minlength=len(long))
    better = agree / total[series] >= agreement[series]
    # The anchor is the first or last day if over 75 % of rows have it: a 30th often is the last.
    starts = np.bincount(group[day_of_month[rows] == 0], minlength=len(long)) > 0.75 * total
    lasts = np.bincount(group[is_last[rows]], minlength=len(long)) > 0.75 * total
    anchor = np.where(starts, _START, np.where(lasts, _END, _ANY_DAY))
    chosen = series[better]
    classes[chosen, 0] = _MONTH
    classes[chosen, 1] = step[better]
    classes[chosen, 2] = anchor[chosen]


def _frequency_of_class(frequency_class: Ints, last_timestamps: Timestamps) -> Frequency:
    """The frequency of a row of `_SeriesVotes.classes`; weekday and month of its alias are those of
    most series' last timestamps."""
    step = int(frequency_class[1])
    if frequency_class[0] == _INTEGER:
        return Frequency(str(step), "integer", step)
    if frequency_class[0] == _BUSINESS:
        return Frequency("B", "business", step)
    if frequency_class[0] == _FIXED:
        weekday = WEEKDAYS[_mode(_weekdays(last_timestamps))]
        return Frequency(fixed_alias(step, weekday), "fixed", step)
    if frequency_class[2] == _ANY_DAY:
        return Frequency(f"{step}mo", "month", step, "day")
    anchor: Literal["start", "end"] = "start" if frequency_class[2] == _START else "end"
    letter = anchor[0].upper()
    month = month_numbers(last_timestamps) % 12
    if step % 12 == 0:
        alias = f"{_count_prefix(step // 12)}Y{letter}-{MONTHS[_mode(month)]}"
    elif step % 3 == 0:
        # A quarterly frequency has four equivalent aliases; QS-JAN and QE-DEC are the usual ones.
        place = _mode(month % 3) + (9 if anchor == "end" else 0)
        alias = f"{_count_prefix(step // 3)}Q{letter}-{MONTHS[place]}"
    else:
        alias = f"{_count_prefix(step)}M{letter}"
    return Frequency(alias, "month", step, anchor)


def _mode(values: Ints) -> int:
    return int(np.bincount(values).argmax())


def _weekdays(time: Timestamps) -> Ints:
    """Monday 0 to Sunday 6."""
    return (to_ticks(time) // DAY + 3) % 7


def _count_prefix(count: int) -> str:
    return str(count) if count > 1 else ""
