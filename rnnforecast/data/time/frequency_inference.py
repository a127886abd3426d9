"""Inference of the frequency: a vote in which each series votes for its most common step."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from rnnforecast.data.time.closed_steps import (
    ClosedSteps,
    find_closed_steps,
    has_all_steps,
    search_unit,
)
from rnnforecast.data.time.frequency import (
    DAY,
    MONTHS,
    WEEKDAYS,
    Anchor,
    Frequency,
    fixed_alias,
    month_numbers,
    month_start,
    to_ticks,
    weekdays,
)
from rnnforecast.data.time.grid import CHUNK_ROWS, fit_grid, mode_per_group, one_step_mask
from rnnforecast.data.time.timezones import to_local
from rnnforecast.errors import DataError, Problem
from rnnforecast.types import Bools, Ints, Timestamps


@dataclass(frozen=True)
class InferredFrequency:
    """The frequency that most series voted for."""

    frequency: Frequency
    agreement: float
    """Share [0, 1] of the differences between consecutive timestamps of a series that are one
    step."""
    votes: dict[str, int]
    """Alias -> number of series that voted for it, the winner first."""
    voters: dict[str, Ints] = field(default_factory=dict, compare=False)
    """Alias -> the series that voted for it."""
    closed: ClosedSteps | None = None
    """The closed days and times that are no steps of the frequency; None if not searched."""


def infer_frequency(
    codes: Ints,
    time: Timestamps,
    *,
    has_value: Bools | None = None,
    display_timezone: str = "",
    with_closed: bool = True,
) -> InferredFrequency:
    """The frequency that most series vote for; ties go to the finer one.

    Each series votes for its most common step. `codes` [R] are the series of the rows, `time` [R]
    their timestamps, in any order; repeated timestamps are ignored. The calendar tells months (by
    their first, last or a fixed day, or their first or last weekday) from weeks.

    Steps of the week at which no row of any series `has_value` [R] are closed, if `with_closed`,
    see :func:`find_closed_steps`: business days are days without weekends. They are those of local
    time where `time` is UTC that is shown in `display_timezone`. Raises DataError if no series has
    two different timestamps.
    """
    valued_time = time if has_value is None or has_value.all() else time[has_value]
    codes, time = sort_rows(codes, time)
    parts = [
        _vote_per_series(codes[part].astype(np.int64), time[part]) for part in _row_chunks(codes)
    ]
    series_votes = _SeriesVotes(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
    if len(series_votes.series) == 0:
        found = "no series has two different timestamps, so that the frequency cannot be inferred"
        raise DataError(Problem("", found, "set clean.frequency"))
    candidates = _count_votes(series_votes)
    frequency = candidates[0].frequency
    voters: dict[str, Ints] = {}
    for candidate in candidates:
        own = voters.get(candidate.frequency.alias, candidate.voters[:0])
        voters[candidate.frequency.alias] = np.r_[own, candidate.voters]
    closed = None
    if with_closed:
        closed, time = _find_local_closed_steps(
            frequency, codes, time, valued_time, display_timezone
        )
        voters = {closed.frequency.alias: voters.pop(frequency.alias)} | voters
        frequency = closed.frequency
    regular_counts = [
        _count_regular_steps(frequency, *_drop_repeated_timestamps(codes[p], time[p]))
        for p in _row_chunks(codes)
    ]
    regular, steps = (sum(counts) for counts in zip(*regular_counts, strict=True))
    votes = {alias: len(series) for alias, series in voters.items()}
    return InferredFrequency(frequency, regular / steps, votes, voters, closed)


def _find_local_closed_steps(
    frequency: Frequency,
    codes: Ints,
    time: Timestamps,
    valued_time: Timestamps,
    display_timezone: str,
) -> tuple[ClosedSteps, Timestamps]:
    """The closed steps, and the timestamps [R] of sorted rows on which the frequency counts: local
    time instead of UTC if it has closed steps.

    Nothing is closed if local time turns back while series have rows.
    """
    if not display_timezone or frequency.is_local:
        return find_closed_steps(frequency, valued_time), time
    nothing = ClosedSteps(frequency, {}, {})
    unit = search_unit(frequency)
    if unit is None or has_all_steps(unit, valued_time):
        return nothing, time
    found = find_closed_steps(frequency, to_local(valued_time, display_timezone))
    if found.frequency.calendar is None:
        return found, time
    local = to_local(time, display_timezone)
    turns_back = (codes[1:] == codes[:-1]) & (local[1:] <= local[:-1]) & (time[1:] > time[:-1])
    return (nothing, time) if turns_back.any() else (found, local)


class _Candidate(NamedTuple):
    frequency: Frequency
    voters: Ints  # the series that vote for it


def _count_votes(series_votes: _SeriesVotes) -> list[_Candidate]:
    """The frequencies with a vote: most votes first, of equal ones the finer."""
    classes, class_index, counts = np.unique(
        series_votes.classes, axis=0, return_inverse=True, return_counts=True
    )
    class_index = class_index.reshape(-1)
    candidates = []
    for row, count in enumerate(counts.tolist()):
        voters = class_index == row
        frequency = _frequency_of_class(classes[row], series_votes.last_timestamps[voters])
        key = (-count, frequency.approximate_length(), frequency.alias)
        candidates.append((*key, frequency, series_votes.series[voters]))
    candidates.sort(key=lambda entry: entry[:3])
    return [_Candidate(*entry[3:]) for entry in candidates]


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


_FIXED, _MONTH, _INTEGER = 0, 1, 2
_ANCHORS: tuple[Anchor, ...] = ("start", "end", "business_start", "business_end", "day")
_ANY_DAY = 4


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
    _vote_months(classes, agree / np.maximum(total, 1), voter, time, at)
    return _SeriesVotes(series, classes, latest)


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
    at_anchor = [
        to_ticks(time) // DAY * DAY == Frequency("", "month", 1, anchor).unit_start(month)
        for anchor in _ANCHORS[:_ANY_DAY]
    ]
    day, next_day = day_of_month[:-1], day_of_month[1:]
    same = day == next_day
    for is_at in at_anchor:
        same |= is_at[:-1] & is_at[1:]
    # a 30th or 31st is the last day of a shorter month
    same |= (at_anchor[1][:-1] & (next_day >= day)) | (at_anchor[1][1:] & (day >= next_day))
    months = np.diff(month)
    same = (same & (clock[1:] == clock[:-1]) & (months > 0))[rows]
    months = months[rows]
    series, step, agree, _ = mode_per_group(group[same], months[same])
    total = np.bincount(group, minlength=len(long))
    better = agree / total[series] >= agreement[series]
    # The anchor that most rows have, if over 75 % do: a 30th often is the last, and the last day of
    # a month often is its last weekday.
    counts = np.stack(
        [np.bincount(group, is_at[rows] + 1.0 * is_at[rows + 1], len(long)) for is_at in at_anchor]
    )
    anchor = np.where((counts > 1.5 * total).any(axis=0), counts.argmax(axis=0), _ANY_DAY)
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
    if frequency_class[0] == _FIXED:
        weekday = WEEKDAYS[_mode(weekdays(to_ticks(last_timestamps)))]
        return Frequency(fixed_alias(step, weekday), "fixed", step)
    if frequency_class[2] == _ANY_DAY:
        return Frequency(f"{step}mo", "month", step, "day")
    anchor = _ANCHORS[frequency_class[2]]
    prefix = "B" if anchor.startswith("business") else ""
    letter = "E" if anchor.endswith("end") else "S"
    month = month_numbers(last_timestamps) % 12
    if step % 12 == 0:
        alias = f"{_count_prefix(step // 12)}{prefix}Y{letter}-{MONTHS[_mode(month)]}"
    elif step % 3 == 0:
        # A quarterly frequency has four equivalent aliases; QS-JAN and QE-DEC are the usual ones.
        place = _mode(month % 3) + (9 if letter == "E" else 0)
        alias = f"{_count_prefix(step // 3)}{prefix}Q{letter}-{MONTHS[place]}"
    else:
        alias = f"{_count_prefix(step)}{prefix}M{letter}"
    return Frequency(alias, "month", step, anchor)


def _mode(values: Ints) -> int:
    return int(np.bincount(values).argmax())


def _count_prefix(count: int) -> str:
    return str(count) if count > 1 else ""
